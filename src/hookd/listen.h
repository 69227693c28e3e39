/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listening socket at a path: one listener at a time, told by a lock beside it, and never a
 * moment in which the path is there and nobody listens.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct kh_listen {
        char path[108]; /* sun_path; empty when the socket was handed to us */
        int fd;
        int lock;
        uint64_t device, inode; /* of our socket file */
};

#define KH_NO_LISTENER ((struct kh_listen){ .fd = -EBADF, .lock = -EBADF })

/*
 * Listens at PATH. Its directory is made, with DIRECTORY_MODE, if it is missing; the socket gets
 * MODE. What lies at PATH and nobody listens on is replaced.
 */
int kh_listen_open(struct kh_listen *l, const char *path, mode_t directory_mode, mode_t mode,
        struct kh_err *err);

/* Takes over a socket that somebody else made, and will go on to keep. */
void kh_listen_take(struct kh_listen *l, int fd);

/*
 * Has the kernel refuse descriptors that peers send along, where it can (Linux 6.16): to close one
 * may take for ever, a lingering TCP connection's say, and with it all of us would stand still.
 */
void kh_listen_refuse_descriptors(const struct kh_listen *l);

/* Whether this listener's socket is the one at PATH, by whatever name. */
bool kh_listen_is_at(const struct kh_listen *l, const char *path);

/* Removes our socket from its path, unless somebody else's lies there by now. */
void kh_listen_close(struct kh_listen *l);
