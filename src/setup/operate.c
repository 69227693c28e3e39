/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/operate.h"

#include "base/clock.h"
#include "setup/detect.h"
#include "setup/distribution.h"
#include "setup/programs.h"
#include "setup/reload.h"
#include "setup/runtime/runtime.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

/*
 * A start that has read the hooks' files executes the hook soon after: so long it is left there.
 * And how often it is looked whether the last container is gone that names it.
 */
enum { START_MS = 2000, POLL_MS = 200 };

const char *const kh_state_name[KH_STATE_COUNT] = {
        [KH_STATE_ABSENT] = "absent",
        [KH_STATE_HOOKED] = "hooked",
        [KH_STATE_PARTLY] = "partly",
        [KH_STATE_DRIFTED] = "drifted",
        [KH_STATE_WAITING] = "waiting",
        [KH_STATE_BROKEN] = "broken",
        [KH_STATE_REFUSED] = "refused",
        [KH_STATE_UNUSED] = "unused",
};

#define OF_CONTAINERD                                                                              \
        "containerd reads base specifications when it starts; containers go on, calls of kubelet " \
        "fail for some seconds"
#define OF_WHOLE_NODE                                                                              \
        "its containerd reads base specifications when it starts, and restarts with it as do "     \
        "kubelet and, on a server, the API; containers go on"

const struct kh_runtime kh_runtimes[KH_OWNER_COUNT] = {
        [KH_OWNER_CRIO] = { .plan = kh_plan_crio,
                .services = { "crio" },
                .why = "CRI-O reads the list of its directories when it starts; containers go on" },
        [KH_OWNER_PODMAN] = { .plan = kh_plan_podman },
        [KH_OWNER_CONTAINERD] = { .plan = kh_plan_containerd,
                .services = { "containerd" },
                .why = OF_CONTAINERD },
        [KH_OWNER_K3S] = { .plan = kh_plan_k3s,
                .services = { "k3s", "k3s-agent" },
                .why = OF_WHOLE_NODE },
        [KH_OWNER_RKE2] = { .plan = kh_plan_k3s,
                .services = { "rke2-server", "rke2-agent" },
                .why = OF_WHOLE_NODE },
        [KH_OWNER_K0S] = { .plan = kh_plan_k0s,
                .services = { "k0scontroller", "k0sworker" },
                .why = "k0s restarts its containerd by itself, some seconds after a drop-in "
                       "changes: containers go on; only if it does not" },
        [KH_OWNER_MICROK8S] = { .plan = kh_plan_microk8s,
                .services = { "snap.microk8s.daemon-containerd" },
                .why = OF_CONTAINERD },
        [KH_OWNER_DOCKER] = { .plan = kh_plan_docker,
                .services = { "docker" },
                .signal = SIGHUP,
                .why = "dockerd reads its runtimes anew; nothing is restarted",
                .keeps = "by itself a reload leaves dockerd with what its configuration no longer "
                         "names; a restart of it does as well" },
};

unsigned kh_recorded_owners(const struct kh_setup *s)
{
        unsigned owners = 0;

        for (const struct kh_record *r = s->journal.records; r; r = r->next)
                owners |= r->owners;
        return owners;
}

unsigned kh_wanted_owners(const struct kh_setup *s)
{
        unsigned owners = 0;

        for (int owner = 0; owner < KH_OWNER_COUNT; owner++) {
                if (kh_setup_wants(s, (enum kh_owner)owner))
                        owners |= 1U << owner;
        }
        return owners;
}

bool kh_needs_reload(const struct kh_instance *i, const struct kh_plan *plan)
{
        for (const struct kh_edit *e = plan->edits; i->pid && e; e = e->next) {
                if (e->owners >> i->owner & 1 && kh_format_is_loaded(e->format) &&
                        !kh_text_eq(&e->current, &e->after))
                        return true;
        }
        return false;
}

/* Whether an edit is one that the daemon has not taken notice of. */
static bool is_unread(const struct kh_instance *i, const struct kh_edit *e)
{
        return !kh_has_read(i, kh_format_is_loaded(e->format) ? e->record : e->directory);
}

