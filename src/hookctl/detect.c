/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl detect */
#include "hookctl/setup_report.h"
#include "json/writer.h"

#include <stdio.h>

static enum kh_exit print(const struct kh_settings *s, const struct kh_views *views)
{
        struct kh_buf b = kh_json_room();

        if (s->output != KH_OUT_JSON) {
                kh_print_views(s, views);
                return KH_EXIT_OK;
        }
        kh_json_open(&b, '[');
        for (unsigned i = 0; i < views->n; i++) {
                kh_put_view(&b, &views->v[i]);
                kh_json_close(&b, '}');
        }
        kh_json_close(&b, ']');
        return kh_print_json(&b);
}

static enum kh_exit run(const struct kh_settings *s, int argc, char **argv)
{
        static struct kh_setup setup;
        static struct kh_views views;
        struct kh_err err;
        enum kh_exit code;

        (void)argc;
        (void)argv;
        if (!kh_open_setup(&setup, s, false, &code))
                return code;
        if (kh_setup_recall(&setup, NULL, &err) < 0) {
                code = kh_report_setup(&err);
        } else {
                kh_survey(&setup, &views);
                code = print(s, &views);
                kh_views_done(&views);
        }
        kh_setup_close(&setup);
        return code;
}

static const enum kh_option_id options[] = {
        KH_OPT_ON_RUNTIME,
        KH_OPT_HOST_ROOT,
        KH_OPT_OUTPUT,
        KH_OPT_NO_HEADERS,
        KH_OPT_HELP,
        KH_OPT_END,
};

const struct kh_command kh_command_detect = {
        .name = "detect",
        .arguments = "",
        .summary = "Find the container runtimes of this node.",
        .details = "",
        .options = options,
        .outputs = 1 << KH_OUT_TABLE | 1 << KH_OUT_JSON,
        .run = run,
};
