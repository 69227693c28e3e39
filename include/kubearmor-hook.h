/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libkubearmor-hook: who runs in containers on this node, as kubearmor-hookd tells it.
 *
 * A handle asks one question at a time (list, subscribe, a lookup) and gives the answers one by one
 * with kubearmor_hook_next(). Functions return a negative errno when they fail;
 * kubearmor_hook_error() then says in words what failed. Handles share nothing: each may be used by
 * one thread at a time, several by several threads.
 *
 * libkubearmor-hook(3) has an example; docs/protocol.md of the sources says what each fact means.
 */
#ifndef KUBEARMOR_HOOK_H
#define KUBEARMOR_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KUBEARMOR_HOOK_API __attribute__((visibility("default")))

/* Where the listener's events socket is unless an administrator moved it. */
#define KUBEARMOR_HOOK_EVENTS_SOCKET "/run/kubearmor/events/events.sock"

struct kubearmor_hook;

enum kubearmor_hook_namespace_type {
        KUBEARMOR_HOOK_NS_PID,
        KUBEARMOR_HOOK_NS_MNT,
        KUBEARMOR_HOOK_NS_NET,
        KUBEARMOR_HOOK_NS_IPC,
        KUBEARMOR_HOOK_NS_UTS,
        KUBEARMOR_HOOK_NS_USER,
        KUBEARMOR_HOOK_NS_CGROUP,
        KUBEARMOR_HOOK_NS_TIME,
        KUBEARMOR_HOOK_NS_COUNT,
};

/* The name under /proc/PID/ns: "pid", "mnt", ...; NULL for a type out of range. */
KUBEARMOR_HOOK_API const char *kubearmor_hook_namespace_name(
        enum kubearmor_hook_namespace_type type);

enum kubearmor_hook_known {
        KUBEARMOR_HOOK_UNKNOWN,
        KUBEARMOR_HOOK_NO,
        KUBEARMOR_HOOK_YES,
};

struct kubearmor_hook_pair {
        const char *name;
        const char *value;
};

/*
 * A container. What is not known is NULL, 0 (-1 for uid and gid) or KUBEARMOR_HOOK_UNKNOWN. All
 * text is UTF-8, and much of it was chosen by whoever started the container. Later versions of the
 * library append members; programs never make a struct of this type themselves.
 */
struct kubearmor_hook_container {
        const char *id;
        const char *name;
        const char *image;
        const char *type;   /* "container" or "sandbox" */
        const char *state;  /* "created", "running", "exited" or "removed" */
        const char *source; /* what told of it first: "hook", "spool", "snapshot", "discovery" */
        const char *created_at; /* when the listener learnt of it, RFC 3339 */

        const char *pod_name;
        const char *pod_namespace;
        const char *pod_uid;
        const char *sandbox_id;

        const char *runtime; /* "runc", "crun", ... */
        const char *stage;   /* the OCI hook stage that announced it */
        const char *bundle;
        const char *rootfs;

        pid_t pid;                                    /* init's, in the host's pid namespace */
        uint64_t start_time;                          /* init's, in clock ticks since boot */
        uint64_t namespaces[KUBEARMOR_HOOK_NS_COUNT]; /* inode numbers */
        unsigned host_namespaces;                     /* bit 1 << TYPE: the host's own */
        unsigned joined_namespaces; /* bit 1 << TYPE: existed before this container */
        const char *cgroup_path;
        const char *cgroup_spec_path;
        uint64_t cgroup_id; /* what bpf_get_current_cgroup_id() gives */

        const char *command; /* the first word of its process's arguments */
        int64_t uid;
        int64_t gid;
        const char *apparmor_profile;
        const char *selinux_label;
        enum kubearmor_hook_known privileged;
        enum kubearmor_hook_known seccomp;

        const char *const *runtime_sockets; /* mounted paths that hold a runtime's API socket */
        size_t n_runtime_sockets;
        const struct kubearmor_hook_pair *labels;
        size_t n_labels;
        const struct kubearmor_hook_pair *annotations;
        size_t n_annotations;

        const char *json; /* the whole object as it was received */
};

