/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options. What an option is stands once, in one catalogue; each sub-command lists those that it
 * takes. From the two come getopt_long()'s tables and the help text, with which the tests compare
 * completion and manual page.
 */
#pragma once

#include "hookctl/hookctl.h"

/* Where in ARGV the sub-command's name stands, behind options that may precede it; else ARGC. */
int kh_options_find_command(int argc, char **argv);

/*
 * Reads the options of COMMAND into *S; the first argument that is none is argv[optind]. False when
 * there is nothing more to do, and *RET_CODE says how to exit.
 */
bool kh_options_read(const struct kh_command *command, int argc, char **argv, struct kh_settings *s,
        enum kh_exit *ret_code);

void kh_print_command_help(const struct kh_command *command);
