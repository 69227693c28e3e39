/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl verify */
#include "base/cleanup.h"
#include "base/clock.h"
#include "hookctl/grid.h"
#include "hookctl/setup_report.h"
#include "hookctl/text.h"
#include "setup/probe.h"
#include "setup/programs.h"
#include "json/writer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A few for the node, two for each runtime. */
enum { CHECKS_MAX = 2 * KH_OWNER_COUNT + 8 };

struct check {
        const char *runtime; /* NULL: of the node */
        const char *step;
        bool good;
        char detail[sizeof(((struct kh_err *)0)->msg)];
};

struct checks {
        struct check v[CHECKS_MAX];
        unsigned n;
        bool failed;
};

__attribute__((format(printf, 5, 6))) static void add(struct checks *checks, const char *runtime,
        const char *step, bool good, const char *format, ...)
{
        struct check *c = &checks->v[checks->n];
        va_list ap;

        if (checks->n == CHECKS_MAX)
                return;
        *c = (struct check){ .runtime = runtime, .step = step, .good = good };
        va_start(ap, format);
        /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the line above initializes it */
        (void)vsnprintf(c->detail, sizeof(c->detail), format, ap);
        va_end(ap);
        checks->n++;
        checks->failed |= !good;
}

static void check_runtime(
        struct checks *checks, const struct kh_setup *setup, const struct kh_view *v)
{
        const char *name = kh_owner_name[v->instance->owner];
        bool is_set = v->state == KH_STATE_HOOKED || v->state == KH_STATE_WAITING ||
                      v->state == KH_STATE_BROKEN;

        add(checks, name, "its files are as they were set up", is_set, "%s",
                is_set        ? ""
                : *v->why.msg ? v->why.msg
                              : "nothing is set up");
        if (is_set && kh_runtimes[v->instance->owner].why)
                add(checks, name, "its daemon has read them", !kh_is_waiting(setup, v), "%s",
                        v->state == KH_STATE_WAITING ? v->why.msg : "");
}

/*
 * Whether the listener that the hook tells is one that knows tests, and its word on this one. False
 * when there is none to be asked anything.
 */
static bool check_delivery(
        struct checks *checks, struct kh_setup *setup, struct kubearmor_hook *hook)
{
        const char *socket = kh_probe_socket(setup);
        const struct kubearmor_hook_status *status;
        struct kh_err err = { 0 };
        int rc;

        do
                rc = kubearmor_hook_status(hook, &status);
        while (rc == -EINTR);
        add(checks, NULL, "the listener answers", rc >= 0, "%s",
                rc < 0 ? kubearmor_hook_error(hook) : "");
        if (rc < 0)
                return false;
        if (!status->hook_socket || strcmp(status->hook_socket, socket) != 0) {
                add(checks, NULL, "the hook tells that listener", false,
                        "it tells '%s', and the listener hears on '%s'", socket,
                        status->hook_socket ? status->hook_socket : "");
                return true;
        }
        rc = kh_probe(setup, &err);
        add(checks, NULL, "a test event of the hook arrives", rc == 0, "%s", err.msg);
        return true;
}

/*
 * When the hook of this boot was set up, in the clock ticks that processes' starts are counted in.
 */
