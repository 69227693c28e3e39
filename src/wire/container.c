/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/container.h"

#include <stddef.h>

const struct kh_span kh_ns_name[KH_NS_COUNT] = {
        [KH_NS_PID] = { "pid", 3 },
        [KH_NS_MNT] = { "mnt", 3 },
        [KH_NS_NET] = { "net", 3 },
        [KH_NS_IPC] = { "ipc", 3 },
        [KH_NS_UTS] = { "uts", 3 },
        [KH_NS_USER] = { "user", 4 },
        [KH_NS_CGROUP] = { "cgroup", 6 },
        [KH_NS_TIME] = { "time", 4 },
};

void kh_container_init(struct kh_container *c)
{
        /* The rooms of the lists stay untouched: they are large, and their lengths say all. */
        memset(c, 0, offsetof(struct kh_container, runtime_sockets));
        c->uid = c->gid = -1;
        c->runtime_sockets.n = c->runtime_sockets.dropped = 0;
        c->labels.n = c->labels.dropped = 0;
        c->annotations.n = c->annotations.dropped = 0;
}

void kh_pairs_add(struct kh_pairs *pairs, struct kh_span key, struct kh_span value)
{
        if (pairs->n == KH_MAX_PAIRS) {
                pairs->dropped++;
                return;
        }
        pairs->v[pairs->n++] = (struct kh_pair){ key, value };
}

void kh_spans_add(struct kh_spans *spans, struct kh_span s)
{
        if (spans->n == KH_MAX_SOCKETS) {
                spans->dropped++;
                return;
        }
        spans->v[spans->n++] = s;
}

struct kh_span kh_pairs_get(const struct kh_pairs *pairs, struct kh_span key)
{
        for (unsigned i = pairs->n; i > 0; i--) {
                if (kh_span_eq(pairs->v[i - 1].key, key))
                        return pairs->v[i - 1].value;
        }
        return (struct kh_span){ 0 };
}
