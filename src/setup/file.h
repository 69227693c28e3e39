/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files changed whole or not at all: a reader sees the old bytes or the new ones, at any moment,
 * and so does who looks after a crash.
 */
#pragma once

#include "setup/host.h"

/*
 * What stands in for PATH while it is written. Its name is one that no reader of a configuration
 * directory takes for a configuration; a leftover of it is removed by the next writing.
 */
#define KH_TEMPORARY_SUFFIX ".kubearmor-new"

/*
 * The file at PATH, a resolved one, becomes TEXT, or goes when TEXT is absent. Mode, owner and
 * security label stay those of the old file; a new one is root's, with MODE. It must still be
 * EXPECTED (NULL: whatever it is): -ESTALE when somebody else wrote to it meanwhile.
 */
int kh_file_set(const struct kh_host *root, const char *path, struct kh_span text, mode_t mode,
        const struct kh_text *expected, struct kh_err *err);

/* Removes what an interrupted kh_file_set() may have left beside PATH. */
void kh_file_tidy(const struct kh_host *root, const char *path);
