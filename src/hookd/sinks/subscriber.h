/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Within the events socket: one client, from its request to its end (subscriber.c), what it gets
 * first (snapshot.c), and what it asks for (asking.c).
 */
#pragma once

#include "base/clock.h"
#include "hookd/counters.h"
#include "hookd/loop.h"
#include "hookd/sinks/outbox.h"
#include "hookd/sinks/query.h"
#include "hookd/sinks/subscribers.h"

enum { KH_ACK_MAX = 64 }; /* {"ack":N} with some blanks */

enum kh_subscriber_phase {
        KH_SUB_ASKING,   /* its request is not whole yet */
        KH_SUB_SNAPSHOT, /* gets what there is; what happens meanwhile waits in `later` */
        KH_SUB_LIVE,
        KH_SUB_ENDING, /* gets what is in its outbox, then nothing */
        KH_SUB_GONE,   /* to be freed at the end of the turn */
};

struct kh_subscriber {
        struct kh_list node;
        struct kh_deferred deferred;
        struct kh_subscribers *owner;
        int fd, slot;
        uid_t uid;
        bool may_read;
        enum kh_subscriber_phase phase;
        bool counted;          /* its end is, as another than the usual one */
        bool deaf;             /* it sends no more */
        uint32_t events;       /* watched for */
        uint64_t moved_ns;     /* when something was last taken or given */
        struct kh_query query; /* its spans point into `in` */
        struct kh_outbox outbox, later;
        const struct kh_entry *cursor; /* of the snapshot: the next one; NULL at its end */
        uint64_t last_serial;          /* of the snapshot: later births are events */
        uint64_t snapshot_seq, snapshot_count;
        /* Of one that acknowledges: the last event that it was sent, that it acked. */
        uint64_t sent, acked;
        size_t in_n, ack_n;
        char ack[KH_ACK_MAX];
        char in[KH_QUERY_MAX];
};

/* Takes FD over; closes it where its user has as many clients as are told that they are too many. */
void kh_subscriber_admit(struct kh_subscribers *s, int fd);

/* Closed at once; its memory stays until the end of the turn, for somebody may walk the list. */
void kh_subscriber_drop(struct kh_subscriber *c);

/* At the end of all: without the loop, and without a word. */
void kh_subscriber_free(struct kh_subscriber *c);

/* The last line of this client: it ends when that is written, or soon. */
void kh_subscriber_end(struct kh_subscriber *c, struct kh_span error, const char *message);
void kh_subscriber_count_end(struct kh_subscriber *c, enum kh_disconnect why);

/* Ends what is at its end; else watches for what it can still do. */
void kh_subscriber_finish(struct kh_subscriber *c);
void kh_subscriber_watch(struct kh_subscriber *c);
void kh_subscriber_set_phase(struct kh_subscriber *c, enum kh_subscriber_phase phase);

/* One line, now or, during a snapshot, behind it; *SHARED as in kh_outbox_write(). */
void kh_subscriber_give(
        struct kh_subscriber *c, const struct kh_span *pieces, size_t n, struct kh_shared **shared);
void kh_subscriber_give_text(struct kh_subscriber *c, struct kh_span text);

/* Somebody has to be looked at again, before long. */
static inline void kh_subscribers_look_later(struct kh_subscribers *s, uint64_t now)
{
        kh_timer_advance(&s->timer, now + KH_NS_PER_S);
}

/* Ends one that does not ask or does not read: whether it has to be looked at again. */
bool kh_subscriber_look(struct kh_subscriber *c, uint64_t now);

void kh_subscriber_start_snapshot(struct kh_subscriber *c);
void kh_subscriber_go_on(struct kh_subscriber *c);

/* Whether its snapshot is past this change's container, so that it is told; its place follows. */
bool kh_subscriber_is_concerned(struct kh_subscriber *c, const struct kh_change *change);

/* What the client sent, if that is whole. */
void kh_subscriber_receive(struct kh_subscriber *c);
