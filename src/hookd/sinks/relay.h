/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds KubeArmor's own listener, which then needs neither a runtime's socket nor a hook of its own
 * (docs/kubearmor.md). What it is told is the difference between what it knows (the ledger) and the
 * inventory, so nobody waits for it, and it may come, go and hang as it likes.
 *
 * To a KubeArmor that is new goes the snapshot: all that differs, each message `detached`, on one
 * connection that is closed then. KubeArmor takes live events after that, on another one.
 */
#pragma once

#include "base/err.h"
#include "hookd/inventory/inventory.h"
#include "hookd/loop.h"
#include "hookd/sinks/ledger.h"
#include "wire/request.h"

struct kh_core;

enum kh_relay_phase {
        KH_RELAY_WAITING,  /* for its socket */
        KH_RELAY_SNAPSHOT, /* telling what there is */
        KH_RELAY_ENDING,   /* said all; it has yet to close as well, having taken all then */
        KH_RELAY_LIVE,
        KH_RELAY_PHASE_COUNT
};

extern const struct kh_span kh_relay_phase_name[KH_RELAY_PHASE_COUNT];

struct kh_relay {
        struct kh_core *core;
        const char *path; /* NULL: there is no relay */
        struct kh_ledger ledger;
        struct kh_timer timer;
        struct kh_deferred deferred;
        enum kh_relay_phase phase;
        int fd, slot;
        bool synced;          /* the peer has had its snapshot */
        bool told_any;        /* in this snapshot */
        bool awaiting;        /* an answer */
        bool refused;         /* it was "err": the message is to be sent again */
        bool up, down;        /* said so in the log */
        size_t left;          /* of the snapshot, which is what was due when it began */
        struct kh_item *item; /* whose message is on its way; NULL: nobody's */
        enum kh_operation operation;
        uint64_t pause_ns;     /* before the next connection */
        uint64_t answer_by_ns; /* else this one is given up */
        uint64_t ready_by_ns;  /* an "err" after that asks for a snapshot */
        size_t answer_n, message_n;
        char answer[4];
        char message[KH_REQUEST_STREAM_MAX];
        uint64_t messages, resent, snapshots, failures;
};

/* Containers of which it has yet to hear, or to answer. */
static inline size_t kh_relay_behind(const struct kh_relay *r)
{
        return r->ledger.due_n + (r->item && kh_list_is_empty(&r->item->due));
}

/* PATH: the peer's socket; NULL: the relay stays idle. */
void kh_relay_init(struct kh_relay *r, struct kh_core *core, const char *path);

/* Begins with what a former listener told, by its record in the state directory. */
void kh_relay_restore(struct kh_relay *r, int state_dir);

/* From now on the peer is looked for. */
void kh_relay_start(struct kh_relay *r);
void kh_relay_done(struct kh_relay *r);

/* A change of the inventory: something may have to be told. */
void kh_relay_tell(struct kh_relay *r, const struct kh_change *change);
