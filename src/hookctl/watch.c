/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl watch, and list --watch */
#include "base/cleanup.h"
#include "hookctl/containers.h"
#include "hookctl/text.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

struct watch {
        const struct kh_settings *settings;
        struct kubearmor_hook *hook;
        bool json;
        bool present_too;
        bool synced; /* once */
        struct kh_table table;
};

static int put_event(struct watch *w, const struct kubearmor_hook_event *event)
{
        if (event->container && !kh_has_labels(w->settings, event->container))
                return 0;
        if (w->json) {
                kh_put_text(stdout, event->json);
                (void)putchar('\n');
                return 0;
        }
        if (event->container && !kh_table_add(&w->table, event))
                return -ENOMEM;
        if (w->synced)
                kh_table_print(&w->table);
        return 0;
}

static int take_event(struct watch *w, const struct kubearmor_hook_event *event)
{
        switch (event->type) {
        case KUBEARMOR_HOOK_DISCONNECTED:
                (void)kh_report(KH_EXIT_OK, "%s; waiting for it to come back", event->message);
                return 0;
        case KUBEARMOR_HOOK_SYNCED:
                if (w->synced)
                        (void)kh_report(KH_EXIT_OK, "the listener is back");
                w->synced = true;
                return put_event(w, event);
        case KUBEARMOR_HOOK_CONTAINER:
                return w->present_too ? put_event(w, event) : 0;
        default:
                return put_event(w, event);
        }
}

/* What has come by now. */
static int take_events(struct watch *w)
{
        const struct kubearmor_hook_event *event;
        int rc;

        while ((rc = kubearmor_hook_next(w->hook, 0, &event)) > 0) {
                rc = take_event(w, event);
                if (rc < 0)
                        return rc;
        }
        return rc;
}

/* Until something comes: false when nobody reads our output any more, which a write would tell
 * late. */
static bool wait_for_events(const struct watch *w)
{
        struct pollfd fds[] = {
                { .fd = kubearmor_hook_fd(w->hook), .events = POLLIN },
                { .fd = STDOUT_FILENO },
        };

        if (fflush(stdout) != 0)
                return false;
        while (poll(fds, 2, -1) < 0 && errno == EINTR)
                ;
        return !(fds[1].revents & (POLLERR | POLLNVAL));
}

static int follow(struct watch *w)
{
        int rc = kubearmor_hook_subscribe(w->hook, &w->settings->filter, KUBEARMOR_HOOK_RECONNECT);

        while (rc == 0) {
                rc = take_events(w);
                if (rc == 0 && !wait_for_events(w))
                        return 0;
        }
        return rc;
}

enum kh_exit kh_watch(const struct kh_settings *s, bool present_too)
{
        enum kh_exit code;
        kh_cleanup(kh_close_hookp) struct kubearmor_hook *hook = kh_open_hook(s, &code);
        struct kh_table_style style = kh_style_of(s, true);
        struct watch w = {
                .settings = s,
                .hook = hook,
                .json = s->output == KH_OUT_JSON || s->output == KH_OUT_JSONL,
                .present_too = present_too,
        };
        int rc;

        if (!hook)
                return code;
        kh_table_init(&w.table, &style);
        rc = follow(&w);
        kh_table_done(&w.table);
        return rc < 0 ? kh_report_hook(hook, rc) : KH_EXIT_FAILURE;
}

static enum kh_exit run(const struct kh_settings *s, int argc, char **argv)
{
        (void)argc;
        (void)argv;
        return kh_watch(s, false);
}

static const enum kh_option_id options[] = {
        KH_OPT_OUTPUT,
        KH_OPT_NAMESPACE,
        KH_OPT_POD,
        KH_OPT_NAME,
        KH_OPT_LABEL,
        KH_OPT_RUNTIME,
        KH_OPT_TYPE,
        KH_OPT_NO_TRUNC,
        KH_OPT_NO_HEADERS,
        KH_OPT_COLOR,
        KH_OPT_EVENTS,
        KH_OPT_TIMEOUT,
        KH_OPT_HELP,
        KH_OPT_END,
};

const struct kh_command kh_command_watch = {
        .name = "watch",
        .arguments = "",
        .summary = "Show containers as they are created, change and are removed.",
        .details = "What is there already is shown by list --watch.\n",
        .options = options,
        .outputs = 1 << KH_OUT_TABLE | 1 << KH_OUT_WIDE | 1 << KH_OUT_JSON | 1 << KH_OUT_JSONL,
        .run = run,
};
