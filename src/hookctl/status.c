/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl status */
#include "base/cleanup.h"
#include "hookctl/columns.h"
#include "hookctl/containers.h"
#include "hookctl/setup_report.h"
#include "hookctl/text.h"
#include "json/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static void put_key(const char *key)
{
        (void)printf("  %-14s", key);
}

static void put_string(const char *key, const char *value)
{
        if (!value)
                return;
        put_key(key);
        kh_put_text(stdout, value);
        (void)putchar('\n');
}

static void put_counts(const char *key, const struct kubearmor_hook_counts *counts)
{
        if (counts->n == 0)
                return;
        put_key(key);
        for (size_t i = 0; i < counts->n; i++) {
                (void)fputs(i ? ", " : "", stdout);
                kh_put_text(stdout, counts->v[i].name);
                (void)printf(" %" PRIu64, counts->v[i].value);
        }
        (void)putchar('\n');
}

static void put_listener(const struct kh_settings *s, const struct kubearmor_hook_status *status)
{
        char age[KH_CELL_MAX];

        (void)printf("%sListener%s\n", s->color ? "\033[1m" : "", s->color ? "\033[0m" : "");
        put_string("version", status->version);
        put_string("instance", status->instance);
        put_key("up for");
        (void)printf("%s\n", kh_format_age(status->uptime_seconds, age));
        if (status->pid > 0) {
                put_key("pid");
                (void)printf("%d\n", status->pid);
        }
        put_string("hook socket", status->hook_socket);
        put_string("events socket", status->events_socket);
        put_key("containers");
        (void)printf("%" PRIu64 "\n", status->containers);
        put_counts("  by state", &status->containers_by_state);
        put_counts("  by runtime", &status->containers_by_runtime);
        put_counts("events", &status->events);
        put_counts("requests", &status->requests);
        put_counts("rejected", &status->rejected);
        put_counts("subscribers", &status->subscribers);
        put_string("spool", status->spool);
        put_counts("  spooled", &status->spooled);
        put_string("relay", status->relay);
        put_string("  state", status->relay_state);
        put_counts("  relayed", &status->relayed);
}

/* What install has set up, and how that stands; only root can tell. */
static bool survey(const struct kh_settings *s, struct kh_setup *setup, struct kh_views *views)
{
        struct kh_err err;

        views->n = 0;
        if (geteuid() != 0 || kh_setup_open(setup, &s->setup, false, &err) < 0)
                return false;
        if (kh_setup_recall(setup, NULL, &err) < 0)
                (void)kh_report_setup(&err);
        else
                kh_survey(setup, views);
        return true;
}

static void put_setup(const struct kh_settings *s, const struct kh_views *views)
{
        if (!views->n)
                return;
        (void)printf("%sSet-up%s\n", s->color ? "\033[1m" : "", s->color ? "\033[0m" : "");
        kh_print_views(s, views);
}

static enum kh_exit print_json(const char *listener, const struct kh_views *views)
{
        struct kh_buf b = kh_json_room();

        kh_json_open(&b, '{');
        if (listener) {
                kh_json_put_key(&b, KH_SPAN("listener"));
                kh_buf_span(&b, kh_span_of(listener));
        }
        kh_json_put_key(&b, KH_SPAN("setup"));
        kh_json_open(&b, '[');
        for (unsigned i = 0; i < views->n; i++) {
                kh_put_view(&b, &views->v[i]);
                kh_json_close(&b, '}');
        }
        kh_json_close(&b, ']');
        kh_json_close(&b, '}');
        return kh_print_json(&b);
}

static enum kh_exit print(const struct kh_settings *s, const struct kubearmor_hook_status *status,
        const struct kh_views *views)
{
        if (s->output == KH_OUT_JSON)
                return print_json(status ? status->json : NULL, views);
        if (status)
                put_listener(s, status);
        put_setup(s, views);
        return KH_EXIT_OK;
}

static enum kh_exit run(const struct kh_settings *s, int argc, char **argv)
{
        static struct kh_setup setup;
        static struct kh_views views;
        enum kh_exit code, printed;
        kh_cleanup(kh_close_hookp) struct kubearmor_hook *hook = kh_open_hook(s, &code);
        const struct kubearmor_hook_status *status = NULL;
        bool is_open;
        int rc;

        (void)argc;
        (void)argv;
        if (!hook)
                return code;
        do
                rc = kubearmor_hook_status(hook, &status);
        while (rc == -EINTR);
        is_open = survey(s, &setup, &views);
        printed = print(s, rc < 0 ? NULL : status, &views);
        kh_views_done(&views);
        if (is_open)
                kh_setup_close(&setup);
        return rc < 0 ? kh_report_hook(hook, rc) : printed;
}

static const enum kh_option_id options[] = {
        KH_OPT_OUTPUT,
        KH_OPT_COLOR,
        KH_OPT_NO_HEADERS,
        KH_OPT_HOST_ROOT,
        KH_OPT_EVENTS,
        KH_OPT_TIMEOUT,
        KH_OPT_HELP,
        KH_OPT_END,
};

const struct kh_command kh_command_status = {
        .name = "status",
        .arguments = "",
        .summary = "Show how the listener and the set-up fare.",
        .details = "",
        .options = options,
        .outputs = 1 << KH_OUT_TEXT | 1 << KH_OUT_JSON,
        .run = run,
};
