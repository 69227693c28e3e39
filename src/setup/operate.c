/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/operate.h"

#include "base/clock.h"
#include "setup/command.h"
#include "setup/detect.h"
#include "setup/distribution.h"
#include "setup/file.h"
#include "setup/programs.h"
#include "setup/runtime/runtime.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

/* A daemon of a busy node takes its time to stop and start. */
#define RELOAD_NS (120 * KH_NS_PER_S)

/*
 * A start that has read the hooks' files executes the hook soon after: so long it is left there.
 * And how often it is looked whether the last container is gone that names it.
 */
enum { START_MS = 2000, POLL_MS = 200, READ_POLL_MS = 20 };

/*
 * A daemon that shows by nothing that it has read its configuration is not waited for any longer.
 */
#define RELEASE_NS (5 * KH_NS_PER_S)

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
        [KH_OWNER_CRIO] = { kh_plan_crio, { "crio" }, 0,
                "CRI-O reads the list of its directories when it starts; containers go on" },
        [KH_OWNER_PODMAN] = { .plan = kh_plan_podman },
        [KH_OWNER_CONTAINERD] = { kh_plan_containerd, { "containerd" }, 0, OF_CONTAINERD },
        [KH_OWNER_K3S] = { kh_plan_k3s, { "k3s", "k3s-agent" }, 0, OF_WHOLE_NODE },
        [KH_OWNER_RKE2] = { kh_plan_k3s, { "rke2-server", "rke2-agent" }, 0, OF_WHOLE_NODE },
        [KH_OWNER_K0S] = { kh_plan_k0s, { "k0scontroller", "k0sworker" }, 0,
                "k0s restarts its containerd by itself, some seconds after a drop-in changes: "
                "containers go on; only if it does not" },
        [KH_OWNER_MICROK8S] = { kh_plan_microk8s, { "snap.microk8s.daemon-containerd" }, 0,
                OF_CONTAINERD },
        [KH_OWNER_DOCKER] = { kh_plan_docker, { "docker" }, SIGHUP,
                "dockerd reads its runtimes anew; nothing is restarted" },
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

int kh_install(struct kh_setup *s, struct kh_views *views, struct kh_err *err)
{
        int r = place_programs(s, views, err);

        for (unsigned i = 0; r == 0 && i < views->n; i++) {
                if (kh_has_plan(&views->v[i]))
                        r = kh_plan_apply(s, &views->v[i].plan, err);
        }
        kh_journal_tidy(&s->journal);
        return r;
}

int kh_uninstall(
        struct kh_setup *s, unsigned owners, const struct kh_plan *undo, struct kh_err *err)
{
        return kh_plan_revert(s, owners, undo, err);
}

static void pause_ms(unsigned ms)
{
        const struct timespec length = { .tv_sec = ms / 1000,
                .tv_nsec = (long)(ms % 1000 * KH_NS_PER_MS) };

        (void)nanosleep(&length, NULL);
}

void kh_reload_command(const struct kh_instance *i, struct kh_text *ret)
{
        const struct kh_runtime *runtime = &kh_runtimes[i->owner];

        kh_text_printf(ret, "systemctl %s %s", runtime->signal ? "reload" : "restart", i->service);
}

/* Where a unit's stop would kill its containers as well, that is for a person to decide. */
static int check_kill_mode(
        struct kh_setup *s, const char *systemctl, const char *service, struct kh_err *err)
{
        const char *const argv[] = { systemctl, "show", "-p", "KillMode", "--value", service,
                NULL };
        struct kh_text mode = { 0 };
        int r = kh_command_run(
                &s->root, argv, KH_SPAN(""), kh_boottime_ns() + KH_COMMAND_NS, &mode, NULL, err);

        if (r == 0 && !kh_span_starts(kh_text_view(&mode), KH_SPAN("process")))
                r = kh_fail(err, -EPERM,
                        "the unit's KillMode is '%.*s': its restart may end containers, so do it "
                        "yourself",
                        (int)strcspn(mode.p ? mode.p : "", "\n"), mode.p ? mode.p : "");
        kh_text_done(&mode);
        return r;
}

static int reload_by_systemd(
        struct kh_setup *s, const struct kh_instance *i, const char *systemctl, struct kh_err *err)
{
        const struct kh_runtime *runtime = &kh_runtimes[i->owner];
        const char *const argv[] = { systemctl, runtime->signal ? "reload" : "restart", i->service,
                NULL };
        struct kh_text said = { 0 };
        int r = runtime->signal ? 0 : check_kill_mode(s, systemctl, i->service, err);

        if (r == 0)
                r = kh_command_run(&s->root, argv, KH_SPAN(""), kh_boottime_ns() + RELOAD_NS, NULL,
                        &said, err);
        if (r > 0)
                r = kh_fail(err, -EIO, "%s %s: %.*s", argv[1], argv[2],
                        (int)strcspn(said.p ? said.p : "", "\n"), said.p ? said.p : "failed");
        kh_text_done(&said);
        return r;
}

/* Nobody sees by a daemon's start that a signal has made it read its files. */
static int mark_read(struct kh_setup *s, enum kh_owner owner, struct kh_err *err)
{
        int r = 0;

        for (struct kh_record *p = s->journal.records; p && r == 0; p = p->next) {
                if (p->kind != KH_RECORD_FILE || !(p->owners >> owner & 1))
                        continue;
                p->changed_ns = 0;
                r = kh_journal_write(&s->journal, p, err);
        }
        return r;
}

