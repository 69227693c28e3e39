/* SPDX-License-Identifier: Apache-2.0 */
/* The hooks that set-up registers, as the JSON that every runtime's configuration has them in. */
#pragma once

#include "setup/setup.h"

struct kh_hook_set {
        struct kh_text text; /* what the spans of `hooks` point into */
        struct kh_stage_hooks hooks;
};

/* Those that the options ask for; their program is in the directory that set-up has chosen. */
int kh_hook_set_make(const struct kh_setup *s, struct kh_hook_set *ret, struct kh_err *err);
void kh_hook_set_done(struct kh_hook_set *set);

/* Whether hooks can be registered for the stage: the others have nothing to tell. */
bool kh_stage_is_known(const char *stage);

/* Seconds after which a runtime kills the hook: longer than the hook gives itself. */
unsigned kh_hook_kill_after_s(const struct kh_setup_options *options);

/* "createRuntime" and "poststop", or what the options have. */
unsigned kh_hook_stages(const struct kh_setup_options *options, const char **ret);
