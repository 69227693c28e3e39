/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inventory: which containers there are. Pure: an event and the time go in, changes come out;
 * it does no I/O, reads no clock and logs nothing, so that any history can be replayed against it.
 *
 * What makes two events speak of one life (an incarnation) is the init process: its pid and start
 * time where both are known, else its namespaces. What the kernel numbers (pids, namespaces,
 * cgroups) is reused as soon as its owner is gone, so a container that holds the same number as a
 * new one is removed before the new one is announced, unless its init is known to live.
 */
#pragma once

#include "base/hash.h"
#include "base/list.h"
#include "wire/container.h"

enum {
        /* Containers at once: far above what a node runs, so only a runaway peer meets it. */
        KH_INVENTORY_MAX = 131072,
        /* Of one container's JSON: a request's bound, since what is written back is no longer. */
        KH_ENTRY_TEXT_MAX = 1024 * 1024,
        /* Of all of them, labels and annotations included; beyond it new ones are kept without. */
        KH_INVENTORY_TEXT_MAX = 256 * 1024 * 1024,
        /* Of these, one user's other than root: what he takes up is not to be others' lack. */
        KH_INVENTORY_USER_MAX = 1024,
        KH_INVENTORY_USER_TEXT_MAX = 4 * 1024 * 1024,
};

enum kh_state { KH_STATE_CREATED, KH_STATE_RUNNING, KH_STATE_EXITED, KH_STATE_COUNT };

enum kh_source {
        KH_SOURCE_HOOK,
        KH_SOURCE_SPOOL,
        KH_SOURCE_SNAPSHOT,
        KH_SOURCE_DISCOVERY, /* the runtimes' state directories */
        KH_SOURCE_KERNEL,    /* a pidfd, a cgroup, procfs */
        KH_SOURCE_COUNT
};

enum kh_reason { KH_REASON_EXITED, KH_REASON_DELETED, KH_REASON_REPLACED };

extern const struct kh_span kh_state_name[KH_STATE_COUNT];
extern const struct kh_span kh_source_name[KH_SOURCE_COUNT];
extern const struct kh_span kh_reason_name[];

struct kh_now {
        uint64_t boot_ns; /* CLOCK_BOOTTIME: for what expires */
        uint64_t real_ns; /* CLOCK_REALTIME: for what people read */
};

/* A piece of an entry's text; n is 0 when absent. */
struct kh_piece {
        uint32_t at, n;
};

/* What an entry can be found by. Any of them may be several entries'. */
enum kh_key { KH_KEY_ID, KH_KEY_PID, KH_KEY_MNT, KH_KEY_PID_NS, KH_KEY_CGROUP, KH_KEY_COUNT };

/* One container, in one allocation. */
struct kh_entry {
        struct kh_list all;     /* in the order of their births */
        struct kh_list unquiet; /* while it is created or exited: someone has to look after it */
        struct kh_hash_node node[KH_KEY_COUNT];
        uint64_t key[KH_KEY_COUNT]; /* 0: not found by that; of an id, its hash */

        uint64_t serial; /* unique, grows with each birth */
        uint64_t created_real_ns;
        uint64_t start_time;
        uint64_t cgroup_id;
        uint64_t ns[KH_NS_COUNT];
        uint32_t pid;
        uint8_t ns_host, ns_joined;
        uint8_t state;  /* enum kh_state */
        uint8_t source; /* enum kh_source: what told of it first */
        uint8_t alive;  /* enum kh_known: whether its init lives */
        uint8_t type;   /* enum kh_container_type */
        uint8_t told;   /* bit 1 << enum kh_source: who has told of it since the inventory began */

        /* The owner's of the inventory, who finds them kept when an entry moves. */
        uint8_t looks;    /* how often somebody looked since it became unquiet */
        bool pid_is_ours; /* PID was seen to be its init's, in the procfs that we look at */
        bool polled;      /* nothing will tell of its init's death: it stays unquiet */
        uint64_t look_at_ns;
        uint64_t exited_ns; /* since when it is exited and its cgroup cannot be looked at */
        int32_t pidfd;      /* -EBADF: none */
        uint32_t told_by;   /* uid of the peer that created it */

        struct kh_piece id, name, pod, pod_namespace, runtime, bundle, cgroup_path;
        uint32_t text_n; /* the JSON members, as kh_container_write() writes them */
        uint32_t size;   /* of the text and of what follows it */
        char text[];
};

static inline struct kh_span kh_entry_piece(const struct kh_entry *e, struct kh_piece piece)
{
        return (struct kh_span){ piece.n ? e->text + piece.at : NULL, piece.n };
}

static inline struct kh_span kh_entry_text(const struct kh_entry *e)
{
        return (struct kh_span){ e->text, e->text_n };
}

enum kh_change_type { KH_CREATED, KH_UPDATED, KH_REMOVED, KH_CHANGE_COUNT };

