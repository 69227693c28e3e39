/* SPDX-License-Identifier: Apache-2.0 */
/* The listener about itself, as OpenMetrics text. */
#pragma once

#include "base/buf.h"

struct kh_core;

void kh_metrics_write(struct kh_buf *b, const struct kh_core *core);
