/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Undoes the escapes of a JSON string from START, its first backslash, to END, in place: what comes
 * out is never longer. The new end, or NULL for an escape that is none, \u0000 or a lone surrogate.
 */
char *kh_json_unescape(char *start, const char *end);
