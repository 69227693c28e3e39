/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: made from what is there, and carried out one file at a time. */
#include "base/cleanup.h"
#include "setup/detect.h"
#include "setup/file.h"
#include "setup/programs.h"
#include "setup/setup.h"

#include <fcntl.h>
#include <stdio.h>

static struct kh_edit *free_edit(struct kh_edit *e)
{
        free(e->path);
        kh_text_done(&e->current);
        kh_text_done(&e->base);
        kh_text_done(&e->after);
        free(e);
        return NULL;
}

void kh_plan_drop_edits(struct kh_plan *plan)
{
        while (plan->edits) {
                struct kh_edit *e = plan->edits;

                plan->edits = e->next;
                free_edit(e);
        }
}

void kh_plan_done(struct kh_plan *plan)
{
        kh_plan_drop_edits(plan);
        kh_text_done(&plan->notes);
}

static struct kh_edit *find_edit(const struct kh_plan *plan, const char *path)
{
        struct kh_edit *e = plan->edits;

        while (e && strcmp(e->path, path) != 0)
                e = e->next;
        return e;
}

static struct kh_edit *append_edit(struct kh_plan *plan, const char *path)
{
        struct kh_edit **last = &plan->edits, *e = calloc(1, sizeof(*e));

        if (!e)
                return NULL;
        e->path = strdup(path);
        if (!e->path)
                return free_edit(e);
        while (*last)
                last = &(*last)->next;
        *last = e;
        return e;
}

/* What the file is without us: as the record has it, unless somebody has changed it since. */
static int find_base(struct kh_edit *e, struct kh_err *err)
{
        const struct kh_record *record = e->record;

        if (!e->current.p)
                return 0;
        if (record && kh_text_eq(&e->current, &record->after))
                e->base = kh_text_of(kh_text_view(&record->base));
        else if (record && kh_text_eq(&e->current, &record->base))
                e->base = kh_text_of(kh_text_view(&e->current));
        else if (kh_format_strip(e->format, kh_text_view(&e->current),
                         record ? &record->base : NULL, &e->base, err) < 0)
                return err->code;
        return e->base.failed ? kh_fail(err, -ENOMEM, "out of memory") : 0;
}

static int fill_edit(struct kh_setup *s, struct kh_edit *e, struct kh_err *err)
{
        char why[sizeof(err->msg)];
        int r = kh_host_read(&s->root, e->path, &e->current, err);

        if (r < 0)
                return r;
        e->record = kh_journal_find(&s->journal, e->path);
        r = find_base(e, err);
        if (r < 0) {
                (void)memcpy(why, err->msg, sizeof(why));
                return kh_fail(err, r, "'%s': %.120s", e->path, why);
        }
        return 0;
}

struct kh_edit *kh_plan_edit(struct kh_setup *s, struct kh_plan *plan, enum kh_owner owner,
        enum kh_format format, const char *path, struct kh_err *err)
{
        char resolved[PATH_MAX];

        if (kh_host_resolve(&s->root, path, resolved, err) < 0)
                return NULL;
        return kh_plan_edit_as_named(s, plan, owner, format, resolved, err);
}

struct kh_edit *kh_plan_edit_as_named(struct kh_setup *s, struct kh_plan *plan, enum kh_owner owner,
        enum kh_format format, const char *path, struct kh_err *err)
{
        struct kh_edit *e = find_edit(plan, path);

        if (e) {
                e->owners |= 1U << owner;
                kh_text_done(&e->after);
                return e;
        }
        e = append_edit(plan, path);
        if (!e) {
                (void)kh_fail(err, -ENOMEM, "out of memory");
                return NULL;
        }
        e->owners = 1U << owner;
        e->format = format;
        e->mode = 0644;
        return fill_edit(s, e, err) < 0 ? NULL : e;
}

int kh_plan_for(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan, struct kh_err *err)
{
        return kh_runtimes[i->owner].plan(s, i, plan, err);
}

