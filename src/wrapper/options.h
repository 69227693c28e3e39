/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What set-up has told the wrapper, in a file beside it that only root can write:
 * {"runtime": PATH, "hooks": {STAGE: [HOOK, ...], ...}}.
 */
#pragma once

#include "base/err.h"
#include "spec/hooks.h"

#include <limits.h>

struct kh_wrapper_options {
        char runtime[PATH_MAX]; /* "": the first that is found */
        struct kh_stage_hooks hooks;
};

/* SELF is the wrapper's own path. After a failure the options are empty. */
int kh_wrapper_options_read(const char *self, struct kh_wrapper_options *ret, struct kh_err *err);