static uint64_t set_up_at(const struct kh_setup *setup)
{
        uint64_t latest_ns = 0;

        for (const struct kh_record *r = setup->journal.records; r; r = r->next) {
                char boot_id[sizeof(r->boot_id)];

                kh_boot_id(boot_id, sizeof(boot_id));
                if (strcmp(boot_id, r->boot_id) == 0 && r->changed_ns > latest_ns)
                        latest_ns = r->changed_ns;
        }
        return latest_ns / (KH_NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* Containers that no hook announced, by the runtime that made them. */
struct missed {
        unsigned n;
        struct {
                char runtime[24];
                unsigned n;
        } by[4]; /* the last one: all further runtimes */
        char example[48];
};

static void count_missed(struct missed *m, const struct kubearmor_hook_container *c)
{
        const char *runtime = c->runtime ? c->runtime : "unknown";
        unsigned last = sizeof(m->by) / sizeof(m->by[0]) - 1, i = 0;

        while (i < last && m->by[i].n && strcmp(m->by[i].runtime, runtime) != 0)
                i++;
        (void)snprintf(
                m->by[i].runtime, sizeof(m->by[i].runtime), "%s", i < last ? runtime : "others");
        m->by[i].n++;
        m->n++;
        (void)snprintf(m->example, sizeof(m->example), "%.40s", c->id);
}

static void list_missed(const struct missed *m, char *text, size_t cap)
{
        struct kh_buf b = kh_buf_of(text, cap);

        for (unsigned i = 0; i < sizeof(m->by) / sizeof(m->by[0]) && m->by[i].n; i++) {
                kh_buf_span(&b, i ? KH_SPAN(", ") : KH_SPAN(": "));
                kh_buf_u64(&b, m->by[i].n);
                kh_buf_lit(&b, " of ");
                kh_buf_span(&b, kh_span_of(m->by[i].runtime));
        }
        if (m->n) {
                kh_buf_lit(&b, ", such as ");
                kh_buf_span(&b, kh_span_of(m->example));
        }
        kh_buf_terminate(&b);
}

/* Containers that began since, and of which no hook has told. */
static void check_containers(
        struct checks *checks, const struct kh_setup *setup, struct kubearmor_hook *hook)
{
        const struct kubearmor_hook_event *event;
        uint64_t since = set_up_at(setup);
        struct missed missed = { 0 };
        unsigned announced = 0;
        char list[256];
        int rc = kubearmor_hook_list(hook, NULL);

        while (rc >= 0 && (rc = kubearmor_hook_next(hook, -1, &event)) > 0) {
                const struct kubearmor_hook_container *c = event->container;

                if (event->type == KUBEARMOR_HOOK_SYNCED)
                        break;
                if (!c || c->start_time <= since || (c->type && strcmp(c->type, "sandbox") == 0))
                        continue;
                if (c->source &&
                        (strcmp(c->source, "hook") == 0 || strcmp(c->source, "spool") == 0)) {
                        announced++;
                        continue;
                }
                count_missed(&missed, c);
        }
        list_missed(&missed, list, sizeof(list));
        if (rc < 0)
                add(checks, NULL, "the hook announces containers", false, "%s",
                        kubearmor_hook_error(hook));
        else
                add(checks, NULL, "the hook announces containers", missed.n == 0,
                        "%u since it was set up, %u without it%s", announced, missed.n, list);
}

/* The next container that is created, and how it arrived. */
static void wait_for_container(
        struct checks *checks, const struct kh_settings *s, struct kubearmor_hook *hook)
{
        const char *step = "the next container's creation arrives";
        uint64_t deadline_ns = kh_boottime_ns() + s->wait_ms * KH_NS_PER_MS;
        const struct kubearmor_hook_event *event;
        int rc = kubearmor_hook_subscribe(hook, NULL, 0);

        while (rc >= 0 || rc == -EINTR) {
                rc = kubearmor_hook_next(hook, kh_left_ms(deadline_ns), &event);
                if (rc == 0)
                        break;
                if (rc < 0 || event->type != KUBEARMOR_HOOK_CREATED)
                        continue;
                add(checks, NULL, step, event->source && strcmp(event->source, "hook") == 0,
                        "%.64s by %s, %s of %s", event->container->id,
                        event->source ? event->source : "?",
                        event->container->stage ? event->container->stage : "no stage",
                        event->container->runtime ? event->container->runtime
                                                  : "an unknown runtime");
                return;
        }
        if (rc < 0)
                add(checks, NULL, step, false, "%s", kubearmor_hook_error(hook));
        else
                add(checks, NULL, step, false, "none was created meanwhile");
}

static void print_checks(const struct checks *checks)
{
        struct kh_grid grid = { .rows = 0 };
        static const char *const heads[] = { "", "WHERE", "STEP", "DETAIL" };

        kh_grid_add(&grid, 4, heads);
        for (unsigned i = 0; i < checks->n; i++) {
                const struct check *c = &checks->v[i];

                kh_grid_add(&grid, 4,
                        (const char *const[]){ c->good ? "ok" : "FAILED",
                                c->runtime ? c->runtime : "node", c->step, c->detail });
        }
        kh_grid_print(&grid, false);
}

static enum kh_exit print_json(const struct checks *checks)
{
        struct kh_buf b = kh_json_room();

        kh_json_open(&b, '[');
        for (unsigned i = 0; i < checks->n; i++) {
                const struct check *c = &checks->v[i];

                kh_json_open(&b, '{');
                kh_json_put_str_member(&b, KH_SPAN("runtime"), kh_span_of(c->runtime));
                kh_json_put_str_member(&b, KH_SPAN("step"), kh_span_of(c->step));
                kh_json_put_bool_member(&b, KH_SPAN("ok"), c->good);
                kh_json_put_str_member(&b, KH_SPAN("detail"),
                        *c->detail ? kh_span_of(c->detail) : (struct kh_span){ 0 });
                kh_json_close(&b, '}');
        }
        kh_json_close(&b, ']');
        return kh_print_json(&b);
}

static void verify(const struct kh_settings *s, struct kh_setup *setup, struct checks *checks)
{
        static struct kh_views views;
        struct kh_err err = { 0 };
        enum kh_exit code;
        kh_cleanup(kh_close_hookp) struct kubearmor_hook *hook = kh_open_hook(s, &code);

        kh_survey(setup, &views);
        add(checks, NULL, "the hook can be executed",
                kh_programs_check(setup, KH_HOOK_NAME, &err) == 0, "%s", err.msg);
        for (unsigned i = 0; i < views.n; i++)
                check_runtime(checks, setup, &views.v[i]);
        kh_views_done(&views);
        checks->failed |= !hook;
        if (!hook || !check_delivery(checks, setup, hook))
                return;
        check_containers(checks, setup, hook);
        if (s->wait_ms)
                wait_for_container(checks, s, hook);
}

static enum kh_exit run(const struct kh_settings *s, int argc, char **argv)
{
        static struct kh_setup setup;
        static struct checks checks;
        struct kh_err err;
        enum kh_exit code;

        (void)argc;
        (void)argv;
        if (!kh_open_setup(&setup, s, false, &code))
                return code;
        if (kh_setup_recall(&setup, NULL, &err) < 0) {
                code = kh_report_setup(&err);
        } else if (kh_recorded_owners(&setup) == 0) {
                code = kh_report(KH_EXIT_NOT_FOUND,
                        "nothing is set up here: see 'kubearmor-hookctl install'");
        } else {
                kh_setup_narrow(&setup, kh_recorded_owners(&setup));
                verify(s, &setup, &checks);
                code = KH_EXIT_OK;
                if (s->output == KH_OUT_JSON)
                        code = print_json(&checks);
                else
                        print_checks(&checks);
                if (checks.failed)
                        code = KH_EXIT_FAILURE;
        }
        kh_setup_close(&setup);
        return code;
}

static const enum kh_option_id options[] = {
        KH_OPT_WAIT,
        KH_OPT_ON_RUNTIME,
        KH_OPT_HOST_ROOT,
        KH_OPT_OUTPUT,
        KH_OPT_EVENTS,
        KH_OPT_TIMEOUT,
        KH_OPT_HELP,
        KH_OPT_END,
};

const struct kh_command kh_command_verify = {
        .name = "verify",
        .arguments = "",
        .summary = "Prove, step by step, that the hook's events arrive.",
        .details = "",
        .options = options,
        .outputs = 1 << KH_OUT_TEXT | 1 << KH_OUT_JSON,
        .run = run,
};
