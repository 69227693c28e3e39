/* SPDX-License-Identifier: Apache-2.0 */
/* A set of incarnations of containers, each with its object as JSON. */
#pragma once

#include "kubearmor-hook.h"

/* More than a node can run; a listener that tells of more is not believed. */
enum { KH_ROSTER_MAX = 256 * 1024 };

struct kh_roster_entry {
        struct kh_roster_entry
                *next; /* in its bucket, or in a list of the caller's once taken out */
        uint64_t hash;
        pid_t pid;
        uint64_t start_time;
        const char *id;
        const char *runtime; /* "" when not known */
        const char *json;
        char text[]; /* the three, one behind the other */
};

struct kh_roster {
        struct kh_roster_entry **buckets;
        size_t n_buckets; /* a power of two; 0 before the first entry */
        size_t n;
        uint64_t seed;
};

/* Zero-initialise; the seed is drawn with the first entry. */
void kh_roster_clear(struct kh_roster *k);

/* Adds it, in place of an entry for the same incarnation. -ENOMEM, -E2BIG. */
int kh_roster_put(struct kh_roster *k, const struct kubearmor_hook_container *c);

/*
 * The entry for the same incarnation as that of ID, RUNTIME, PID and START_TIME, NULL when there is
 * none. A pid, start time or runtime that one side does not know contradicts nothing: facts may be
 * added to a container later.
 */
struct kh_roster_entry *kh_roster_find(const struct kh_roster *k, const char *id,
        const char *runtime, pid_t pid, uint64_t start_time);

/* Takes an entry out; the caller frees it with free(). */
void kh_roster_take(struct kh_roster *k, struct kh_roster_entry *entry);

/* One entry after another: NULL gives the first. No entry may be put in or taken out between. */
struct kh_roster_entry *kh_roster_after(
        const struct kh_roster *k, const struct kh_roster_entry *entry);
