/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/span.h"

/* Whether S is well-formed UTF-8 (RFC 3629) without NUL. */
bool kh_utf8_is_text(struct kh_span s);
