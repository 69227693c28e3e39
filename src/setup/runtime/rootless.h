/* SPDX-License-Identifier: Apache-2.0 */
/* Podman of users other than root: it reads hooks only where a user's own configuration says so. */
#pragma once

#include "setup/runtime/runtime.h"

/*
 * A drop-in for each user that the options name, which adds DIRECTORY, where the hooks are, to what
 * SYSTEM (the directories that the node's configuration gives to all) and his own files say.
 */
int kh_plan_rootless(struct kh_setup *s, const struct kh_hooks_dirs *system, const char *directory,
        struct kh_plan *plan, struct kh_err *err);
