/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An intrusive hash table with chains. It grows a few chains at a time, so that no addition pays
 * for a whole rehash, and it holds any number of nodes with equal keys. Only its bucket arrays are
 * allocated; when there is no memory for a larger one it goes on with longer chains, so that an
 * addition cannot fail.
 *
 * The caller hashes the keys, and compares them: equal hashes are only candidates.
 */
#pragma once

#include "base/span.h"

#include <stdint.h>

struct kh_hash_node {
        struct kh_hash_node *next;
        struct kh_hash_node **link; /* what points to this node; NULL: it lies in no table */
        uint32_t hash;
};

enum { KH_HASH_FIRST_SIZE = 16 };

struct kh_hash {
        struct kh_hash_node **buckets;
        size_t mask;
        struct kh_hash_node **old; /* while growing: the smaller array, its chains below `moved` */
        size_t old_mask, moved;    /* being empty already */
        size_t count;
        struct kh_hash_node *first[KH_HASH_FIRST_SIZE];
};

void kh_hash_init(struct kh_hash *h);

/* Frees the bucket arrays; the nodes are their owners'. */
void kh_hash_done(struct kh_hash *h);

void kh_hash_add(struct kh_hash *h, struct kh_hash_node *node, uint32_t hash);

/* Harmless for a node that lies in no table. */
void kh_hash_del(struct kh_hash *h, struct kh_hash_node *node);

/* NEW takes the place of OLD, whose memory may have moved already. */
void kh_hash_replace(const struct kh_hash_node *old, struct kh_hash_node *new);

/* The nodes of that hash, in any order. */
struct kh_hash_node *kh_hash_find(const struct kh_hash *h, uint32_t hash);
struct kh_hash_node *kh_hash_next(const struct kh_hash_node *node);

/* A secret that keeps who chooses the keys from choosing their chains. */
struct kh_hash_seed {
        uint64_t k0, k1;
};

/* SipHash-1-3. */
uint64_t kh_hash_bytes(const struct kh_hash_seed *seed, struct kh_span key);

/* For numbers that the kernel chose. */
uint32_t kh_hash_u64(const struct kh_hash_seed *seed, uint64_t key);
