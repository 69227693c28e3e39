/* SPDX-License-Identifier: Apache-2.0 */
/* The text within a JSON string: its escapes, and UTF-8 (RFC 3629). */
#pragma once

#include "base/span.h"

/* Well-formed UTF-8 without NUL and without surrogates. */
bool kh_utf8_is_text(struct kh_span s);

/*
 * Undoes the escapes from START, the first backslash of a string, to END, in place: what comes out
 * is never longer. The new end, or NULL for an escape that is none, \u0000 or a lone surrogate.
 */
char *kh_json_unescape(char *start, const char *end);
