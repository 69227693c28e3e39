/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded reads. None of them waits for longer than its deadline; EINTR is no failure. */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A file of the kernel's (procfs, cgroupfs) that one read gives whole. -EFBIG when it fills the
 * buffer, for then nobody knows what was cut off; otherwise the length.
 */
ssize_t kh_read_kernel_file(int dir, const char *name, char *buf, size_t cap);

/*
 * A descriptor of a regular file of at most CAP bytes, and its size; a symlink is followed, a FIFO
 * or a device is never waited for. -EFBIG: larger; -EINVAL: no regular file.
 */
int kh_open_file(int dir, const char *name, size_t cap, size_t *ret_size);

/* Such a file whole, into BUF of CAP bytes. *RET_N gets the length. */
int kh_read_file(int dir, const char *name, char *buf, size_t cap, size_t *ret_n);

/* The same of a descriptor that was opened with O_NONBLOCK, from where it stands. */
int kh_read_open_file(int fd, char *buf, size_t cap, size_t *ret_n);

/* All of it, in as many writes as it takes. */
int kh_write_all(int fd, const char *p, size_t n);
