/* SPDX-License-Identifier: Apache-2.0 */
/* What a scan has come across already: a bounded set of keys, of which it keeps only the hashes. */
#pragma once

#include "base/span.h"

#include <stdint.h>

enum {
        KH_SEEN_SLOTS = 65536,
        /* Two keys a container, and far more of these than a node runs; no more are taken in. */
        KH_SEEN_MAX = KH_SEEN_SLOTS / 4 * 3,
};

struct kh_seen {
        unsigned n;
        uint64_t slots[KH_SEEN_SLOTS]; /* 0: free */
};

void kh_seen_clear(struct kh_seen *seen);
bool kh_seen_has(const struct kh_seen *seen, struct kh_span key);
void kh_seen_add(struct kh_seen *seen, struct kh_span key);
