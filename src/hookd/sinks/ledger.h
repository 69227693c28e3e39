/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the relay's peer was told, container by container, and of which it has yet to hear: bounded
 * by the containers, not by the events, so that a peer may be away for as long as it likes.
 *
 * It outlives the listener in a file: each message is recorded before it is sent, and only the last
 * one can be unanswered. A listener that was killed so tells the same peer nothing twice, and tells
 * it of each container that died meanwhile.
 */
#pragma once

#include "base/hash.h"
#include "base/list.h"

/* Who listens at the peer's socket: another one knows nothing of what the former was told. */
struct kh_agent {
        uint64_t device, inode, made_ns; /* of the socket's file */
        uint64_t pid;
};

/* A container id that the peer knows, may know, or has yet to hear of. */
struct kh_item {
        struct kh_hash_node node;
        struct kh_list all, due;
        uint64_t serial; /* of the entry that the peer knows; 0: it knows none of this id */
        uint64_t digest; /* of what it was told */
        bool unsure;     /* whether it took the last message of it is not known */
        uint32_t id_n;
        char id[];
};

struct kh_ledger {
        struct kh_hash items;
        struct kh_list all, due;
        size_t due_n, known_n;
        struct kh_agent peer;
        int dir, fd; /* -EBADF: not recorded */
        uint64_t bytes;
        bool settled; /* the record says that the last message was answered */
};

void kh_ledger_init(struct kh_ledger *l);
void kh_ledger_done(struct kh_ledger *l);

/* From now on in the state directory DIR, beginning with what a former listener left there. */
void kh_ledger_open(struct kh_ledger *l, int dir);

/* The peer has to hear of this container: behind those of which it has to already. */
void kh_ledger_add(struct kh_ledger *l, struct kh_span id);

/* The item of this id, or NULL. */
struct kh_item *kh_ledger_find(const struct kh_ledger *l, struct kh_span id);

/* Takes the first of them, which the caller tells of, puts back or forgets; NULL: none. */
struct kh_item *kh_ledger_take(struct kh_ledger *l);

/* One that was taken is the first again. */
void kh_ledger_put_back(struct kh_ledger *l, struct kh_item *item);

/* The peer knows no container of this id, and has none to hear of. */
void kh_ledger_forget(struct kh_ledger *l, struct kh_item *item);

/* It is about to be told: of the entry with that serial, or with 0, of the end of what it knows. */
void kh_ledger_tell(struct kh_ledger *l, struct kh_item *item, uint64_t serial, uint64_t digest);

/* All was answered, for now. */
void kh_ledger_settle(struct kh_ledger *l);

/* Whether PEER is the one that was told; if not, it has to hear of all, and knows nothing. */
bool kh_ledger_meets(struct kh_ledger *l, const struct kh_agent *peer);

static inline bool kh_item_is_known(const struct kh_item *item)
{
        return item->serial || item->unsure;
}

static inline struct kh_span kh_item_id(const struct kh_item *item)
{
        return (struct kh_span){ item->id, item->id_n };
}
