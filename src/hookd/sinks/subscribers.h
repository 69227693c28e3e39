/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events socket: its clients, what each asked for, and what each still has to be given. No
 * client is waited for; one that does not read is cut off when its outbox is full or nothing moved
 * for long.
 */
#pragma once

#include "base/err.h"
#include "hookd/inventory/inventory.h"
#include "hookd/loop.h"
#include "hookd/sinks/line.h"

#include <sys/types.h>

enum { KH_SUBSCRIBERS_MAX = 256 }; /* agents and tools of one node, with much room */

struct kh_core;

struct kh_subscribers {
        struct kh_core *core;
        struct kh_list all;
        struct kh_timer timer;
        unsigned max;   /* a quarter of it is root's alone, which can so always look */
        unsigned count; /* of those who may read */
        unsigned non_root;
        unsigned strangers;   /* who may not, until they have been told */
        unsigned subscribed;  /* of them */
        const uid_t *readers; /* who may read, besides root */
        size_t readers_n;
        int listener, slot;
        char instance[KH_INSTANCE_SIZE];
        /* An acknowledgement came, or one is awaited no longer. */
        void (*acknowledged)(void *arg);
        void *acknowledged_arg;
};

int kh_subscribers_init(
        struct kh_subscribers *s, struct kh_core *core, unsigned max, struct kh_err *err);

/* From now on clients are taken from this listening socket, which stays the caller's. */
int kh_subscribers_listen(struct kh_subscribers *s, int listener);

/* Gives the change to each client that it concerns. */
void kh_subscribers_tell(
        struct kh_subscribers *s, const struct kh_change *change, uint64_t seq, uint64_t real_ns);

/* Whether a client that asked to acknowledge has not done so up to event SEQ. */
bool kh_subscribers_await(const struct kh_subscribers *s, uint64_t seq);

/* What waits in all the outboxes. */
size_t kh_subscribers_queued(const struct kh_subscribers *s);

/* Takes no more clients, and tells those that are there that this is the end. */
void kh_subscribers_shutdown(struct kh_subscribers *s);
static inline bool kh_subscribers_are_gone(const struct kh_subscribers *s)
{
        return s->count == 0;
}
void kh_subscribers_done(struct kh_subscribers *s);
