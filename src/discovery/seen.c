/* SPDX-License-Identifier: Apache-2.0 */
#include "discovery/seen.h"

#include "base/hash.h"

/* The slot of KEY, or the free one where it would go. */
static size_t find(const struct kh_seen *seen, struct kh_span key, uint64_t *ret_hash)
{
        /* Runtimes choose these keys, not those who would like to be overlooked. */
        static const struct kh_hash_seed seed = { 0 };
        uint64_t hash = kh_hash_bytes(&seed, key) | 1;
        size_t slot = (hash >> 1) % KH_SEEN_SLOTS;

        while (seen->slots[slot] && seen->slots[slot] != hash)
                slot = (slot + 1) % KH_SEEN_SLOTS;
        *ret_hash = hash;
        return slot;
}

void kh_seen_clear(struct kh_seen *seen)
{
        memset(seen, 0, sizeof(*seen));
}

bool kh_seen_has(const struct kh_seen *seen, struct kh_span key)
{
        uint64_t hash;

        return seen->slots[find(seen, key, &hash)] != 0;
}

void kh_seen_add(struct kh_seen *seen, struct kh_span key)
{
        uint64_t hash;
        size_t slot = find(seen, key, &hash);

        if (seen->slots[slot] || seen->n == KH_SEEN_MAX)
                return;
        seen->slots[slot] = hash;
        seen->n++;
}
