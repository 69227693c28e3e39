/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which containers run, from the state that runtimes keep on disk and from nothing else: no
 * runtime is asked. Each is told of with the identity that the hook would have given it.
 *
 * A state directory's word is believed about a process only while that process lives and is the one
 * that was meant: its start time is the recorded one or, where none is recorded, its cgroup is the
 * container's. What a runtime left behind when it was killed is no container.
 */
#pragma once

#include "base/err.h"
#include "base/root.h"
#include "discovery/places.h"
#include "discovery/record.h"
#include "discovery/seen.h"
#include "oci/config.h"
#include "oci/metadata.h"

enum kh_finding {
        KH_FOUND_NOTHING,   /* no container, or none any more */
        KH_FOUND_CONTAINER, /* one that runs */
        KH_FOUND_YOUNG,     /* an entry that its runtime may still be filling: look again soon */
        KH_FOUND_UNKNOWN,   /* state that cannot be read or is not whole: look again, later */
};

struct kh_found {
        enum kh_finding finding;
        const struct kh_place *place;
        struct kh_container container; /* only its id unless finding is KH_FOUND_CONTAINER */
        enum kh_known started;         /* whether its own program runs, not only its runtime's */
        int pidfd;                     /* -EBADF where there is none to be had; kh_take_fd() it */
        struct kh_err err;             /* why a KH_FOUND_UNKNOWN is that */
};

/* What FOUND points to is valid until the function returns. */
typedef void (*kh_found_fn)(void *arg, struct kh_found *found);

/*
 * The caller's memory, static or mapped: large, since files are, but touched only as far as they
 * reach. A caller that unmaps it after a scan has none of it resident.
 */
struct kh_discovery_room {
        char listings[KH_WALK_DEPTH + 1][KH_LISTING_ROOM];
        char state[KH_OCI_CONFIG_MAX]; /* runc's repeats the configuration */
        char config[KH_OCI_CONFIG_MAX];
        char metadata[KH_METADATA_MAX];
        char scratch[256 * 1024];
        struct kh_record record;
        struct kh_found found;
        /* During a scan. */
        struct kh_walk walk;
        struct kh_place place;
        struct kh_listing entries; /* of the place; its directory is -EBADF between two places */
        struct kh_seen seen;
        struct kh_storage storage;
};

/* The host whose containers are meant. */
struct kh_host {
        struct kh_root root;
        int proc; /* the root of its procfs */
        const char
                *cgroupfs; /* where its hierarchies are mounted; NULL: its cgroups stay unknown */
};

struct kh_discovery {
        struct kh_host host;
        const struct kh_place_pattern *places;
        size_t places_n;
        struct kh_discovery_room *room;
        uint64_t host_ns[KH_NS_COUNT]; /* the host's own namespaces */
        bool pids_are_ours;            /* its procfs shows our own pid namespace */
        unsigned overfull; /* directories of users, of which this scan has not read all names */
        /* Unless NULL: the caller knows this container already, so that nothing is read for it. */
        bool (*knows)(void *arg, uint32_t pid, uint64_t start_time);
        void *knows_arg;
};

/*
 * Begins to discover HOST in PLACES. Both, and ROOM, stay the caller's for as long as *D is used.
 */
void kh_discovery_init(struct kh_discovery *d, const struct kh_host *host,
        const struct kh_place_pattern *places, size_t places_n, struct kh_discovery_room *room);

/*
 * Calls FN for each container that runs, once however many places know of it, and for each entry
 * that is young or unknown; not for what the caller knows.
 */
void kh_discovery_scan(struct kh_discovery *d, kh_found_fn fn, void *arg);

/*
 * The same in steps, an entry each: begin, then step until there is none (false). Whoever stops
 * before that calls end. Between two steps there may be looks, but no other scan and no watch.
 */
void kh_discovery_begin(struct kh_discovery *d);
bool kh_discovery_step(struct kh_discovery *d, kh_found_fn fn, void *arg);
void kh_discovery_end(struct kh_discovery *d);

/* The same of one entry: what it is now, KH_FOUND_NOTHING included. */
void kh_discovery_look(struct kh_discovery *d, const struct kh_place *place, struct kh_span id,
        kh_found_fn fn, void *arg);

/*
 * Calls FN with each directory to be watched (DIR, open with O_PATH until FN returns), some more
 * than once. One with a PLACE has containers as its entries, so what changes there is worth a
 * kh_discovery_look(); in any other (PLACE is NULL) a new directory may begin a new place: watch
 * and scan again. Each is told of before it is listed, so that nothing is missed in between.
 */
typedef void (*kh_watch_fn)(void *arg, int dir, struct kh_span path, const struct kh_place *place);
void kh_discovery_watch(struct kh_discovery *d, kh_watch_fn fn, void *arg);
