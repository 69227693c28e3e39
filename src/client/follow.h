/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a subscriber that reconnects was told, and the difference to what the listener tells it when
 * it comes back.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"
#include "client/roster.h"

struct kh_follow {
        struct kh_roster rosters[2];
        struct kh_roster *told; /* what the subscriber knows of */
        struct kh_roster *now;  /* a later snapshot, as far as it came */
        bool again;             /* the snapshot that comes is not the first one */
        bool comparing;         /* it came whole: the difference is being told */
        struct kh_list gone;    /* entries to be told of as removed */
        struct kh_list *at;     /* in `now`: what was compared last */
        char *line;             /* the derived event that was made last */
        size_t cap;
};

void kh_follow_init(struct kh_follow *f);

/* Nothing was told yet. */
void kh_follow_reset(struct kh_follow *f);

/* A new connection: what came of an unfinished snapshot is void. */
void kh_follow_reconnected(struct kh_follow *f);

/*
 * Notes an event that was received: 1 when the subscriber is to be given it as it is, 0 when it is
 * part of a later snapshot, whose difference comes by kh_follow_next(); -ENOMEM, -E2BIG.
 */
int kh_follow_note(
        struct kh_follow *f, const struct kubearmor_hook_event *event, struct kh_err *err);

/*
 * After a later snapshot's `synced`, SEQ being that one's: 1 and the line of the next event of the
 * difference, those that are gone first; 0 when all were given. -ENOMEM.
 */
int kh_follow_next(struct kh_follow *f, uint64_t seq, struct kh_span *ret, struct kh_err *err);
