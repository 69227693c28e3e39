/* SPDX-License-Identifier: Apache-2.0 */
/* Running a runtime's own programs, within the root that set-up works on. */
#pragma once

#include "setup/host.h"

#include <stdint.h>

/*
 * Runs ARGV, whose first word is a path in the root, with INPUT on stdin, until it ends or the
 * deadline passes. Its exit status, or a negative errno: it could not be run, or did not end. What
 * it wrote is in *RET_OUT and *RET_ERR, as far as that is asked for (NULL: not).
 */
int kh_command_run(const struct kh_host *root, const char *const *argv, struct kh_span input,
        uint64_t deadline_ns, struct kh_text *ret_out, struct kh_text *ret_err, struct kh_err *err);

/* The path of a program in the directories where programs are; false when there is none. */
bool kh_command_find(const struct kh_host *root, const char *name, char *ret);

/* How long a program may take that prints something and ends. */
#define KH_COMMAND_NS (20 * 1000000000ULL)
