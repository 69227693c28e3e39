/* SPDX-License-Identifier: Apache-2.0 */
/* The one parser of numbers: the whole text, decimal digits only, in range. */
#pragma once

#include "base/span.h"

#include <stdint.h>

/* False, with *RET untouched, for an empty text, a blank, a sign, any other character, or > MAX. */
bool kh_parse_u64(struct kh_span text, uint64_t max, uint64_t *ret);

/*
 * "1s", "250ms", "1m", "1.5s"; a bare number is refused, for nobody knows its unit. False when it
 * is malformed or larger than an hour.
 */
bool kh_parse_duration_ns(struct kh_span text, uint64_t *ret_ns);
