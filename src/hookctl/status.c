/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl status */
#include "base/cleanup.h"
#include "hookctl/columns.h"
#include "hookctl/containers.h"
#include "hookctl/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

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
}

static enum kh_exit run(const struct kh_settings *s, int argc, char **argv)
{
        enum kh_exit code;
        kh_cleanup(kh_close_hookp) struct kubearmor_hook *hook = kh_open_hook(s, &code);
        const struct kubearmor_hook_status *status;
        int rc;

        (void)argc;
        (void)argv;
        if (!hook)
                return code;
        do
                rc = kubearmor_hook_status(hook, &status);
        while (rc == -EINTR);
        if (rc < 0)
                return kh_report_hook(hook, rc);
        if (s->output == KH_OUT_JSON) {
                (void)fputs("{\"listener\":", stdout);
                kh_put_text(stdout, status->json);
                (void)fputs("}\n", stdout);
        } else {
                put_listener(s, status);
        }
        return KH_EXIT_OK;
}

static const enum kh_option_id options[] = {
        KH_OPT_OUTPUT,
        KH_OPT_COLOR,
        KH_OPT_EVENTS,
        KH_OPT_TIMEOUT,
        KH_OPT_HELP,
        KH_OPT_END,
};

const struct kh_command kh_command_status = {
        .name = "status",
        .arguments = "",
        .summary = "Show how the listener fares.",
        .details = "",
        .options = options,
        .outputs = 1 << KH_OUT_TEXT | 1 << KH_OUT_JSON,
        .run = run,
};
