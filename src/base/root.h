/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths of the host as seen from a container that mounts it: below another root directory "/etc"
 * is that root's, and so is what every link there leads to. Where the kernel cannot promise that
 * (openat2(2), Linux 5.6) nothing is opened, rather than a file of the wrong root.
 */
#pragma once

#include <fcntl.h>
#include <stddef.h>

/* In place of a descriptor: the root that the program runs in itself. */
enum { KH_OWN_ROOT = AT_FDCWD };

/* The descriptor of PATH, an absolute one, or a negative errno. O_CLOEXEC is added to FLAGS. */
int kh_root_open(int root, const char *path, int flags);

/* The same of PATH below DIR, an open directory of ROOT's; a link, even on the way, is refused. */
int kh_root_open_below(int root, int dir, const char *path, int flags);

/* As kh_read_file(). */
int kh_root_read_file(int root, const char *path, char *buf, size_t cap, size_t *ret_n);
