/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where sources, inventory and sinks meet: what a source was told is checked against the kernel and
 * handed to the inventory; each change goes to the journal, then to the subscribers and the relay.
 */
#pragma once

#include "hookd/counters.h"
#include "hookd/inventory/inventory.h"
#include "hookd/journal.h"
#include "hookd/options.h"
#include "hookd/sinks/relay.h"
#include "hookd/sinks/subscribers.h"
#include "hookd/sources/pidfds.h"
#include "hookd/sources/spool.h"
#include "hookd/sources/statedir.h"
#include "hookd/sources/sweep.h"
#include "wire/request.h"

/* How many descriptors may be spent on what; what is left over is for all the rest. */
struct kh_budget {
        unsigned pidfds, connections, clients;
};

struct kh_core {
        const struct kh_options *options;
        struct kh_now started;
        struct kh_loop *loop;
        struct kh_inventory inventory;
        struct kh_journal journal;
        struct kh_timer journal_timer;
        struct kh_pidfds pidfds;
        struct kh_sweep sweep;
        struct kh_spool_source spool;
        struct kh_subscribers subscribers;
        struct kh_relay relay;
        struct kh_counters counters;
        int proc;             /* the root of procfs */
        bool proc_is_ours;    /* its pids are those of our own pid namespace */
        bool sees_host;       /* and that is the host's: a pid not found there is dead */
        const char *cgroupfs; /* where the hierarchies are mounted; NULL when not the host's */
        struct kh_statedir statedir;
        int spool_dir; /* -EBADF: there is no spool */
        uint64_t seq;  /* of the last event */
};

/* What a source was told. */
struct kh_told {
        struct kh_request *request;
        enum kh_source source;
        uint32_t uid;       /* of who told it */
        bool pids_are_ours; /* its pids are numbers of our own pid namespace */
        int pidfd;          /* taken over; -EBADF: none */
        int pidfd_pid;      /* kh_pidfd_pid() of it */
};

int kh_core_init(struct kh_core *core, struct kh_loop *loop, const struct kh_options *options,
        const struct kh_budget *budget, struct kh_err *err);
void kh_core_done(struct kh_core *core);

/* Begins with what a former run left in DIR, as far as it is still true. */
int kh_core_restore(struct kh_core *core, const char *dir, struct kh_err *err);

/* Asks the kernel whether those that an event about this container could touch are dead. */
void kh_core_check_deaths(struct kh_core *core, const struct kh_container *container);

/*
 * Takes one request in. When this returns, the inventory and the journal have it, and every
 * subscriber's socket or queue has its events, of which the last has the number core->seq.
 * *RET_REJECTION says why for a KH_OUTCOME_REFUSED.
 */
enum kh_outcome kh_core_take(
        struct kh_core *core, struct kh_told *told, enum kh_rejection *ret_rejection);
