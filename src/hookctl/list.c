/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl list */
#include "base/cleanup.h"
#include "hookctl/containers.h"

static enum kh_exit run(const struct kh_settings *s, int argc, char **argv)
{
        enum kh_exit code;
        kh_cleanup(kh_close_hookp) struct kubearmor_hook *hook = NULL;
        int rc;

        (void)argc;
        (void)argv;
        if (s->watch && s->filter.state)
                return kh_report(KH_EXIT_USAGE,
                        "--state picks from what is there now: it does not go with --watch");
        if (s->watch)
                return kh_watch(s, true);
        hook = kh_open_hook(s, &code);
        if (!hook)
                return code;
        rc = kubearmor_hook_list(hook, &s->filter);
        if (rc < 0)
                return kh_report_hook(hook, rc);
        return kh_print_containers(s, hook);
}

static const enum kh_option_id options[] = {
        KH_OPT_OUTPUT,
        KH_OPT_WATCH,
        KH_OPT_NAMESPACE,
        KH_OPT_POD,
        KH_OPT_NAME,
        KH_OPT_LABEL,
        KH_OPT_RUNTIME,
        KH_OPT_TYPE,
        KH_OPT_STATE,
        KH_OPT_NO_TRUNC,
        KH_OPT_NO_HEADERS,
        KH_OPT_COLOR,
        KH_OPT_EVENTS,
        KH_OPT_TIMEOUT,
        KH_OPT_HELP,
        KH_OPT_END,
};

const struct kh_command kh_command_list = {
        .name = "list",
        .arguments = "",
        .summary = "List the containers on this node.",
        .details = "",
        .options = options,
        .outputs = 1 << KH_OUT_TABLE | 1 << KH_OUT_WIDE | 1 << KH_OUT_JSON | 1 << KH_OUT_JSONL,
        .run = run,
};
