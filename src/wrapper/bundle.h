/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration in a container's bundle. */
#pragma once

#include "base/err.h"
#include "spec/hooks.h"

/*
 * Has the bundle in DIRECTORY (NULL: the working directory) call HOOKS. The file is replaced whole
 * or not at all, with its mode and owner.
 */
int kh_bundle_add_hooks(
        const char *directory, const struct kh_stage_hooks *hooks, struct kh_err *err);
