/* SPDX-License-Identifier: Apache-2.0 */
/* What the listener counts about itself, for `status` and for the metrics. */
#pragma once

#include "hookd/inventory/inventory.h"

/* What became of a request on the hook socket, or of a file of the spool. */
enum kh_outcome {
        KH_OUTCOME_CREATED,
        KH_OUTCOME_KNOWN, /* a container that was known already */
        KH_OUTCOME_GONE,  /* a create of a container that is dead already */
        KH_OUTCOME_DELETED,
        KH_OUTCOME_NOTHING, /* a delete with nothing left to delete */
        KH_OUTCOME_TEST,    /* a probe of the set-up */
        KH_OUTCOME_REFUSED, /* see the rejections */
        KH_OUTCOME_COUNT
};

/* Why a peer or a request was turned away. */
enum kh_rejection {
        KH_REJECT_PEER,  /* not permitted */
        KH_REJECT_JSON,  /* no request */
        KH_REJECT_SIZE,  /* longer than its bound, or all partial ones together */
        KH_REJECT_PID,   /* the pidfd is another process's than the request says */
        KH_REJECT_MEMFD, /* not sealed, or it speaks of another container */
        KH_REJECT_IDLE,  /* nothing came for too long, or others needed the place */
        KH_REJECT_FULL,  /* no room for another container */
        KH_REJECT_COUNT
};

enum kh_disconnect { KH_GONE_CLOSED, KH_GONE_SLOW, KH_GONE_REFUSED, KH_DISCONNECT_COUNT };

enum { KH_LATENCY_BUCKETS = 10 }; /* and one for what is beyond */

struct kh_counters {
        uint64_t events[KH_CHANGE_COUNT][KH_SOURCE_COUNT];
        uint64_t requests[2][KH_OUTCOME_COUNT]; /* by enum kh_operation */
        uint64_t rejected[KH_REJECT_COUNT];
        uint64_t disconnects[KH_DISCONNECT_COUNT];
        uint64_t duration[KH_LATENCY_BUCKETS + 1]; /* of hooks, by bucket */
        uint64_t duration_sum_us;
        uint64_t accept_pauses; /* for want of descriptors */
        uint64_t unanswered;    /* the peer had gone before its answer */
        uint64_t ack_timeouts;
        uint64_t missed_by_hook; /* containers that were found while nobody had told of them */
        uint64_t spool_taken;
        uint64_t spool_dropped; /* by hooks, because it was full */
        uint64_t spool_bad;
};

extern const struct kh_span kh_change_name[KH_CHANGE_COUNT];
extern const struct kh_span kh_outcome_name[KH_OUTCOME_COUNT];
extern const struct kh_span kh_rejection_name[KH_REJECT_COUNT];
extern const struct kh_span kh_disconnect_name[KH_DISCONNECT_COUNT];
extern const uint64_t kh_latency_bucket_us[KH_LATENCY_BUCKETS];

void kh_counters_duration(struct kh_counters *c, uint64_t us);
