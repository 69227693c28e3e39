/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of one container: the type that every part of the product speaks. A fact that could
 * not be determined is absent: a span whose p is NULL, a number that is 0, a KH_UNKNOWN. Spans
 * point into a buffer that whoever filled the struct owns.
 *
 * docs/protocol.md says what each member means, member by member, under its JSON name.
 */
#pragma once

#include "base/span.h"

#include <stdint.h>

enum kh_ns {
        KH_NS_PID,
        KH_NS_MNT,
        KH_NS_NET,
        KH_NS_IPC,
        KH_NS_UTS,
        KH_NS_USER,
        KH_NS_CGROUP,
        KH_NS_TIME,
        KH_NS_COUNT,
};

/* The name under /proc/PID/ns and in our JSON. */
extern const struct kh_span kh_ns_name[KH_NS_COUNT];

enum kh_known { KH_UNKNOWN, KH_NO, KH_YES };

enum kh_container_type { KH_TYPE_UNKNOWN, KH_TYPE_CONTAINER, KH_TYPE_SANDBOX };

struct kh_pair {
        struct kh_span key, value;
};

/* Grows up to its fixed room; what does not fit is counted, so that a reader knows. */
enum { KH_MAX_PAIRS = 512, KH_MAX_SOCKETS = 16 };

/* The numbers stand before the room, on the page that the first elements touch anyway. */
struct kh_pairs {
        unsigned n;
        unsigned dropped;
        struct kh_pair v[KH_MAX_PAIRS];
};

struct kh_spans {
        unsigned n;
        unsigned dropped;
        struct kh_span v[KH_MAX_SOCKETS];
};

struct kh_container {
        /* Who it is. */
        struct kh_span id;
        struct kh_span name;
        struct kh_span image;
        enum kh_container_type type;
        struct kh_span pod_name;
        struct kh_span pod_namespace;
        struct kh_span pod_uid;
        struct kh_span sandbox_id;

        /* Where it came from. */
        struct kh_span runtime; /* "runc", "crun", ... : the OCI runtime that made it */
        struct kh_span stage;   /* the OCI hook stage that told */
        struct kh_span bundle;
        struct kh_span rootfs;

        /* Its init process, as the host sees it. */
        uint32_t pid;
        uint64_t start_time;             /* clock ticks since boot: field 22 of /proc/PID/stat */
        uint64_t ns[KH_NS_COUNT];        /* inode numbers */
        uint8_t ns_host;                 /* bit 1 << KH_NS_x: the runtime's own, so the host's */
        uint8_t ns_joined;               /* bit 1 << KH_NS_x: another container's or a pinned one */
        struct kh_span cgroup_path;      /* as the kernel names it, from the hierarchy's root */
        struct kh_span cgroup_spec_path; /* linux.cgroupsPath, in either driver's form */
        uint64_t cgroup_id;              /* inode number of its directory in the v2 hierarchy */
        struct kh_span command;          /* the first word of process.args */
        int64_t uid, gid;                /* of process.user; -1 when absent */

        /* What confines it. */
        struct kh_span apparmor_profile;
        struct kh_span selinux_label;
        enum kh_known privileged;
        enum kh_known seccomp;
        struct kh_spans runtime_sockets; /* paths on the host of what it mounts */

        struct kh_pairs labels;
        struct kh_pairs annotations;
};

/* The same with all facts absent. */
void kh_container_init(struct kh_container *c);

/* Appends a pair; one too many is counted and dropped. */
void kh_pairs_add(struct kh_pairs *pairs, struct kh_span key, struct kh_span value);
void kh_spans_add(struct kh_spans *spans, struct kh_span s);

/* The last value under KEY; absent when there is none. */
struct kh_span kh_pairs_get(const struct kh_pairs *pairs, struct kh_span key);
