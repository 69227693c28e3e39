/* SPDX-License-Identifier: Apache-2.0 */
/* The listener's command line. */
#pragma once

#include "base/err.h"
#include "hookd/sources/statedir.h"

#include <sys/types.h>

enum {
        KH_UIDS_MAX = 64, /* of --allow-uid and of --allow-reader */
};

struct kh_options {
        const char *socket;
        const char *events;
        const char *spool; /* NULL: none */
        const char *state;
        const char *relay;     /* NULL: nobody is fed */
        const char *metrics;   /* NULL: on the events socket alone */
        const char *host_root; /* NULL: the host's tree is our own */
        mode_t socket_mode;
        int ready_fd; /* -EBADF: none */
        enum kh_watch_mode watch;
        uid_t allowed[KH_UIDS_MAX];
        size_t allowed_n;
        uid_t readers[KH_UIDS_MAX];
        size_t readers_n;
        const char *state_roots[KH_STATE_ROOTS_MAX];
        size_t state_roots_n;
};

/* 1: the program has printed what was asked for and is done; 0; or -EINVAL. */
int kh_options_parse(struct kh_options *o, int argc, char **argv, struct kh_err *err);
