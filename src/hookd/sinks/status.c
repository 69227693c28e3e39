/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/status.h"

#include "hookd/core.h"

void kh_status_write(struct kh_buf *b, const struct kh_core *core)
{
        (void)core;
        kh_buf_lit(b, "{\"type\":\"status\"}\n");
}