struct kh_change {
        enum kh_change_type type;
        enum kh_source source;
        enum kh_reason reason;      /* of a removal */
        struct kh_entry *entry;     /* after an update perhaps at another address, see `was` */
        const struct kh_entry *was; /* its former address, only to be compared */
};

/* Told of each change once, in order. A removed entry is freed when this returns. */
typedef void (*kh_change_fn)(void *arg, const struct kh_change *change);

struct kh_gone;
struct kh_merge;

struct kh_inventory {
        struct kh_list all;
        struct kh_list unquiet;
        struct kh_hash index[KH_KEY_COUNT];
        struct kh_hash_seed seed;
        size_t count;
        size_t in_state[KH_STATE_COUNT];
        size_t text_bytes;
        uint64_t last_serial;
        struct kh_gone *gone;   /* who died lately */
        struct kh_merge *merge; /* room to put two accounts of one container together */
        kh_change_fn changed;
        void *arg;
};

/* 0 or -ENOMEM. */
int kh_inventory_init(
        struct kh_inventory *inv, struct kh_hash_seed seed, kh_change_fn changed, void *arg);

/* Forgets everything, silently. */
void kh_inventory_done(struct kh_inventory *inv);

/* Somebody says that a container exists. */
struct kh_arrival {
        const struct kh_container *container;
        enum kh_source source;
        enum kh_known alive; /* whether its init lives, by the kernel's word */
        enum kh_state state;
        uint32_t told_by;
        bool pid_is_ours;
};

enum kh_verdict {
        KH_BORN,  /* a new one */
        KH_KNOWN, /* it was there; perhaps with new facts now */
        KH_GONE,  /* it is dead already: no birth, so that there needs be no death */
        KH_FULL,  /* no room for it */
};

/* *RET is the entry of a KH_BORN or KH_KNOWN one. */
enum kh_verdict kh_inventory_arrive(struct kh_inventory *inv, const struct kh_arrival *arrival,
        struct kh_now now, struct kh_entry **ret);

/*
 * Somebody says that the container is gone: its id, and where known its runtime and bundle, tell
 * which one. True when that removed one. The caller has said before, by kh_inventory_init_died(),
 * which inits are dead. Where it cannot be told whether the delete is of this incarnation or of an
 * earlier one, nothing is removed.
 */
bool kh_inventory_depart(struct kh_inventory *inv, const struct kh_container *container,
        enum kh_source source, struct kh_now now);

/*
 * The init of this one is dead. With it all of its pid namespace is, if that is its own; else the
 * container goes on to exist, as `exited`, until its cgroup is empty. The entry may be gone on
 * return.
 */
void kh_inventory_init_died(struct kh_inventory *inv, struct kh_entry *e, struct kh_now now);

/* Its own process runs now. */
void kh_inventory_started(struct kh_inventory *inv, struct kh_entry *e);

/* Nothing but looking again and again will tell of its init's death. */
void kh_inventory_poll(struct kh_inventory *inv, struct kh_entry *e);

/* No process of it is left. */
void kh_inventory_emptied(struct kh_inventory *inv, struct kh_entry *e, struct kh_now now);

/*
 * What a former run knew, silently: the container as it was stored. NULL when there is no memory.
 * One of the same id and serial is replaced.
 */
struct kh_entry *kh_inventory_restore(struct kh_inventory *inv, const struct kh_arrival *arrival,
        uint64_t serial, uint64_t created_real_ns);
void kh_inventory_restore_state(
        struct kh_inventory *inv, struct kh_span id, uint64_t serial, enum kh_state state);
void kh_inventory_forget(struct kh_inventory *inv, struct kh_span id, uint64_t serial);

/*
 * Calls FN for each entry that an event about this container could touch: those with its id, and
 * those that hold its pid, mount namespace or cgroup. FN may have the entry removed.
 */
void kh_inventory_concerned(struct kh_inventory *inv, const struct kh_container *c,
        void (*fn)(void *arg, struct kh_entry *e), void *arg);

/*
 * Lookups; the next one continues from PREVIOUS, NULL at first. A namespace that was said to be the
 * host's finds nothing.
 */
struct kh_entry *kh_inventory_find(const struct kh_inventory *inv, enum kh_key key, uint64_t value,
        const struct kh_entry *previous);
struct kh_entry *kh_inventory_find_id(
        const struct kh_inventory *inv, struct kh_span id, const struct kh_entry *previous);

/* Whether nobody but UID has told of containers with this id. */
bool kh_inventory_is_his(const struct kh_inventory *inv, struct kh_span id, uint32_t uid);

/*
 * Whether UID may add C: its id is nobody else's, and none of its pid, namespaces and cgroup is a
 * living container's of anybody else; nor has he as much as one user may have already.
 */
bool kh_inventory_may_tell(
        const struct kh_inventory *inv, const struct kh_container *c, uint32_t uid);

/*
 * All that is known of E, into *RET, whose spans are valid until the next call of any function of
 * the inventory that changes it, or of this one.
 */
void kh_inventory_read(
        const struct kh_inventory *inv, const struct kh_entry *e, struct kh_container *ret);
