/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/reload.h"

#include "base/clock.h"
#include "setup/command.h"
#include "setup/file.h"
#include "setup/runtime/runtime.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

/* A daemon of a busy node takes its time to stop and start. */
#define RELOAD_NS (120 * KH_NS_PER_S)

/* A daemon that shows by nothing that it has read its configuration is not waited for any longer. */
#define RELEASE_NS (5 * KH_NS_PER_S)

enum { POLL_MS = 20 };

void kh_reload_command(const struct kh_instance *i, struct kh_text *ret)
{
        const struct kh_runtime *runtime = &kh_runtimes[i->owner];

        kh_text_printf(ret, "systemctl %s %s", runtime->signal ? "reload" : "restart", i->service);
}

void kh_release_command(const struct kh_instance *i, struct kh_text *ret)
{
        if (kh_runtimes[i->owner].keeps)
                kh_text_printf(ret, "kubearmor-hookctl uninstall --restart");
        else
                kh_reload_command(i, ret);
}

const char *kh_release_reason(const struct kh_instance *i)
{
        const struct kh_runtime *runtime = &kh_runtimes[i->owner];

        return runtime->keeps ? runtime->keeps : runtime->why;
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

/* The file as it was before show_docker(), then the record: so each of the two can be undone by. */
static int stop_showing(struct kh_setup *s, struct kh_edit *e, const struct kh_text *now,
        bool was_recorded, struct kh_err *err)
{
        struct kh_record *record = kh_journal_find(&s->journal, e->path);
        int r = kh_file_set(&s->root, e->path, kh_text_view(now), e->mode, &e->after, err);

        if (r < 0 || !record)
                return r;
        if (!was_recorded)
                return kh_journal_forget(&s->journal, record, err);
        kh_text_done(&record->after);
        record->after = kh_text_of(kh_text_view(now));
        return kh_journal_write(&s->journal, record, err);
}

/* Whether dockerd has written its script of our runtime anew, as it does when it takes MEANWHILE. */
static int show_docker(struct kh_setup *s, const struct kh_instance *i, const char *path,
        const struct kh_text *now, const struct kh_text *meanwhile, struct kh_err *err)
{
        const struct kh_record *record = kh_journal_find(&s->journal, path);
        const struct kh_text *base = record ? &record->base : now;
        struct kh_edit edit = { .path = (char *)path,
                .format = KH_FORMAT_DOCKER,
                .mode = 0644,
                .current = *now,
                .base = kh_text_of(kh_text_view(base)),
                .after = *meanwhile };
        const struct kh_plan plan = { .edits = &edit };
        struct kh_docker_script before = kh_docker_find_script(s);
        uint64_t deadline_ns = kh_boottime_ns() + RELEASE_NS;
        int r = kh_plan_apply(s, &plan, err), back = 0;

        if (r == 0) {
                r = reload(s, i, err);
                while (r == 0 && kh_left_ns(deadline_ns)) {
                        kh_pause_ms(POLL_MS);
                        r = kh_docker_is_rewritten(s, &before);
                }
                back = stop_showing(s, &edit, now, record != NULL, err);
        }
        kh_text_done(&edit.base);
        return back < 0 ? back : r;
}

/*
 * dockerd keeps at a signal what its configuration does not name any more. So it is shown one that
 * names other values, for as long as it takes to read that; and where it takes a configuration as a
 * whole or not at all, one more, which tells by what dockerd knows without being told.
 */
static int release_docker(struct kh_setup *s, const struct kh_instance *i, struct kh_err *err)
{
        struct kh_text now = { 0 }, naming = { 0 }, silent = { 0 };
        char path[PATH_MAX];
        int r = kh_host_resolve(&s->root, i->config, path, err);

        if (r == 0)
                r = kh_host_read(&s->root, path, &now, err);
        if (r == 0)
                r = kh_docker_let_go(kh_text_view(&now), &naming, &silent, err);
        if (r == 0)
                r = show_docker(s, i, path, &now, &naming, err);
        if (r > 0 && !kh_docker_find_script(s).is_at_once)
                r = show_docker(s, i, path, &now, &silent, err);
        if (r > 0)
                r = forget_awaiting(s, i->owner, err);
        kh_text_done(&now);
        kh_text_done(&naming);
        kh_text_done(&silent);
        return r;
}

int kh_release(struct kh_setup *s, const struct kh_instance *i, struct kh_err *err)
{
        return i->owner == KH_OWNER_DOCKER ? release_docker(s, i, err) : reload(s, i, err);
}
