/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system that set-up works on: this process's own, or a host's that is mounted into a
 * container (--host-root). Every path is absolute and of that host: links in it, absolute ones too,
 * stay within it.
 */
#pragma once

#include "base/err.h"
#include "setup/text.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

struct kh_host {
        int fd;
        bool is_own;
        char prefix[PATH_MAX]; /* where it is mounted; "" when it is our own */
};

/* DIR may be NULL: the process's own root. */
int kh_host_open(struct kh_host *ret, const char *dir, struct kh_err *err);
void kh_host_close(struct kh_host *root);

/* open(2) within the root: a descriptor or a negative errno. */
int kh_host_openat(const struct kh_host *root, const char *path, int flags);

/*
 * PATH without links, into RET of PATH_MAX bytes. What does not exist stands behind the part that
 * does, as it is.
 */
int kh_host_resolve(const struct kh_host *root, const char *path, char *ret, struct kh_err *err);

/* The directory that PATH, a resolved one, lies in, and its last component. */
int kh_host_open_parent(const struct kh_host *root, const char *path, const char **ret_name);

bool kh_host_exists(const struct kh_host *root, const char *path);

/* Whether PATH can be made or replaced: nothing on the way is on a read-only file system. */
bool kh_host_is_writable(const struct kh_host *root, const char *path);

/* stat(2) of PATH, links followed. */
int kh_host_stat(const struct kh_host *root, const char *path, struct stat *ret);

/* A directory can hold more names only by mistake. */
enum { KH_NAMES_MAX = 4096 };

struct kh_names {
        char *v[KH_NAMES_MAX];
        unsigned n;
};

/* The names in a directory, sorted by their bytes; none when it is not there. */
int kh_host_list(
        const struct kh_host *root, const char *path, struct kh_names *ret, struct kh_err *err);
void kh_names_done(struct kh_names *names);

/* A regular file whole: absent in *RET when it is not there. */
int kh_host_read(
        const struct kh_host *root, const char *path, struct kh_text *ret, struct kh_err *err);

/* What PATH, an absolute one, lies in, into RET of PATH_MAX bytes; "" for the root. */
void kh_path_directory(char *ret, const char *path);

/* Makes PATH from directory and name; false when it does not fit. */
bool kh_path_join(char *ret, const char *directory, const char *name);
