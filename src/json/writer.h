/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing JSON, compact and on one line, into a kh_buf. The writer puts the commas: a member or an
 * element is preceded by one unless it is the first in its object or array.
 */
#pragma once

#include "base/buf.h"

/* A string with its quotes; every control character is escaped, so that a line stays one line. */
void kh_json_put_string(struct kh_buf *b, struct kh_span s);

/* What stands between the quotes, for a string that is put together from parts. */
void kh_json_put_text(struct kh_buf *b, struct kh_span s);

void kh_json_open(struct kh_buf *b, char bracket);  /* '{' or '[' as an element or a value */
void kh_json_close(struct kh_buf *b, char bracket); /* '}' or ']' */

/* ,"KEY": with KEY a plain literal that needs no escapes */
void kh_json_put_key(struct kh_buf *b, struct kh_span key);

/* Members; the string is left out when absent (p is NULL), the number when it is 0. */
void kh_json_put_str_member(struct kh_buf *b, struct kh_span key, struct kh_span value);
void kh_json_put_u64_member(struct kh_buf *b, struct kh_span key, uint64_t value);
void kh_json_put_bool_member(struct kh_buf *b, struct kh_span key, bool value);

/* Before an element of an array that the caller then writes itself. */
void kh_json_put_comma(struct kh_buf *b);
