/* SPDX-License-Identifier: Apache-2.0 */
/* What an edit would change, as a unified diff. */
#pragma once

#include "setup/text.h"

/*
 * Appends it, with its two header lines; nothing when they are the same. Absent texts are no file.
 */
void kh_diff(struct kh_text *out, const char *path, const struct kh_text *from,
        const struct kh_text *to);
