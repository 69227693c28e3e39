/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <stdlib.h>

enum {
        /* Chains moved with each addition: a doubled table is filled no sooner than half moved. */
        MOVED_AT_ONCE = 2,
};

void kh_hash_init(struct kh_hash *h)
{
        *h = (struct kh_hash){ .buckets = h->first, .mask = KH_HASH_FIRST_SIZE - 1 };
}

static void free_buckets(struct kh_hash *h, struct kh_hash_node **buckets)
{
        if (buckets != h->first)
                free(buckets);
}

void kh_hash_done(struct kh_hash *h)
{
        if (h->old)
                free_buckets(h, h->old);
        free_buckets(h, h->buckets);
        kh_hash_init(h);
}

/* The one chain where nodes of that hash are, whether or not it was moved already. */
static struct kh_hash_node **chain(const struct kh_hash *h, uint32_t hash)
{
        if (h->old && (hash & h->old_mask) >= h->moved)
                return &h->old[hash & h->old_mask];
        return &h->buckets[hash & h->mask];
}

static void push(struct kh_hash_node **head, struct kh_hash_node *node)
{
        node->next = *head;
        node->link = head;
        if (*head)
                (*head)->link = &node->next;
        *head = node;
}

static void pull(struct kh_hash_node *node)
{
        *node->link = node->next;
        if (node->next)
                node->next->link = node->link;
        node->link = NULL;
}

static void move_chain(struct kh_hash *h)
{
        struct kh_hash_node *node;

        while ((node = h->old[h->moved])) {
                pull(node);
                push(&h->buckets[node->hash & h->mask], node);
        }
        h->moved++;
        if (h->moved > h->old_mask) {
                free_buckets(h, h->old);
                h->old = NULL;
        }
}

static void start_growing(struct kh_hash *h)
{
        size_t size = 2 * (h->mask + 1);
        struct kh_hash_node **larger = calloc(size, sizeof(*larger));

        if (!larger)
                return;
        h->old = h->buckets;
        h->old_mask = h->mask;
        h->moved = 0;
        h->buckets = larger;
        h->mask = size - 1;
}

void kh_hash_add(struct kh_hash *h, struct kh_hash_node *node, uint32_t hash)
{
        if (!h->old && h->count > h->mask)
                start_growing(h);
        for (int i = 0; h->old && i < MOVED_AT_ONCE; i++)
                move_chain(h);
        node->hash = hash;
        push(chain(h, hash), node);
        h->count++;
}

void kh_hash_del(struct kh_hash *h, struct kh_hash_node *node)
{
        if (!node->link)
                return;
        pull(node);
        h->count--;
}

void kh_hash_replace(const struct kh_hash_node *old, struct kh_hash_node *new)
{
        *new = *old;
        if (!new->link)
                return;
        *new->link = new;
        if (new->next)
                new->next->link = &new->next;
}

static struct kh_hash_node *same_hash(struct kh_hash_node *node, uint32_t hash)
{
        while (node && node->hash != hash)
                node = node->next;
        return node;
}

struct kh_hash_node *kh_hash_find(const struct kh_hash *h, uint32_t hash)
{
        return same_hash(*chain(h, hash), hash);
}

struct kh_hash_node *kh_hash_next(const struct kh_hash_node *node)
{
        return same_hash(node->next, node->hash);
}

static uint64_t rotate(uint64_t x, int by)
{
        return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
}

uint64_t kh_hash_bytes(const struct kh_hash_seed *seed, struct kh_span key)
{
        uint64_t v[4] = {
                seed->k0 ^ 0x736f6d6570736575,
                seed->k1 ^ 0x646f72616e646f6d,
                seed->k0 ^ 0x6c7967656e657261,
                seed->k1 ^ 0x7465646279746573,
        };
        uint64_t last = (uint64_t)key.n << 56, word;
        size_t at = 0;

        for (; key.n - at >= sizeof(word); at += sizeof(word)) {
                memcpy(&word, key.p + at, sizeof(word));
                v[3] ^= word;
                sip_round(v);
                v[0] ^= word;
        }
        for (unsigned shift = 0; at < key.n; at++, shift += 8)
                last |= (uint64_t)(unsigned char)key.p[at] << shift;
        v[3] ^= last;
        sip_round(v);
        v[0] ^= last;
        v[2] ^= 0xff;
        for (int i = 0; i < 3; i++)
                sip_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint32_t kh_hash_u64(const struct kh_hash_seed *seed, uint64_t key)
{
        /* The finalizer of MurmurHash3: inode numbers and pids differ in their low bits alone. */
        key ^= seed->k0;
        key = (key ^ key >> 33) * 0xff51afd7ed558ccd;
        key = (key ^ key >> 33) * 0xc4ceb9fe1a85ec53;
        return (uint32_t)(key ^ key >> 33);
}
