/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits to be written to one client. A line is written at once where the socket takes it; what
 * does not fit is queued, in one copy for all the clients that it is queued for. Nothing here
 * waits.
 */
#pragma once

#include "base/list.h"
#include "base/span.h"

/*
 * For one client: some 2,000 events of common size, what a burst of a node's start-up is; a client
 * that is behind by more is better served by a new snapshot.
 */
enum { KH_OUTBOX_MAX = 4 * 1024 * 1024 };

/* A line in memory, shared by its references. */
struct kh_shared;

/* NULL when there is no memory. */
struct kh_shared *kh_shared_new(const struct kh_span *pieces, size_t n);
void kh_shared_unref(struct kh_shared *s);

struct kh_outbox {
        struct kh_list lines;
        size_t bytes;     /* of all of them */
        size_t head_sent; /* of the first one */
};

void kh_outbox_init(struct kh_outbox *o);
void kh_outbox_done(struct kh_outbox *o);

static inline bool kh_outbox_is_empty(const struct kh_outbox *o)
{
        return kh_list_is_empty(&o->lines);
}

/*
 * Writes the pieces, a whole line, to FD, or queues what it does not take. *SHARED, NULL at first,
 * is the copy for other clients; the caller unrefs it at last. 0; -ENOBUFS when the outbox would
 * grow beyond its bound; -ENOMEM; another negative errno when the client is gone.
 */
int kh_outbox_write(struct kh_outbox *o, int fd, const struct kh_span *pieces, size_t n,
        struct kh_shared **shared);

/* The same without trying to write. */
int kh_outbox_queue(
        struct kh_outbox *o, const struct kh_span *pieces, size_t n, struct kh_shared **shared);

/* Appends all that waits in FROM. */
void kh_outbox_move(struct kh_outbox *o, struct kh_outbox *from);

/* Writes what the socket takes: a negative errno when the client is gone. */
int kh_outbox_flush(struct kh_outbox *o, int fd);

/* Forgets what was not begun to be written. */
void kh_outbox_cut(struct kh_outbox *o);