enum kubearmor_hook_event_type {
        KUBEARMOR_HOOK_CONTAINER = 1, /* exists: one of the snapshot, or of what was looked up */
        KUBEARMOR_HOOK_SYNCED,        /* the snapshot, the list or the lookup is complete */
        KUBEARMOR_HOOK_CREATED,
        KUBEARMOR_HOOK_UPDATED,
        KUBEARMOR_HOOK_REMOVED,
        KUBEARMOR_HOOK_DISCONNECTED, /* the listener is away; the library goes on trying */
};

/* An event; members that its type has not are NULL or 0. The same rules as for a container. */
struct kubearmor_hook_event {
        enum kubearmor_hook_event_type type;
        const struct kubearmor_hook_container *container;
        uint64_t seq;         /* the listener's number of the event */
        const char *time;     /* RFC 3339 */
        const char *source;   /* what told: "hook", "spool", "snapshot", "discovery", "kernel" */
        const char *reason;   /* of REMOVED: "exited", "deleted" or "replaced" */
        bool derived;         /* from the difference of two snapshots, so nobody saw it happen */
        const char *instance; /* of SYNCED: new with each start of the listener */
        uint64_t count;       /* of SYNCED: containers in the snapshot */
        const char *message;  /* of DISCONNECTED: why */
        const char *json;     /* the line as received, without its newline; NULL for DISCONNECTED */
};

struct kubearmor_hook_options {
        size_t size;      /* sizeof(struct kubearmor_hook_options): later versions append members */
        const char *path; /* of the events socket; NULL: KUBEARMOR_HOOK_EVENTS_SOCKET */
        /*
         * Milliseconds that the listener may stay silent while an answer or a snapshot is due;
         * 0: 5000. Between events it may be silent for ever.
         */
        unsigned timeout_ms;
};

/*
 * Makes a handle, which kubearmor_hook_close() frees; it connects only when it asks. OPTIONS may be
 * NULL. -EINVAL: unknown options are set, or the path is too long for a socket's; -ENOMEM, -EMFILE.
 */
KUBEARMOR_HOOK_API int kubearmor_hook_open(
        const struct kubearmor_hook_options *options, struct kubearmor_hook **ret);

/* NULL is allowed. */
KUBEARMOR_HOOK_API void kubearmor_hook_close(struct kubearmor_hook *hook);

/* What the last call that failed could not do, one line; "" if none did. Valid as long as HOOK. */
KUBEARMOR_HOOK_API const char *kubearmor_hook_error(const struct kubearmor_hook *hook);

/* Containers of which every member given here has exactly this value; of `id`, the prefix. */
struct kubearmor_hook_filter {
        size_t size; /* sizeof(struct kubearmor_hook_filter) */
        const char *id;
        const char *name;
        const char *pod;
        const char *pod_namespace;
        const char *runtime;
        const char *type;
        const char *state;
};

enum kubearmor_hook_subscribe_flags {
        /*
         * When the listener restarts or cuts the connection: tell so by DISCONNECTED, connect again
         * for as long as it takes, compare what is there with what was told before, and go on with
         * the difference, so that each incarnation of a container (id, init's pid and start time)
         * gets one CONTAINER or CREATED and one REMOVED, whatever happens to the listener. One
         * that came and went while nobody was connected is not told of.
         */
        KUBEARMOR_HOOK_RECONNECT = 1 << 0,
};

/*
 * Each of these asks a new question in place of the one before. They wait for nothing; the answer
 * comes by kubearmor_hook_next(). FILTER may be NULL.
 *
 * -ENOENT, -ECONNREFUSED: no listener at the path; -EACCES: not permitted; -EINVAL: a bad argument.
 */

/* The containers that are there, SYNCED, then events for ever. */
KUBEARMOR_HOOK_API int kubearmor_hook_subscribe(
        struct kubearmor_hook *hook, const struct kubearmor_hook_filter *filter, unsigned flags);

/* The containers that are there, and SYNCED, which is the last. */
KUBEARMOR_HOOK_API int kubearmor_hook_list(
        struct kubearmor_hook *hook, const struct kubearmor_hook_filter *filter);

/*
 * Lookups: the containers that match, and SYNCED. When none does, kubearmor_hook_next() fails with
 * -ESRCH; when ID, whole or a prefix, is not one container's, with -ENOTUNIQ.
 */
