/* SPDX-License-Identifier: Apache-2.0 */
/* A set of incarnations of containers, each with its object as JSON, in the order of arrival. */
#pragma once

#include "base/hash.h"
#include "base/list.h"
#include "kubearmor-hook.h"

/* Twice what the listener keeps at most: one that tells of more is not believed. */
enum { KH_ROSTER_MAX = 256 * 1024 };

struct kh_roster_entry {
        struct kh_list all;
        struct kh_hash_node by_id;
        pid_t pid;
        uint64_t start_time;
        const char *id;
        const char *runtime; /* "" when not known */
        const char *json;
        char text[]; /* the three, one behind the other */
};

struct kh_roster {
        struct kh_list all;
        struct kh_hash by_id;
        struct kh_hash_seed seed;
};

void kh_roster_init(struct kh_roster *r, struct kh_hash_seed seed);

/* Empties it. */
void kh_roster_clear(struct kh_roster *r);

/* Adds it, in place of an entry for the same incarnation. -ENOMEM, -E2BIG. */
int kh_roster_put(struct kh_roster *r, const struct kubearmor_hook_container *c);

/*
 * The entry for the same incarnation, NULL when there is none. A pid, start time or runtime that
 * one side does not know contradicts nothing: facts may be added to a container later.
 */
struct kh_roster_entry *kh_roster_find(
        const struct kh_roster *r, const struct kubearmor_hook_container *c);

/* The same for an entry that may be another roster's. */
struct kh_roster_entry *kh_roster_find_like(
        const struct kh_roster *r, const struct kh_roster_entry *key);

/* Takes an entry out; the caller frees it with free(). */
void kh_roster_take(struct kh_roster *r, struct kh_roster_entry *entry);

static inline struct kh_roster_entry *kh_roster_entry_of(struct kh_list *all)
{
        return kh_container_of(all, struct kh_roster_entry, all);
}