/* The file as it shall be, or as it was; before that, what an interruption left beside it goes. */
static int write_edit(struct kh_setup *s, const struct kh_edit *e, struct kh_err *err)
{
        kh_cleanup(kh_identity_leave) struct kh_identity who = kh_identity_enter(e->who);

        (void)who;
        if (e->after.failed)
                return kh_fail(err, -ENOMEM, "out of memory");
        kh_file_tidy(&s->root, e->path);
        if (kh_text_eq(&e->current, &e->after))
                return 0;
        return kh_file_set(&s->root, e->path, kh_text_view(&e->after), e->mode, &e->current, err);
}

static bool is_recorded(const struct kh_edit *e)
{
        const struct kh_record *r = e->record;

        return r && (r->owners & e->owners) == e->owners && kh_text_eq(&r->base, &e->base) &&
               kh_text_eq(&r->after, &e->after);
}

static int record_edit(struct kh_setup *s, struct kh_edit *e, struct kh_err *err)
{
        struct kh_record *record = kh_journal_get(&s->journal, KH_RECORD_FILE, e->path);

        if (!record || e->base.failed || e->after.failed)
                return kh_fail(err, -ENOMEM, "out of memory");
        kh_text_done(&record->base);
        kh_text_done(&record->after);
        record->format = e->format;
        record->owners |= e->owners;
        record->who = e->who;
        record->base = kh_text_of(kh_text_view(&e->base));
        record->after = kh_text_of(kh_text_view(&e->after));
        if (!kh_text_eq(&e->current, &e->after))
                kh_journal_stamp(record);
        e->record = record;
        return kh_journal_write(&s->journal, record, err);
}

/* The record first, then the file: whoever finds the file as it will be finds how it was. */
static int apply_edit(struct kh_setup *s, struct kh_edit *e, struct kh_err *err)
{
        char directory[PATH_MAX];
        int r = 0;

        if (kh_text_eq(&e->current, &e->after) && is_recorded(e))
                return write_edit(s, e, err);
        kh_path_directory(directory, e->path);
        if (*directory)
                r = kh_journal_make_directory(&s->journal, e->owners, e->who, directory, err);
        if (r == 0 && !is_recorded(e))
                r = record_edit(s, e, err);
        return r < 0 ? r : write_edit(s, e, err);
}

