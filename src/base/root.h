/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths of the host as seen from a container that mounts it: below another root directory "/etc"
 * is that root's, and so is what every link there leads to. Where the kernel cannot promise that
 * (openat2(2), Linux 5.6) nothing is opened, rather than a file of the wrong root.
 *
 * In the same way a path may be a user's word, who is not to be helped to what others own: then no
 * link is followed, and only a file of that user's is read.
 */
#pragma once

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>

struct kh_root {
        int dir;       /* of the root; AT_FDCWD: the one that the program runs in itself */
        uint32_t user; /* on whose word a path is opened; 0: root's, whose links are followed */
};

#define KH_OWN_ROOT ((struct kh_root){ .dir = AT_FDCWD })

/* What a user's file may hold: far more than those of a thousand containers do. */
enum { KH_USER_FILE_MAX = 1024 * 1024 };

/* The descriptor of PATH, an absolute one, or a negative errno. O_CLOEXEC is added to FLAGS. */
int kh_root_open(struct kh_root root, const char *path, int flags);

/* The same of PATH below DIR, an open directory of ROOT's; a link, even on the way, is refused. */
int kh_root_open_below(struct kh_root root, int dir, const char *path, int flags);

/* As kh_read_file(); -EPERM for what is not the user's own. */
int kh_root_read_file(struct kh_root root, const char *path, char *buf, size_t cap, size_t *ret_n);
int kh_root_read_below(
        struct kh_root root, int dir, const char *path, char *buf, size_t cap, size_t *ret_n);
