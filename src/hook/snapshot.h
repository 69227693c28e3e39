/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ran before the listener did. When a listener's own container is created, the hook starts
 * itself once more as a process of the host's that outlives it: this waits for that listener and
 * tells it of every container that runs, found in the runtimes' state directories, each as a
 * detached message on one connection.
 */
#pragma once

#include "hook/options.h"

/*
 * Starts that process, without waiting for anything of it. SINCE is the start time of the
 * container's init: only a listener that is not older than that is told.
 */
void kh_snapshot_start(const struct kh_hook_options *options, uint64_t since);

/*
 * Is that process, for OPTIONS->listener_since: the exit status. At most one works for a socket and
 * one more waits for its turn; each ends within 60 s.
 */
int kh_snapshot_run(const struct kh_hook_options *options);
