/* SPDX-License-Identifier: Apache-2.0 */
/* What the unit tests share: texts that end where the mapped memory ends, and recorded files. */
#pragma once

#include "base/span.h"

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/*
 * A copy of TEXT whose last byte is the last of its page, the next page being unmapped: reading
 * past it is a crash in any build. Valid until the next call.
 */
char *fixture_guarded(struct kh_span text);

/* The bytes of tests/data/NAME, valid until the next call; the test fails when there is no such
 * file. */
struct kh_span fixture_recorded(const char *name);

/*
 * Calls CHECK with each recorded file whose name matches the shell's PATTERN; there must be some.
 */
void fixture_each_recorded(
        const char *pattern, void (*check)(const char *name, struct kh_span text));

/* A repeatable sequence of pseudo-random numbers (xorshift64*). */
struct fixture_random {
        uint64_t state;
};
uint32_t fixture_below(struct fixture_random *r, uint32_t limit);

#define assert_span_equal(span, literal)                                                           \
        do {                                                                                       \
                struct kh_span got_ = (span);                                                      \
                assert_non_null(got_.p);                                                           \
                assert_int_equal(got_.n, sizeof(literal) - 1);                                     \
                assert_memory_equal(got_.p, literal, sizeof(literal) - 1);                         \
        } while (0)
