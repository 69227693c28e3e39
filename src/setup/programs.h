/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs that runtimes execute: copied to one directory of root's, so that neither an upgrade
 * nor the removal of the package breaks a node, and kept while a container names them.
 */
#pragma once

#include "setup/setup.h"

#define KH_WRAPPER_NAME "kubearmor-runtime"

/* The wrapper makes a file of that name anew when an engine asks it for its features. */
#define KH_ASKED_SUFFIX ".asked"

/* Where they are already, or the first directory that can have them, into s->bin_dir. */
int kh_programs_choose_directory(struct kh_setup *s, struct kh_err *err);

/* Where the hook is that a configuration can name: --bin-dir, set-up's place, the package's. */
int kh_programs_find_directory(struct kh_setup *s, struct kh_err *err);

/* NAME from the source directory, for the runtimes in OWNERS; whether anything changed. */
int kh_programs_place(struct kh_setup *s, const char *name, unsigned owners, struct kh_err *err);

/* 0 when it is as it must be; otherwise what is wrong with it. */
int kh_programs_check(struct kh_setup *s, const char *name, struct kh_err *err);

/*
 * Whether a file of that format has to stay, with what kh_format_hold() leaves: Docker has
 * containers that it starts by our runtime, or a daemon that may still call the wrapper.
 */
bool kh_programs_hold(const struct kh_setup *s, enum kh_format format);

/* Removes the program of RECORD unless something names it still: then s->kept says so. */
int kh_programs_remove(struct kh_setup *s, struct kh_record *record, struct kh_err *err);
