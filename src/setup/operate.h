/* SPDX-License-Identifier: Apache-2.0 */
/* What `install`, `uninstall`, `repair` and `status` do with the runtimes of a node. */
#pragma once

#include "setup/setup.h"

enum kh_state {
        KH_STATE_ABSENT,  /* nothing of ours is set */
        KH_STATE_HOOKED,  /* all is as it shall be, and the runtime knows it */
        KH_STATE_PARTLY,  /* some of it is */
        KH_STATE_DRIFTED, /* it was set, and somebody has undone it */
        KH_STATE_WAITING, /* set, but the daemon has not read it yet */
        KH_STATE_BROKEN,  /* set, but the hook cannot be executed */
        KH_STATE_REFUSED, /* it cannot be set up here */
        KH_STATE_UNUSED,  /* it runs no containers that could be announced */
        KH_STATE_COUNT,
};

extern const char *const kh_state_name[KH_STATE_COUNT];

/* A runtime, as it is and as it would be. */
struct kh_view {
        const struct kh_instance *instance;
        struct kh_plan plan;
        enum kh_state state;
        struct kh_err why; /* of any state but hooked and absent */
};

/* Whether the view has a plan. */
static inline bool kh_has_plan(const struct kh_view *v)
{
        return v->state != KH_STATE_REFUSED && v->state != KH_STATE_UNUSED;
}

struct kh_views {
        struct kh_view v[KH_OWNER_COUNT];
        unsigned n;
};

/* Looks at each runtime that the options ask for. */
void kh_survey(struct kh_setup *s, struct kh_views *ret);
void kh_views_done(struct kh_views *views);

/* What the plans that are not refused come to: a file that serves several runtimes is in it once. */
int kh_plan_views(
        struct kh_setup *s, const struct kh_views *views, struct kh_plan *plan, struct kh_err *err);

/* Carries that out; the first failure ends it. */
int kh_install(struct kh_setup *s, const struct kh_views *views, struct kh_err *err);

/*
 * Undoes those in OWNERS, by the plan of kh_plan_undo(). The programs stay for now: who has read
 * the configuration before may be about to call them.
 */
int kh_uninstall(
        struct kh_setup *s, unsigned owners, const struct kh_plan *undo, struct kh_err *err);

/*
 * Removes the programs that nothing calls any more. What does, s->kept says; with a deadline it is
 * waited for; and with RESTART a daemon is told of what only the last container has held.
 */
int kh_uninstall_programs(
        struct kh_setup *s, uint64_t deadline_ns, bool restart, struct kh_err *err);

/* The runtimes that the options ask for, whether the node still has them or not. */
unsigned kh_wanted_owners(const struct kh_setup *s);

/* Those that an install has set up and no uninstall has undone. */
unsigned kh_recorded_owners(const struct kh_setup *s);

/* Whether its daemon has to read what PLAN changes before that holds. */
bool kh_needs_reload(const struct kh_instance *i, const struct kh_plan *plan);

/* Whether the daemon of the view's runtime has yet to read a file of its plan. */
bool kh_is_waiting(const struct kh_setup *s, const struct kh_view *view);
