/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of a TOML text that change what they must and no other byte. A line that is put in ends in
 * a comment that says whose it is: by that it is found again, whatever became of the rest.
 */
#pragma once

#include "base/err.h"
#include "setup/toml.h"

#define KH_TOML_MARK "# kubearmor-hookctl"

/* File names of ours begin so; a value that names such a file is ours. */
#define KH_TOML_OUR_FILE "kubearmor-hook"

/*
 * TEXT with NAME = VALUE (TOML text) in TABLE, into RET: in place of the value that it has, or in a
 * line of its own, in a table of its own if need be. -EOPNOTSUPP: there, it cannot be put safely.
 */
int kh_toml_set(struct kh_span text, const struct kh_toml_key *table, const char *name,
        struct kh_span value, struct kh_text *ret, struct kh_err *err);

/* TEXT that imports PATTERN, the last of its imports. */
int kh_toml_add_import(
        struct kh_span text, const char *pattern, struct kh_text *ret, struct kh_err *err);

/*
 * TEXT without what is ours: lines with the mark, imports of our files; a value that names a file
 * of ours in somebody else's line becomes the empty string.
 */
int kh_toml_strip(struct kh_span text, struct kh_text *ret, struct kh_err *err);
