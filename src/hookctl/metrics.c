/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl metrics */
#include "base/cleanup.h"
#include "hookctl/hookctl.h"

#include <errno.h>
#include <stdio.h>

static enum kh_exit run(const struct kh_settings *s, int argc, char **argv)
{
        enum kh_exit code;
        kh_cleanup(kh_close_hookp) struct kubearmor_hook *hook = kh_open_hook(s, &code);
        const char *text;
        int rc;

        (void)argc;
        (void)argv;
        if (!hook)
                return code;
        do
                rc = kubearmor_hook_metrics(hook, &text);
        while (rc == -EINTR);
        if (rc < 0)
                return kh_report_hook(hook, rc);
        (void)fputs(text, stdout);
        return KH_EXIT_OK;
}

static const enum kh_option_id options[] = {
        KH_OPT_EVENTS,
        KH_OPT_TIMEOUT,
        KH_OPT_HELP,
        KH_OPT_END,
};

const struct kh_command kh_command_metrics = {
        .name = "metrics",
        .arguments = "",
        .summary = "Print the listener's counters as OpenMetrics text.",
        .details = "",
        .options = options,
        .run = run,
};
