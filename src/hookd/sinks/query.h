/* SPDX-License-Identifier: Apache-2.0 */
/* What a client of the events socket asks for: its request line, and which containers match. */
#pragma once

#include "hookd/inventory/inventory.h"

enum { KH_QUERY_MAX = 4096 }; /* a request line: names and ids, none of them longer than a path */

enum kh_query_kind {
        KH_QUERY_SUBSCRIBE,
        KH_QUERY_LIST,
        KH_QUERY_LOOKUP,
        KH_QUERY_STATUS,
        KH_QUERY_METRICS,
};

/* Spans are absent, numbers 0, where nothing is asked. */
struct kh_filter {
        struct kh_span id; /* a prefix */
        struct kh_span name, pod, pod_namespace, runtime, type, state;
};

struct kh_query {
        enum kh_query_kind kind;
        bool acknowledge;
        struct kh_filter filter;
        /* Of a lookup, exactly one of these; an id is in the filter. */
        uint32_t pid;
        uint64_t cgroup_id;
        uint64_t inode;
        enum kh_ns ns;
};

/* Reads the line TEXT, which is changed and pointed into. NULL, or what is wrong with it. */
const char *kh_query_read(char *text, size_t n, struct kh_query *ret);

bool kh_filter_matches(const struct kh_filter *f, const struct kh_entry *e);

/*
 * The containers that a lookup finds, each given to FN; their number. *RET_AMBIGUOUS: its id is a
 * prefix of several ids, and FN was called for none.
 */
size_t kh_query_lookup(const struct kh_query *q, const struct kh_inventory *inv,
        void (*fn)(void *arg, const struct kh_entry *e), void *arg, bool *ret_ambiguous);