bool kh_is_waiting(const struct kh_setup *s, const struct kh_view *view)
{
        const struct kh_instance *i = view->instance;
        bool waits = false;

        for (const struct kh_edit *e = view->plan.edits; e && !waits; e = e->next)
                waits = is_unread(i, e);
        return waits && !(i->owner == KH_OWNER_DOCKER && kh_docker_shows_reading(s, i));
}

/* How many edits are in force, are not, or are something in between. */
struct tally {
        unsigned set, unset, mixed;
        const char *first_wanting;
};

static struct tally count_edits(const struct kh_plan *plan)
{
        struct tally t = { 0 };

        for (const struct kh_edit *e = plan->edits; e; e = e->next) {
                bool set = kh_text_eq(&e->current, &e->after);

                if (!set && !t.first_wanting)
                        t.first_wanting = e->path;
                if (set)
                        t.set++;
                else if (kh_text_eq(&e->current, &e->base))
                        t.unset++;
                else
                        t.mixed++;
        }
        return t;
}

static void set_state(struct kh_view *v, enum kh_state state, const char *why, const char *path)
{
        v->state = state;
        (void)kh_fail(&v->why, 0, "%s%s%.150s%s", why, path ? " '" : "", path ? path : "",
                path ? "'" : "");
}

static void find_state(struct kh_setup *s, struct kh_view *v)
{
        struct tally t = count_edits(&v->plan);
        bool recorded = kh_recorded_owners(s) >> v->instance->owner & 1;

        if (t.mixed || (t.set && t.unset))
                set_state(v, KH_STATE_PARTLY, "not as it was set up:", t.first_wanting);
        else if (t.set == 0 && recorded)
                set_state(v, KH_STATE_DRIFTED, "somebody has undone", t.first_wanting);
        else if (t.set == 0)
                set_state(v, KH_STATE_ABSENT, "", NULL);
        else if (kh_programs_check(s, KH_HOOK_NAME, &v->why) < 0 ||
                 (v->instance->owner == KH_OWNER_DOCKER &&
                         kh_programs_check(s, KH_WRAPPER_NAME, &v->why) < 0))
                v->state = KH_STATE_BROKEN;
        else if (kh_is_waiting(s, v))
                set_state(v, KH_STATE_WAITING,
                        kh_runtimes[v->instance->owner].signal
                                ? "nothing shows that its daemon has read the change: reload it"
                                : "its daemon has not read the change yet",
                        NULL);
        else
                set_state(v, KH_STATE_HOOKED, "", NULL);
}

/* What would fail in the middle of an install is better known before. */
static int check_writable(const struct kh_setup *s, const struct kh_plan *plan, struct kh_err *err)
{
        for (const struct kh_edit *e = plan->edits; e; e = e->next) {
                if (!kh_text_eq(&e->current, &e->after) && !kh_host_is_writable(&s->root, e->path))
                        return kh_fail(
                                err, -EROFS, "'%.150s' is on a read-only file system", e->path);
        }
        return 0;
}

/* What is to be known of the distribution is said whether the runtime can be set up or not. */
static int make_plan(struct kh_setup *s, struct kh_view *v)
{
        const struct kh_distribution *d = kh_distribution_of(s, v->instance->owner);
        struct kh_err closed;
        int r = kh_plan_for(s, v->instance, &v->plan, &v->why);

        if (r == 0)
                r = check_writable(s, &v->plan, &v->why);
        if (r != -ENODEV && d && kh_distribution_note(s, d, &v->plan.notes, &closed) < 0) {
                v->why = closed;
                r = closed.code;
        }
        return r;
}