int kh_plan_apply(struct kh_setup *s, const struct kh_plan *plan, struct kh_err *err)
{
        for (struct kh_edit *e = plan->edits; e; e = e->next) {
                int r = apply_edit(s, e, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

static bool goes(const struct kh_record *record, unsigned owners)
{
        return (record->owners & ~owners) == 0;
}

/* What FILE will hold when PLAN is done names it. */
static bool names(
        const struct kh_setup *s, const struct kh_plan *plan, const char *file, const char *name)
{
        const struct kh_edit *e = find_edit(plan, file);
        struct kh_text text = { 0 };
        bool does;

        if (e)
                return e->after.p && memmem(e->after.p, e->after.n, name, strlen(name));
        does = kh_host_read(&s->root, file, &text, NULL) == 0 && text.p &&
               memmem(text.p, text.n, name, strlen(name));
        kh_text_done(&text);
        return does;
}

/* Which configuration in DIRECTORY, "" when none does. */
static void find_namer(const struct kh_setup *s, const struct kh_plan *plan, const char *directory,
        const char *name, char *ret)
{
        kh_cleanup(kh_freep) struct kh_names *files = malloc(sizeof(*files));
        bool found = false;

        if (files && kh_host_list(&s->root, directory, files, NULL) == 0) {
                for (unsigned i = 0; i < files->n && !found; i++)
                        found = kh_span_ends(kh_span_of(files->v[i]), KH_SPAN(".toml")) &&
                                kh_path_join(ret, directory, files->v[i]) &&
                                names(s, plan, ret, name);
                kh_names_done(files);
        }
        if (!found)
                *ret = '\0';
}

/*
 * Tools that add a runtime copy the table of another, base specification and all. Without that file
 * the daemon would not serve Kubernetes from its next start on: so it stays for them, less our hooks.
 */
static int hold_named(
        struct kh_setup *s, struct kh_edit *spec, struct kh_plan *plan, struct kh_err *err)
{
        char directory[PATH_MAX], drop_ins[PATH_MAX], namer[PATH_MAX];
        const char *name = strrchr(spec->path, '/');

        kh_path_directory(directory, spec->path);
        find_namer(s, plan, directory, name, namer);
        if (!*namer && kh_path_join(drop_ins, directory, "conf.d"))
                find_namer(s, plan, drop_ins, name, namer);
        if (!*namer)
                return 0;
        if (kh_format_hold(spec->format, kh_text_view(&spec->current), NULL, &spec->after, err) < 0)
                return err->code;
        spec->is_held = true;
        kh_text_printf(&plan->notes,
                "'%s' stays, without the hooks: '%s' names it; see to that, then uninstall again\n",
                spec->path, namer);
        return 0;
}

/* A base specification that we made, for containerd itself; others' configurations are rendered. */
static bool is_own_spec(const struct kh_edit *e)
{
        return e->format == KH_FORMAT_LOADED && e->current.p && !e->after.p &&
               !(e->owners & ~(1U << KH_OWNER_CONTAINERD)) &&
               kh_span_ends(kh_span_of(e->path), KH_SPAN(".json"));
}

int kh_plan_undo(struct kh_setup *s, unsigned owners, struct kh_plan *plan, struct kh_err *err)
{
        for (struct kh_record *r = s->journal.records; r; r = r->next) {
                struct kh_edit *e;

                if (r->kind != KH_RECORD_FILE || !goes(r, owners))
                        continue;
                e = append_edit(plan, r->path);
                if (!e)
                        return kh_fail(err, -ENOMEM, "out of memory");
                e->format = r->format;
                e->who = r->who;
                /* what was held back of an earlier undoing has no owner any more */
                e->owners = r->format == KH_FORMAT_DOCKER ? 1U << KH_OWNER_DOCKER : r->owners;
                e->is_stuck = fill_edit(s, e, err) < 0;
                if (e->is_stuck)
                        kh_text_printf(&plan->notes, "%s\n", err->msg);
                else if (e->current.p && kh_programs_hold(s, e->format))
                        e->is_held = kh_format_hold(e->format, kh_text_view(&e->current), &r->base,
                                             &e->after, err) == 0;
                if (!e->is_held)
                        e->after = kh_text_of(kh_text_view(e->is_stuck ? &e->current : &e->base));
        }
        for (struct kh_edit *e = plan->edits; e; e = e->next) {
                if (is_own_spec(e) && hold_named(s, e, plan, err) < 0)
                        return err->code;
        }
        return 0;
}

static bool holds_records(const struct kh_setup *s, const char *directory)
{
        size_t n = strlen(directory);

        for (const struct kh_record *r = s->journal.records; r; r = r->next) {
                if (strncmp(r->path, directory, n) == 0 && r->path[n] == '/')
                        return true;
        }
        return false;
}

/* What others put into it since stays, and so does the directory. */
static int remove_directory(struct kh_setup *s, struct kh_record *record, struct kh_err *err)
{
        const char *name;
        kh_cleanup(kh_closep) int dir = kh_host_open_parent(&s->root, record->path, &name);

        if (holds_records(s, record->path))
                return 0;
        if (dir >= 0) {
                kh_cleanup(kh_identity_leave) struct kh_identity who =
                        kh_identity_enter(record->who);

                (void)who;
                (void)unlinkat(dir, name, AT_REMOVEDIR);
        }
        return kh_journal_forget(&s->journal, record, err);
}

/* What containers need still stays, as ours, for a later uninstall. */
static int hold_file(
        struct kh_setup *s, struct kh_record *record, const struct kh_edit *e, struct kh_err *err)
{
        int r;

        kh_text_done(&record->after);
        record->after = kh_text_of(kh_text_view(&e->after));
        record->owners = 0;
        r = kh_journal_write(&s->journal, record, err);
        return r < 0 ? r : write_edit(s, e, err);
}

static int revert_file(struct kh_setup *s, struct kh_record *record, const struct kh_plan *plan,
        struct kh_err *err)
{
        const struct kh_edit *e = find_edit(plan, record->path);
        int r = 0;

        if (e && e->is_stuck)
                return 0;
        if (e && e->is_held)
                return hold_file(s, record, e, err);
        if (e)
                r = write_edit(s, e, err);
        if (record->format == KH_FORMAT_OWN)
                s->may_be_starting = true;
        return r < 0 ? r : kh_journal_forget(&s->journal, record, err);
}

/* Those whose running daemon has read a file that is undone: it calls the programs until it reads
 * that again. */
static unsigned find_awaited(const struct kh_setup *s, const struct kh_plan *plan)
{
        unsigned awaited = 0;

        for (const struct kh_edit *e = plan->edits; e; e = e->next) {
                if (!kh_format_is_loaded(e->format) || kh_text_eq(&e->current, &e->after))
                        continue;
                for (unsigned i = 0; i < s->n_instances; i++) {
                        const struct kh_instance *instance = &s->instances[i];

                        /* a signal may have come that nobody told us of */
                        if (e->owners >> instance->owner & 1 && instance->pid &&
                                (kh_runtimes[instance->owner].signal ||
                                        kh_has_read(instance, e->record)))
                                awaited |= 1U << instance->owner;
                }
        }
        return awaited;
}

/* Keeps that with the programs' records. */
static int keep_awaited(struct kh_setup *s, unsigned awaited, struct kh_err *err)
{
        int r = 0;

        for (struct kh_record *p = s->journal.records; p && awaited && r == 0; p = p->next) {
                if (p->kind != KH_RECORD_PROGRAM)
                        continue;
                p->awaits = kh_awaited(s, p) | awaited;
                kh_journal_stamp(p);
                r = kh_journal_write(&s->journal, p, err);
        }
        return r;
}

/* One file as it was; any record less these owners. */
static int revert_record(struct kh_setup *s, struct kh_record *record, unsigned owners,
        const struct kh_plan *plan, struct kh_err *err)
{
        if (record->kind == KH_RECORD_FILE && goes(record, owners))
                return revert_file(s, record, plan, err);
        if (!(record->owners & owners))
                return 0;
        record->owners &= ~owners;
        return kh_journal_write(&s->journal, record, err);
}

int kh_plan_revert(
        struct kh_setup *s, unsigned owners, const struct kh_plan *plan, struct kh_err *err)
{
        unsigned awaited = find_awaited(s, plan);
        int r = keep_awaited(s, awaited, err);
        struct kh_record *next;

        for (struct kh_record *record = s->journal.records; record && r == 0; record = next) {
                next = record->next;
                r = revert_record(s, record, owners, plan, err);
        }
        /* once more: what a daemon read before now was not yet undone */
        return r < 0 ? r : keep_awaited(s, awaited, err);
}

static int clear_record(struct kh_setup *s, struct kh_record *record, struct kh_err *err)
{
        switch (record->kind) {
        case KH_RECORD_PROGRAM:
                return kh_programs_remove(s, record, err);
        case KH_RECORD_DIRECTORY:
                return remove_directory(s, record, err);
        case KH_RECORD_FILE:
        case KH_RECORD_KINDS:
                break;
        }
        return 0;
}

int kh_plan_clear(struct kh_setup *s, struct kh_err *err)
{
        struct kh_plan held = { 0 };
        struct kh_record *next;
        int r = kh_plan_undo(s, 0, &held, err);

        if (r == 0)
                r = kh_plan_revert(s, 0, &held, err);
        kh_plan_done(&held);
        kh_text_done(&s->kept);
        for (struct kh_record *record = s->journal.records; record && r == 0; record = next) {
                next = record->next;
                if (!record->owners)
                        r = clear_record(s, record, err);
        }
        return r;
}
