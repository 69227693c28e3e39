/* SPDX-License-Identifier: Apache-2.0 */
/* The hook socket: connections, requests in any fragmentation, the descriptors beside them,
 * answers. */
#pragma once

#include "base/err.h"
#include "hookd/loop.h"
#include "hookd/sources/peer.h"

enum {
        /* Hooks at once: each lives a millisecond, so more are peers that hold connections. */
        KH_CONNECTIONS_MAX = 1024,
};

struct kh_core;

struct kh_hooksock {
        struct kh_core *core;
        struct kh_peers peers;
        int listener, slot;
        bool draining;
        unsigned count, max;
        size_t partial_bytes;    /* of all requests that are not whole yet */
        struct kh_list fresh;    /* answered or just come, and not watched yet */
        struct kh_list watched;  /* the longest idle one first */
        struct kh_list awaiting; /* whose answer waits for acknowledgements, in order */
        struct kh_timer fresh_timer, idle_timer, await_timer, pause_timer;
        struct kh_deferred release;
        bool release_pending;
};

int kh_hooksock_init(struct kh_hooksock *h, struct kh_core *core, unsigned max, struct kh_err *err);

/* From now on hooks are served from this listening socket, which stays the caller's. */
int kh_hooksock_listen(struct kh_hooksock *h, int listener);

/* Takes no more connections; what has come is still answered. */
void kh_hooksock_drain(struct kh_hooksock *h);
static inline bool kh_hooksock_is_drained(const struct kh_hooksock *h)
{
        return h->draining && h->count == 0;
}
void kh_hooksock_done(struct kh_hooksock *h);
