/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull reader of JSON (RFC 8259) over a buffer of the caller's: no allocation, no token array, no
 * recursion, linear time at any depth. A caller walks the members it knows and skips the rest:
 *
 *         struct kh_json j = kh_json_of(text, length);
 *         struct kh_span key;
 *
 *         kh_json_enter_object(&j);
 *         while (kh_json_member(&j, &key)) {
 *                 if (kh_span_eq(key, KH_SPAN("id")))
 *                         kh_json_string(&j, &id);
 *                 else
 *                         kh_json_skip(&j);
 *         }
 *         if (!kh_json_end(&j))
 *                 ... j.error says what, j.p where
 *
 * Errors stick: after the first one every call returns false, so a walk needs one check at its end.
 * Each value must be consumed by exactly one call. What is skipped is balanced but not otherwise
 * validated; what is read is checked.
 *
 * Escapes are undone in place, so the text is changed by reading it, and spans point into it.
 */
#pragma once

#include "base/span.h"

#include <stdint.h>

enum kh_json_type {
        KH_JSON_INVALID,
        KH_JSON_OBJECT,
        KH_JSON_ARRAY,
        KH_JSON_STRING,
        KH_JSON_NUMBER,
        KH_JSON_BOOL,
        KH_JSON_NULL,
};

struct kh_json {
        char *p;
        char *end;
        const char *error; /* a constant string; NULL while all is well */
        bool first;        /* just behind a '{' or '[' */
};

static inline struct kh_json kh_json_of(char *text, size_t n)
{
        return (struct kh_json){ .p = text, .end = n ? text + n : text };
}

/* The kind of the value that comes next, which is not consumed. */
enum kh_json_type kh_json_peek(struct kh_json *j);

/* For a value of another type these skip it and return false without an error. */
bool kh_json_enter_object(struct kh_json *j);
bool kh_json_enter_array(struct kh_json *j);

/* The next member's key, or false at the object's end, which is consumed. */
bool kh_json_member(struct kh_json *j, struct kh_span *ret_key);

/* Whether another element comes; at the array's end, false, and it is consumed. */
bool kh_json_element(struct kh_json *j);

/*
 * The scalars: false, with *RET untouched, when the value is of another type (it is skipped), or
 * cannot be represented: a number that is no integer of that range, a string that holds invalid
 * UTF-8, a NUL or a lone surrogate. That is no error of the document: the caller takes the member
 * as absent.
 */
bool kh_json_string(struct kh_json *j, struct kh_span *ret);
bool kh_json_name(
        struct kh_json *j, struct kh_span *ret); /* an empty string is absent too: Go's way */
bool kh_json_u64(struct kh_json *j, uint64_t max, uint64_t *ret);
bool kh_json_i64(struct kh_json *j, int64_t *ret);
bool kh_json_bool(struct kh_json *j, bool *ret);

/* Any value, whole; and the same with its text. */
bool kh_json_skip(struct kh_json *j);
bool kh_json_raw(struct kh_json *j, struct kh_span *ret);

/* True when the document was read without error and nothing but blanks follows it. */
bool kh_json_end(struct kh_json *j);

/*
 * Finds the end of the first value in a stream that arrives in pieces. Zero-initialise it; each
 * call is given the whole text so far (the scan goes on where it stopped) and returns the length of
 * the first complete object, leading blanks included, 0 when more must come, or -EBADMSG when the
 * text does not begin with an object.
 */
struct kh_json_frame {
        size_t scanned;
        size_t depth;
        bool in_string;
        bool escaped;
};
ptrdiff_t kh_json_frame(struct kh_json_frame *f, const char *text, size_t n);
