/* SPDX-License-Identifier: Apache-2.0 */
/* Which containers may be refused, where an administrator asked for that, and which is a listener. */
#pragma once

#include "hook/options.h"
#include "oci/annotations.h"

/* Whether it is a listener's own, KubeArmor's or ours, by the first word of its command. */
bool kh_is_listener(const struct kh_container *c, const struct kh_hook_options *options);

/*
 * Whether a container must never be refused for want of a listener: its pod's namespace is exempt,
 * by the word of the runtime's own key (DIALECT says whose), or it is the listener itself.
 */
bool kh_is_exempt(const struct kh_container *c, enum kh_dialect dialect,
        const struct kh_hook_options *options);

/*
 * Whether it may have a runtime's socket: the same, but a pod is not believed to be the listener by
 * its command, which its author chose.
 */
bool kh_may_have_runtime_socket(const struct kh_container *c, enum kh_dialect dialect,
        const struct kh_hook_options *options);
