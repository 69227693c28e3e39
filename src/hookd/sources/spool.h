/* SPDX-License-Identifier: Apache-2.0 */
/* The events that hooks could not tell: taken in at the start, and whenever one appears. */
#pragma once

#include "base/err.h"
#include "hookd/loop.h"

struct kh_core;

struct kh_spool_source {
        struct kh_core *core;
        int inotify, slot;
        struct kh_timer timer; /* for what could not be taken in one turn */
};

/* PATH may be NULL: no spool. */
int kh_spool_source_init(
        struct kh_spool_source *s, struct kh_core *core, const char *path, struct kh_err *err);

/* Takes in what lies there, and from then on what comes. */
int kh_spool_source_start(struct kh_spool_source *s);

/*
 * Takes in what has come and the loop has not told of yet: a hook that was given up, and spooled,
 * may be followed by another that finds us.
 */
void kh_spool_source_catch_up(struct kh_spool_source *s);
void kh_spool_source_done(struct kh_spool_source *s);