KUBEARMOR_HOOK_API int kubearmor_hook_lookup_id(struct kubearmor_hook *hook, const char *id);
KUBEARMOR_HOOK_API int kubearmor_hook_lookup_init(struct kubearmor_hook *hook, pid_t pid);
KUBEARMOR_HOOK_API int kubearmor_hook_lookup_cgroup(struct kubearmor_hook *hook, uint64_t id);
KUBEARMOR_HOOK_API int kubearmor_hook_lookup_namespace(
        struct kubearmor_hook *hook, enum kubearmor_hook_namespace_type type, uint64_t inode);

enum kubearmor_hook_match {
        KUBEARMOR_HOOK_BY_CGROUP = 1, /* its cgroup, or one above it, is the container's */
        KUBEARMOR_HOOK_BY_MNT,        /* its mount namespace is the container's */
        KUBEARMOR_HOOK_BY_PID,        /* its pid namespace is; several may share it */
};

/*
 * Whose is process PID, any process, as this program's /proc numbers it: looks up its cgroup, then
 * its mount namespace, then its pid namespace if that is not the host's, and stops at the first
 * that a container has. Unlike the other lookups it waits for the listener, at most the handle's
 * timeout for each, and says -ESRCH itself, for no such process or one of no container. Otherwise
 * *RET_MATCH (may be NULL) says how they were found, and kubearmor_hook_next() gives them.
 */
KUBEARMOR_HOOK_API int kubearmor_hook_lookup_process(
        struct kubearmor_hook *hook, pid_t pid, enum kubearmor_hook_match *ret_match);

/*
 * The next event: 1, and *RET; 0 when none came within TIMEOUT_MS (0: do not wait, -1: for ever).
 * The event and all that it points to is valid until the next call with HOOK.
 *
 * -ENODATA: all was given, or nothing was asked; -EINTR; -ETIMEDOUT: the listener does not answer;
 * -ECONNRESET: it hung up; -ENOBUFS: it cut us off, for we read too slowly; -EUSERS: it has too
 * many subscribers; -ESHUTDOWN: it ends; -EACCES; -EBADMSG: what it writes is not this protocol.
 */
KUBEARMOR_HOOK_API int kubearmor_hook_next(
        struct kubearmor_hook *hook, int timeout_ms, const struct kubearmor_hook_event **ret);

/*
 * A descriptor to poll for POLLIN, the same for the handle's whole life. When it is readable call
 * kubearmor_hook_next() with timeout 0 until it returns no event; only then poll again.
 */
KUBEARMOR_HOOK_API int kubearmor_hook_fd(const struct kubearmor_hook *hook);

struct kubearmor_hook_count {
        const char *name;
        uint64_t value;
};

struct kubearmor_hook_counts {
        const struct kubearmor_hook_count *v;
        size_t n;
};

/* The listener about itself; absent and valid as in an event. */
struct kubearmor_hook_status {
        const char *version;
        const char *instance;
        const char *started_at;
        uint64_t uptime_seconds;
        pid_t pid;
        uint64_t seq;
        const char *hook_socket;
        const char *events_socket;
        uint64_t containers;
        struct kubearmor_hook_counts containers_by_state;
        struct kubearmor_hook_counts containers_by_runtime;
        struct kubearmor_hook_counts events;      /* since its start, by type */
        struct kubearmor_hook_counts requests;    /* by what became of them */
        struct kubearmor_hook_counts rejected;    /* by reason */
        struct kubearmor_hook_counts subscribers; /* "connected", "cut" */
        const char *spool;                        /* its directory; NULL: none */
        struct kubearmor_hook_counts spooled;     /* "files", "bytes", "taken", "dropped" */
        const char *relay;                        /* the socket that it feeds; NULL: none */
        const char *relay_state;                  /* "waiting", "snapshot", "live" */
        /* "known", "behind", "messages", "resent", "snapshots", "failures" */
        struct kubearmor_hook_counts relayed;
        const char *json;
};

/* These wait for the answer, at most the handle's timeout. */
KUBEARMOR_HOOK_API int kubearmor_hook_status(
        struct kubearmor_hook *hook, const struct kubearmor_hook_status **ret);

/* The listener's counters as OpenMetrics text, "# EOF" included; valid until the next call. */
KUBEARMOR_HOOK_API int kubearmor_hook_metrics(struct kubearmor_hook *hook, const char **ret);

#ifdef __cplusplus
}
#endif

#endif
