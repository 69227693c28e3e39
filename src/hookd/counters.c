/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/counters.h"

const struct kh_span kh_change_name[KH_CHANGE_COUNT] = {
        [KH_CREATED] = { "created", 7 },
        [KH_UPDATED] = { "updated", 7 },
        [KH_REMOVED] = { "removed", 7 },
};

const struct kh_span kh_outcome_name[KH_OUTCOME_COUNT] = {
        [KH_OUTCOME_CREATED] = { "created", 7 },
        [KH_OUTCOME_KNOWN] = { "known", 5 },
        [KH_OUTCOME_GONE] = { "gone", 4 },
        [KH_OUTCOME_DELETED] = { "deleted", 7 },
        [KH_OUTCOME_NOTHING] = { "nothing", 7 },
        [KH_OUTCOME_TEST] = { "test", 4 },
        [KH_OUTCOME_REFUSED] = { "refused", 7 },
};

const struct kh_span kh_rejection_name[KH_REJECT_COUNT] = {
        [KH_REJECT_PEER] = { "peer", 4 },
        [KH_REJECT_JSON] = { "json", 4 },
        [KH_REJECT_SIZE] = { "size", 4 },
        [KH_REJECT_PID] = { "pid", 3 },
        [KH_REJECT_MEMFD] = { "memfd", 5 },
        [KH_REJECT_IDLE] = { "idle", 4 },
        [KH_REJECT_FULL] = { "full", 4 },
};

const struct kh_span kh_disconnect_name[KH_DISCONNECT_COUNT] = {
        [KH_GONE_CLOSED] = { "closed", 6 },
        [KH_GONE_SLOW] = { "slow", 4 },
        [KH_GONE_REFUSED] = { "refused", 7 },
};

const uint64_t kh_latency_bucket_us[KH_LATENCY_BUCKETS] = {
        100,
        250,
        500,
        1000,
        2500,
        10000,
        50000,
        100000,
        500000,
        1000000,
};

void kh_counters_duration(struct kh_counters *c, uint64_t us)
{
        int i = 0;

        while (i < KH_LATENCY_BUCKETS && us > kh_latency_bucket_us[i])
                i++;
        c->duration[i]++;
        c->duration_sum_us += us;
}
