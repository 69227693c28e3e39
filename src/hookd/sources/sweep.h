/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no event tells: that a created container's own process runs now, that an exited one's cgroup
 * is empty, that an init without a pidfd is dead. Looked for only while there is such a container,
 * each less and less often.
 */
#pragma once

#include "hookd/loop.h"

struct kh_core;

struct kh_sweep {
        struct kh_core *core;
        struct kh_timer timer;
};

void kh_sweep_init(struct kh_sweep *s, struct kh_core *core);

/* An entry has become unquiet: it is looked at after DELAY_NS. */
void kh_sweep_soon(struct kh_sweep *s, uint64_t delay_ns);
