/* SPDX-License-Identifier: Apache-2.0 */
/* A view of bytes that somebody else owns; not terminated, may hold anything. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct kh_span {
        const char *p; /* NULL: absent */
        size_t n;
};

#define KH_SPAN(literal) ((struct kh_span){ (literal), sizeof(literal) - 1 })

static inline struct kh_span kh_span_of(const char *s)
{
        return (struct kh_span){ s, s ? strlen(s) : 0 };
}

static inline bool kh_span_eq(struct kh_span a, struct kh_span b)
{
        return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool kh_span_starts(struct kh_span s, struct kh_span prefix)
{
        return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool kh_span_ends(struct kh_span s, struct kh_span suffix)
{
        return s.n >= suffix.n &&
               (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* S without its first N bytes; N must not exceed its length. */
static inline struct kh_span kh_span_from(struct kh_span s, size_t n)
{
        return (struct kh_span){ n ? s.p + n : s.p, s.n - n }; /* p may be NULL */
}
