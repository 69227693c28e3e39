/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl repair */
#include "hookctl/install.h"

static enum kh_exit run(const struct kh_settings *s, int argc, char **argv)
{
        (void)argc;
        (void)argv;
        return kh_run_install(s, true);
}

static const enum kh_option_id options[] = {
        KH_OPT_DRY_RUN,
        KH_OPT_RESTART,
        KH_OPT_ON_RUNTIME,
        KH_OPT_HOST_ROOT,
        KH_OPT_SOURCE_DIR,
        KH_OPT_OUTPUT,
        KH_OPT_NO_HEADERS,
        KH_OPT_HELP,
        KH_OPT_END,
};

const struct kh_command kh_command_repair = {
        .name = "repair",
        .arguments = "",
        .summary = "Mend what install has set up and somebody has changed since.",
        .details = "\nWith the options that install was given.\n",
        .options = options,
        .outputs = 1 << KH_OUT_TABLE | 1 << KH_OUT_JSON,
        .run = run,
};
