/* SPDX-License-Identifier: Apache-2.0 */
/* Which containers may be refused, where an administrator asked for that. */
#pragma once

#include "hook/options.h"
#include "oci/annotations.h"

/*
 * Whether a container must never be refused: its pod's namespace is exempt, by the word of the
 * runtime's own key (DIALECT says whose), or it is the listener's own.
 */
bool kh_is_exempt(const struct kh_container *c, enum kh_dialect dialect,
        const struct kh_hook_options *options);
