/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors that come beside a request: a pidfd, a memfd, told apart by what they are. */
#pragma once

#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

struct kh_descriptors {
        int pidfd;     /* -EBADF: none */
        int pidfd_pid; /* kh_pidfd_pid() of it */
        int memfd;
};

#define KH_NO_DESCRIPTORS ((struct kh_descriptors){ .pidfd = -EBADF, .memfd = -EBADF })

/*
 * Receives bytes from FD, and what descriptors come with them; those of another kind, or of a kind
 * that is there already, are closed. Like recv(), but for a negative errno.
 */
ssize_t kh_descriptors_receive(struct kh_descriptors *d, int fd, char *buf, size_t cap);

void kh_descriptors_close(struct kh_descriptors *d);

/*
 * The bytes of a memfd that nobody can change any more, into BUF: their number, or a negative errno
 * when it is not sealed, empty or larger.
 */
ssize_t kh_descriptors_read_memfd(int memfd, char *buf, size_t cap);
