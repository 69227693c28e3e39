/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending to a buffer of the caller's. An append that does not fit changes nothing but `over`,
 * which stays set: append many times, check once.
 */
#pragma once

#include "base/span.h"

#include <stdint.h>

struct kh_buf {
        char *p;
        size_t len;
        size_t cap;
        bool over;
};

static inline struct kh_buf kh_buf_of(char *p, size_t cap)
{
        return (struct kh_buf){ .p = p, .cap = cap };
}

static inline void kh_buf_put(struct kh_buf *b, const char *p, size_t n)
{
        if (n > b->cap - b->len) {
                b->over = true;
                return;
        }
        if (n)
                memcpy(b->p + b->len, p, n);
        b->len += n;
}

static inline void kh_buf_span(struct kh_buf *b, struct kh_span s)
{
        kh_buf_put(b, s.p, s.n);
}

static inline void kh_buf_char(struct kh_buf *b, char c)
{
        kh_buf_put(b, &c, 1);
}

#define kh_buf_lit(b, literal) kh_buf_put((b), (literal), sizeof(literal) - 1)

/* A decimal number, without sign or padding. */
void kh_buf_u64(struct kh_buf *b, uint64_t value);
void kh_buf_i64(struct kh_buf *b, int64_t value);

/* What was appended, as a C string: false, and an empty string, when it did not fit whole. */
bool kh_buf_terminate(struct kh_buf *b);

static inline struct kh_span kh_buf_view(const struct kh_buf *b)
{
        return (struct kh_span){ b->p, b->len };
}
