/* SPDX-License-Identifier: Apache-2.0 */
#include "hookctl/setup_report.h"

#include "base/cleanup.h"
#include "hookctl/grid.h"
#include "hookctl/text.h"
#include "setup/diff.h"
#include "json/writer.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* Diffs of a few configurations, each of them bounded. */
enum { JSON_MAX = 16 * 1024 * 1024 };

bool kh_open_setup(
        struct kh_setup *ret, const struct kh_settings *s, bool lock, enum kh_exit *ret_code)
{
        struct kh_err err = { 0 };

        if (geteuid() != 0) {
                *ret_code = kh_report(KH_EXIT_NOT_PERMITTED, "this needs root");
                return false;
        }
        if (kh_setup_open(ret, &s->setup, lock, &err) == 0)
                return true;
        *ret_code = kh_report_setup(&err);
        return false;
}

enum kh_exit kh_report_setup(const struct kh_err *err)
{
        bool denied = err->code == -EACCES || err->code == -EPERM;

        return kh_report(denied ? KH_EXIT_NOT_PERMITTED : KH_EXIT_FAILURE, "%s", err->msg);
}

static void print_notes(FILE *f, const char *runtime, const struct kh_text *notes)
{
        const char *p = notes->p;

        for (size_t n; p && *p; p += n + (p[n] == '\n')) {
                kh_cleanup(kh_freep) char *line = NULL;

                n = strcspn(p, "\n");
                line = strndup(p, n);
                (void)fprintf(f, "%s: ", runtime);
                kh_put_text(f, line ? line : "");
                (void)fputc('\n', f);
        }
}

void kh_print_view_notes(const struct kh_view *v, FILE *f)
{
        const struct kh_text why = { .p = (char *)v->why.msg };

        print_notes(f, kh_owner_name[v->instance->owner], &why);
        print_notes(f, kh_owner_name[v->instance->owner], &v->plan.notes);
}

void kh_print_views(const struct kh_settings *s, const struct kh_views *views)
{
        static const char *const heads[] = { "RUNTIME", "VERSION", "STATE", "PID", "PROGRAM",
                "CONFIGURATION" };
        struct kh_grid grid = { .rows = 0 };

        kh_grid_add(&grid, 6, heads);
        for (unsigned i = 0; i < views->n; i++) {
                const struct kh_view *v = &views->v[i];
                char pid[16] = "";

                if (v->instance->pid)
                        (void)snprintf(pid, sizeof(pid), "%d", v->instance->pid);
                kh_grid_add(&grid, 6,
                        (const char *const[]){ kh_owner_name[v->instance->owner],
                                v->instance->version, kh_state_name[v->state], pid,
                                v->instance->program, v->instance->config });
        }
        kh_grid_print(&grid, !s->no_headers);
        for (unsigned i = 0; i < views->n; i++)
                kh_print_view_notes(&views->v[i], stdout);
}

static void put_notes(struct kh_buf *b, const struct kh_text *notes)
{
        const char *p = notes->p;

        kh_json_put_key(b, KH_SPAN("notes"));
        kh_json_open(b, '[');
        for (size_t n; p && *p; p += n + (p[n] == '\n')) {
                n = strcspn(p, "\n");
                kh_json_put_comma(b);
                kh_json_put_string(b, (struct kh_span){ p, n });
        }
        kh_json_close(b, ']');
}

static struct kh_span known(const char *text)
{
        return *text ? kh_span_of(text) : (struct kh_span){ 0 };
}

void kh_put_view(struct kh_buf *b, const struct kh_view *v)
{
        kh_json_open(b, '{');
        kh_json_put_str_member(
                b, KH_SPAN("runtime"), kh_span_of(kh_owner_name[v->instance->owner]));
        kh_json_put_str_member(b, KH_SPAN("version"), known(v->instance->version));
        kh_json_put_str_member(b, KH_SPAN("state"), kh_span_of(kh_state_name[v->state]));
        kh_json_put_str_member(b, KH_SPAN("reason"), known(v->why.msg));
        kh_json_put_u64_member(b, KH_SPAN("pid"), (uint64_t)v->instance->pid);
        kh_json_put_str_member(b, KH_SPAN("program"), known(v->instance->program));
        kh_json_put_str_member(b, KH_SPAN("configuration"), known(v->instance->config));
        kh_json_put_str_member(b, KH_SPAN("foundBy"), known(v->instance->evidence));
        put_notes(b, &v->plan.notes);
}

void kh_print_change(const char *path, const struct kh_text *from, const struct kh_text *to)
{
        struct kh_text diff = { 0 };

        kh_diff(&diff, path, from, to);
        /* what is in a configuration is its owner's, but a terminal must not obey it */
        for (size_t at = 0, n; at < diff.n; at += n + 1) {
                kh_cleanup(kh_freep) char *piece = NULL;

                n = strcspn(diff.p + at, "\t\n");
                piece = strndup(diff.p + at, n);
                if (piece)
                        kh_put_text(stdout, piece);
                (void)putchar(diff.p[at + n]);
        }
        kh_text_done(&diff);
}

void kh_print_diff(const struct kh_plan *plan)
{
        for (const struct kh_edit *e = plan->edits; e; e = e->next)
                kh_print_change(e->path, &e->current, &e->after);
}

void kh_put_files(struct kh_buf *b, const struct kh_plan *plan)
{
        kh_json_put_key(b, KH_SPAN("files"));
        kh_json_open(b, '[');
        for (const struct kh_edit *e = plan->edits; e; e = e->next) {
                struct kh_text diff = { 0 };

                kh_diff(&diff, e->path, &e->current, &e->after);
                kh_json_open(b, '{');
                kh_json_put_str_member(b, KH_SPAN("path"), kh_span_of(e->path));
                kh_json_put_str_member(b, KH_SPAN("diff"), kh_text_view(&diff));
                kh_json_close(b, '}');
                kh_text_done(&diff);
        }
        kh_json_close(b, ']');
}

struct kh_buf kh_json_room(void)
{
        static char room[JSON_MAX];

        return kh_buf_of(room, sizeof(room));
}

enum kh_exit kh_print_json(struct kh_buf *b)
{
        if (!kh_buf_terminate(b))
                return kh_report(KH_EXIT_FAILURE, "too much to be printed as JSON");
        kh_put_text(stdout, b->p);
        (void)putchar('\n');
        return KH_EXIT_OK;
}
