/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtimes' state directories as a source: scanned at the start and from time to time, and
 * watched in between. What is found there first was made by a runtime without our hook, or while
 * nobody listened.
 *
 * It is told of changes after they happened and never asked to permit one: a listener that stops
 * stops nobody.
 */
#pragma once

#include "base/hash.h"
#include "base/list.h"
#include "discovery/discovery.h"
#include "hookd/loop.h"
#include "hookd/sources/places.h"
#include "hookd/sources/watcher.h"

struct kh_core;

struct kh_statedir {
        struct kh_core *core;
        struct kh_state_places places;
        struct kh_discovery discovery;
        struct kh_discovery_room *room; /* mapped; empty between uses */
        struct kh_root root;            /* the host's */
        struct kh_watcher watcher;
        int slot;
        bool complete;     /* every directory is watched */
        bool stale;        /* changes were lost: only a scan can tell */
        bool reshaped;     /* a directory has come or gone where one may be of a runtime's */
        bool scanning;     /* a scan is on its way */
        bool live;         /* the first scan is over */
        bool fresh;        /* what the scan is for is new: more may be mounted on it in a moment */
        unsigned overfull; /* kh_discovery's, of the last scan */
        struct kh_hash by_key;
        struct kh_list directories; /* watched */
        struct kh_list pending;     /* entries that were young or unknown when looked at last */
        unsigned pending_n;
        unsigned round; /* of watching all */
        struct kh_timer reconcile_timer, scan_timer, pending_timer;
};

/* While there are rights yet. With KH_WATCH_OFF this and the others do nothing. */
int kh_statedir_init(struct kh_statedir *s, struct kh_core *core, struct kh_err *err);

/* Takes in what runs, and from then on what comes. */
int kh_statedir_start(struct kh_statedir *s);
void kh_statedir_done(struct kh_statedir *s);
