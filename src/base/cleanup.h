/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cleanup by scope and ownership of file descriptors.
 *
 * "No descriptor" is -EBADF, never -1 or 0, so that a forgotten initialisation shows. A descriptor
 * leaves its scope by kh_take_fd().
 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define kh_cleanup(fn) __attribute__((cleanup(fn)))

/* Closes, keeps errno, and never retries: after EINTR Linux has released the number already. */
static inline void kh_close(int fd)
{
        int saved = errno;

        if (fd >= 0)
                close(fd);
        errno = saved;
}

static inline void kh_closep(int *fd)
{
        kh_close(*fd);
        *fd = -EBADF;
}

/* Moves a descriptor out of a scope that would close it. */
static inline int kh_take_fd(int *fd)
{
        int taken = *fd;

        *fd = -EBADF;
        return taken;
}

/* For any pointer that malloc made: kh_cleanup(kh_freep) char *name = ... */
static inline void kh_freep(void *p)
{
        free(*(void **)p);
}