void kh_survey(struct kh_setup *s, struct kh_views *ret)
{
        struct kh_err why = { 0 };
        bool has_place = kh_programs_choose_directory(s, &why) == 0;

        ret->n = 0;
        for (unsigned i = 0; i < s->n_instances; i++) {
                const struct kh_instance *instance = &s->instances[i];
                struct kh_view *v = &ret->v[ret->n];

                if (!kh_setup_wants(s, instance->owner))
                        continue;
                *v = (struct kh_view){ .instance = instance, .why = why };
                ret->n++;
                if (has_place && make_plan(s, v) == 0) {
                        find_state(s, v);
                } else {
                        v->state = v->why.code == -ENODEV ? KH_STATE_UNUSED : KH_STATE_REFUSED;
                        kh_plan_drop_edits(&v->plan);
                }
        }
}

void kh_views_done(struct kh_views *views)
{
        while (views->n)
                kh_plan_done(&views->v[--views->n].plan);
}

static int place_programs(struct kh_setup *s, const struct kh_views *views, struct kh_err *err)
{
        unsigned owners = 0;
        int r;

        for (unsigned i = 0; i < views->n; i++) {
                if (kh_has_plan(&views->v[i]))
                        owners |= 1U << views->v[i].instance->owner;
        }
        if (!owners)
                return kh_fail(err, -ENOENT, "there is nothing to set up");
        r = kh_setup_remember(s, err);
        if (r >= 0)
                r = kh_programs_place(s, KH_HOOK_NAME, owners, err);
        if (r >= 0 && owners >> KH_OWNER_DOCKER & 1)
                r = kh_programs_place(s, KH_WRAPPER_NAME, 1U << KH_OWNER_DOCKER, err);
        return r < 0 ? r : 0;
}

int kh_plan_views(
        struct kh_setup *s, const struct kh_views *views, struct kh_plan *plan, struct kh_err *err)
{
        int r = 0;

        for (unsigned i = 0; r == 0 && i < views->n; i++) {
                if (kh_has_plan(&views->v[i]))
                        r = kh_plan_for(s, views->v[i].instance, plan, err);
        }
        return r;
}

int kh_install(struct kh_setup *s, const struct kh_views *views, struct kh_err *err)
{
        struct kh_plan plan = { 0 };
        int r = place_programs(s, views, err);

        if (r == 0)
                r = kh_plan_views(s, views, &plan, err);
        if (r == 0)
                r = kh_plan_apply(s, &plan, err);
        kh_plan_done(&plan);
        kh_journal_tidy(&s->journal);
        return r;
}

int kh_uninstall(
        struct kh_setup *s, unsigned owners, const struct kh_plan *undo, struct kh_err *err)
{
        return kh_plan_revert(s, owners, undo, err);
}

/* Those whose daemons are all that holds the programs: what holds the wrapper's options. */
static unsigned only_daemons(const struct kh_setup *s)
{
        unsigned awaited = 0;

        for (const struct kh_record *r = s->journal.records; r; r = r->next) {
                if (r->kind == KH_RECORD_FILE && !r->owners && r->format != KH_FORMAT_WRAPPER)
                        return 0;
                awaited |= kh_awaited(s, r);
        }
        return awaited;
}

static int release(struct kh_setup *s, unsigned owners, struct kh_err *err)
{
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < s->n_instances; i++) {
                if (owners >> s->instances[i].owner & 1)
                        r = kh_release(s, &s->instances[i], err);
        }
        return r;
}

int kh_uninstall_programs(
        struct kh_setup *s, uint64_t deadline_ns, bool restart, struct kh_err *err)
{
        unsigned awaited;
        int r = 0;

        if (s->may_be_starting)
                kh_pause_ms(START_MS);
        for (;;) {
                kh_detect(s);
                r = kh_plan_clear(s, err);
                if (r < 0 || !s->kept.p)
                        break;
                awaited = restart ? only_daemons(s) : 0;
                if (awaited) {
                        restart = false; /* once: what shows nothing by it never will */
                        r = release(s, awaited, err);
                        if (r < 0)
                                break;
                        continue;
                }
                if (kh_left_ns(deadline_ns) == 0)
                        break;
                kh_pause_ms(POLL_MS);
        }
        kh_journal_tidy(&s->journal);
        return r < 0 ? r : 0;
}
