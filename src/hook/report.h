/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hook's log: only for what went wrong, one line each, to a file or to syslog and, without one,
 * to the kernel's log. It never waits and never fails.
 */
#pragma once

#include "hook/options.h"

__attribute__((format(printf, 2, 3))) void kh_report(
        const struct kh_hook_options *options, const char *format, ...);

/*
 * The one line that a runtime shows the user when the hook refuses a container, on stderr. Not
 * written where that would wait.
 */
__attribute__((format(printf, 1, 2))) void kh_tell_user(const char *format, ...);