static int reload(struct kh_setup *s, const struct kh_instance *i, struct kh_err *err)
{
        char systemctl[PATH_MAX];

        if (kh_host_exists(&s->root, "/run/systemd/system") &&
                kh_command_find(&s->root, "systemctl", systemctl))
                return reload_by_systemd(s, i, systemctl, err);
        if (kh_runtimes[i->owner].signal && s->root.is_own && i->pid) {
                if (kill(i->pid, kh_runtimes[i->owner].signal) == 0)
                        return 0;
                return kh_fail(err, -errno, "signal process %d: %s", i->pid, kh_strerror(errno));
        }
        return kh_fail(err, -EOPNOTSUPP, "there is no systemd: restart %s yourself",
                kh_owner_name[i->owner]);
}

int kh_reload(struct kh_setup *s, const struct kh_instance *i, struct kh_err *err)
{
        int r = reload(s, i, err);

        return r < 0 || !kh_runtimes[i->owner].signal ? r : mark_read(s, i->owner, err);
}

/* What a daemon has let go of it calls no more. */
static int forget_awaiting(struct kh_setup *s, enum kh_owner owner, struct kh_err *err)
{
        int r = 0;

        for (struct kh_record *p = s->journal.records; p && r == 0; p = p->next) {
                if (!(p->awaits >> owner & 1))
                        continue;
                p->awaits &= ~(1U << owner);
                r = kh_journal_write(&s->journal, p, err);
        }
        return r;
}

/* The file as it is, until it is that again; a record says so to whoever finds it in between. */
static int show_docker(struct kh_setup *s, const struct kh_instance *i, const char *path,
        const struct kh_text *now, const struct kh_text *meanwhile, struct kh_err *err)
{
        struct kh_edit edit = { .path = (char *)path,
                .format = KH_FORMAT_DOCKER,
                .mode = 0644,
                .current = *now,
                .base = *now,
                .after = *meanwhile };
        const struct kh_plan plan = { .edits = &edit };
        bool is_ours = kh_journal_find(&s->journal, path) != NULL;
        int r = is_ours ? kh_file_set(&s->root, path, kh_text_view(meanwhile), 0644, now, err)
                        : kh_plan_apply(s, &plan, err);
        ino_t before = kh_docker_runtimes(s, i);
        uint64_t deadline_ns = kh_boottime_ns() + RELEASE_NS;
        int back;

        if (r == 0)
                r = reload(s, i, err);
        while (r == 0 && kh_left_ns(deadline_ns)) {
                pause_ms(READ_POLL_MS);
                r = kh_docker_runtimes(s, i) != before;
        }
        back = kh_file_set(&s->root, path, kh_text_view(now), 0644, meanwhile, err);
        if (back == 0 && !is_ours)
                back = kh_journal_forget(&s->journal, kh_journal_find(&s->journal, path), err);
        return back < 0 ? back : r;
}

/*
 * dockerd keeps at a signal what its configuration does not name any more. So it is shown one that
 * names other values, for as long as it takes to read that.
 */
static int release_docker(struct kh_setup *s, const struct kh_instance *i, struct kh_err *err)
{
        struct kh_text now = { 0 }, meanwhile = { 0 };
        char path[PATH_MAX];
        int r = kh_host_resolve(&s->root, i->config, path, err);

        if (r == 0)
                r = kh_host_read(&s->root, path, &now, err);
        if (r == 0)
                r = kh_docker_name_defaults(kh_text_view(&now), &meanwhile, err);
        if (r == 0)
                r = show_docker(s, i, path, &now, &meanwhile, err);
        if (r > 0)
                r = forget_awaiting(s, i->owner, err);
        kh_text_done(&now);
        kh_text_done(&meanwhile);
        return r;
}

int kh_release(struct kh_setup *s, const struct kh_instance *i, struct kh_err *err)
{
        return i->owner == KH_OWNER_DOCKER ? release_docker(s, i, err) : reload(s, i, err);
}

/* Whether what holds the programs is nothing but daemons. */
static bool only_daemons_hold(const struct kh_setup *s)
{
        bool awaits = false;

        for (const struct kh_record *r = s->journal.records; r; r = r->next) {
                if (r->kind == KH_RECORD_FILE && !r->owners)
                        return false;
                awaits |= r->awaits != 0;
        }
        return awaits;
}

static int release_awaited(struct kh_setup *s, struct kh_err *err)
{
        unsigned awaited = 0;
        int r = 0;

        for (const struct kh_record *p = s->journal.records; p; p = p->next)
                awaited |= p->awaits;
        for (unsigned i = 0; r >= 0 && i < s->n_instances; i++) {
                const struct kh_instance *instance = &s->instances[i];

                if (awaited >> instance->owner & 1 && instance->pid)
                        r = kh_release(s, instance, err);
        }
        return r;
}

int kh_uninstall_programs(
        struct kh_setup *s, uint64_t deadline_ns, bool restart, struct kh_err *err)
{
        int r = 0;

        if (s->may_be_starting)
                pause_ms(START_MS);
        for (;;) {
                kh_detect(s);
                r = kh_plan_clear(s, err);
                if (r < 0 || !s->kept.p)
                        break;
                if (restart && only_daemons_hold(s)) {
                        restart = false; /* once: what shows nothing by it never will */
                        r = release_awaited(s, err);
                        if (r < 0)
                                break;
                        continue;
                }
                if (kh_left_ns(deadline_ns) == 0)
                        break;
                pause_ms(POLL_MS);
        }
        kh_journal_tidy(&s->journal);
        return r < 0 ? r : 0;
}
