/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hook's options, from its argv alone: hook definitions carry argv, and whatever else a process
 * inherits differs by runtime and stage. A definition outlives the hook that it was written for, so
 * what is not understood is passed over and said, never fatal.
 */
#pragma once

#include "base/span.h"
#include "discovery/places.h"
#include "hook/stage.h"

#include <stdint.h>

#define KH_DEFAULT_SOCKET "/run/kubearmor/ka.sock"
#define KH_DEFAULT_SPOOL  "/run/kubearmor/spool"

enum { KH_OPTION_LIST_MAX = 64 };

struct kh_option_list {
        struct kh_span v[KH_OPTION_LIST_MAX];
        unsigned n;
};

struct kh_hook_options {
        enum kh_stage stage;
        const char *socket;
        const char *spool; /* NULL: none */
        const char *log;   /* NULL: syslog or the kernel's log */
        uint64_t timeout_ns;
        struct kh_option_list exempt_namespaces;
        struct kh_option_list listener_commands;
        const char *state_roots[KH_STATE_ROOTS_MAX]; /* of a snapshot */
        size_t state_roots_n;
        const char *misunderstood; /* the first argument that was passed over, or NULL */
        bool fail_closed;
        bool deny_runtime_sockets;
        bool dry_run;
        bool test;
        bool snapshot;
        uint64_t listener_since; /* of a snapshot; clock ticks since boot */
        bool help;
        bool version;
};

void kh_hook_parse_options(int argc, char **argv, struct kh_hook_options *ret);

extern const char kh_hook_help[];
