/* SPDX-License-Identifier: Apache-2.0 */
/* The directories that hold runtimes' state, by patterns, and the names in a directory. */
#pragma once

#include "base/buf.h"
#include "base/root.h"

#include <limits.h>
#include <stdint.h>

enum kh_place_kind {
        KH_PLACE_RUNTIME, /* ID/state.json of runc or ID/status of crun, whoever calls them */
        KH_PLACE_SHIM,    /* a containerd namespace: ID/config.json, ID/init.pid */
        KH_PLACE_STORAGE, /* CRI-O's and Podman's run root: ID/userdata/pidfile */
};

/* Directories whose entries are containers: a path in which '*' stands for any part of a name. */
struct kh_place_pattern {
        enum kh_place_kind kind;
        /*
         * Whose state it is. Root's is believed about any process; another user's only about those
         * in a user namespace that this user owns, and only where somebody lists the pattern, which
         * comes behind root's and has no '*'.
         */
        uint32_t owner;
        const char *path;
        const char *graph_root; /* of a KH_PLACE_STORAGE, where containers have a twin; or NULL */
};

/* Below containerd's state directory, and below Podman's and CRI-O's run root. */
#define KH_TASKS  "/io.containerd.runtime.v2.task/*"
#define KH_STORES "/*-containers"

/* Where root's containers of such a run root have their twin. */
#define KH_GRAPH_ROOT "/var/lib/containers/storage"

enum {
        KH_DEFAULT_PLACES = 10,
        KH_STATE_ROOTS_MAX = 16,
        KH_STATE_ROOT_PLACES = 3, /* of each state root */
};

/* Where runc, crun, containerd, Docker, k3s, k0s, MicroK8s, CRI-O and Podman have theirs. */
extern const struct kh_place_pattern kh_default_places[KH_DEFAULT_PLACES];

/*
 * Those, and what lies below the N directories ROOTS, of which each may be a runtime's --root, a
 * containerd's state directory or the run root of a container storage; what it is shows in what is
 * there. A place whose path does not fit into TEXT is left out. The number of patterns put into RET,
 * which point into TEXT.
 */
size_t kh_places_with(
        struct kh_place_pattern *ret, const char *const *roots, size_t n, struct kh_buf *text);

/* The path of a place BELOW a DIRECTORY, behind what is in TEXT; NULL where there is no room left. */
const char *kh_place_path(struct kh_buf *text, struct kh_span directory, const char *below);

struct kh_place {
        enum kh_place_kind kind;
        uint32_t owner;
        struct kh_span path;
        const char *graph_root; /* the pattern's */
};

enum {
        KH_LISTING_ROOM = 32768,
        KH_WALK_DEPTH = 2, /* wildcards in a pattern */
        /* Of a user's directory no more is read: he may fill it to have us read for ever. */
        KH_USER_ENTRIES_MAX = 1024,
};

/* The names in a directory but those that begin with a dot. */
struct kh_listing {
        int dir;   /* an open directory, the caller's */
        char *buf; /* KH_LISTING_ROOM bytes */
        size_t n, at;
        unsigned left; /* names that may still be read */
};

/* The next name, valid until the call after the next; false at the end, the limit, or an error. */
bool kh_listing_next(struct kh_listing *listing, struct kh_span *ret);

/* A wildcard that is being gone through. */
struct kh_walk_level {
        struct kh_listing names;
        struct kh_span prefix, suffix;
        const char *rest; /* of the pattern, behind the name */
        size_t length;    /* of the path before it */
};

/* Goes through what patterns stand for, one place after the other. */
struct kh_walk {
        struct kh_root root;
        const struct kh_place_pattern *patterns;
        size_t left; /* patterns to come */
        char (*rooms)[KH_LISTING_ROOM];
        /* Called with each directory that a wildcard is looked up in, there or not; may be NULL. */
        void (*crossed)(void *arg, struct kh_span directory);
        void *arg;
        struct kh_walk_level levels[KH_WALK_DEPTH];
        unsigned depth;
        size_t length;
        char path[PATH_MAX];
};

/* PATTERNS and ROOMS, KH_WALK_DEPTH of them, stay the caller's until kh_walk_done(). */
void kh_walk_init(struct kh_walk *w, struct kh_root root, const struct kh_place_pattern *patterns,
        size_t n, char (*rooms)[KH_LISTING_ROOM]);

/* The next place, which is there or not, valid until the next call; false at the end. */
bool kh_walk_next(struct kh_walk *w, struct kh_place *ret);

/* Wherever it has come to. */
void kh_walk_done(struct kh_walk *w);
