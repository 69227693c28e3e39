/* SPDX-License-Identifier: Apache-2.0 */
/* The directories that patterns stand for, and the names in a directory. */
#pragma once

#include "discovery/discovery.h"

/* The names in a directory but those that begin with a dot, read 32 KiB at a time. */
struct kh_listing {
        int dir; /* an open directory, the caller's */
        char *buf;
        size_t n, at;
};

/* The next name, valid until the call after the next; false at the end, or at an error. */
bool kh_listing_next(struct kh_listing *listing, struct kh_span *ret);

struct kh_places_visitor {
        /* A place, which is there or not. */
        void (*place)(void *arg, const struct kh_place *place);
        /* A directory that a pattern's wildcard was looked up in, there or not; may be NULL. */
        void (*crossed)(void *arg, struct kh_span directory);
        void *arg;
};

/* Visits what D's patterns stand for. */
void kh_places_visit(const struct kh_discovery *d, const struct kh_places_visitor *visitor);
