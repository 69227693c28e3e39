/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file's text without a copy of it: a private mapping, which spares a page fault and a zeroed
 * page for each 4 KiB. It stays until the process ends.
 */
#pragma once

#include <stddef.h>

/*
 * *RET_P, of *RET_N bytes, may be written to; nobody else sees that. Pages that vanish because
 * somebody cuts the file short read as zeros from then on. One file a process. The errors are
 * those of kh_open_file(), and -ENODATA for an empty file.
 */
int kh_map_file(const char *path, size_t cap, char **ret_p, size_t *ret_n);
