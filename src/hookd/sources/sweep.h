/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no event tells: that a created container's own process runs now, that an exited one's cgroup
 * is empty, that an init without a pidfd is dead. Looked for only while there is such a container,
 * each less and less often.
 */
#pragma once

#include "hookd/loop.h"

struct kh_core;
struct kh_entry;

struct kh_sweep {
        struct kh_core *core;
        struct kh_timer timer;
};

void kh_sweep_init(struct kh_sweep *s, struct kh_core *core);

/* E has come, or has changed: if it is unquiet, it will be looked at. */
void kh_sweep_notice(struct kh_sweep *s, const struct kh_entry *e);
