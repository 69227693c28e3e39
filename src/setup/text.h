/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text that grows. Running out of memory sticks in `failed`, as `over` does in a kh_buf: append
 * many times, check once. An absent text (of a file that is not there) has p = NULL; an empty one
 * has not.
 */
#pragma once

#include "base/buf.h"
#include "base/span.h"

struct kh_text {
        char *p; /* ends with a NUL that does not count */
        size_t n;
        size_t cap;
        bool failed;
};

void kh_text_put(struct kh_text *t, const char *p, size_t n);
__attribute__((format(printf, 2, 3))) void kh_text_printf(
        struct kh_text *t, const char *format, ...);
void kh_text_done(struct kh_text *t);

/* Room for N bytes more at the end, to be written by the caller, or NULL. */
char *kh_text_reserve(struct kh_text *t, size_t n);

static inline void kh_text_span(struct kh_text *t, struct kh_span s)
{
        kh_text_put(t, s.p, s.n);
}

static inline struct kh_span kh_text_view(const struct kh_text *t)
{
        return (struct kh_span){ t->p, t->n };
}

/* A copy; absent if S is. */
static inline struct kh_text kh_text_of(struct kh_span s)
{
        struct kh_text t = { 0 };

        if (s.p)
                kh_text_put(&t, s.p, s.n);
        return t;
}

/* Both absent, or the same bytes. */
static inline bool kh_text_eq(const struct kh_text *a, const struct kh_text *b)
{
        return !a->p == !b->p && kh_span_eq(kh_text_view(a), kh_text_view(b));
}

/* Moves a text out of a scope that would free it. */
static inline struct kh_text kh_text_take(struct kh_text *t)
{
        struct kh_text taken = *t;

        *t = (struct kh_text){ 0 };
        return taken;
}
