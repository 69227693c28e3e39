/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a `status` request: the listener about itself, as one JSON line. */
#pragma once

#include "base/buf.h"

struct kh_core;

void kh_status_write(struct kh_buf *b, const struct kh_core *core);
