/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl uninstall */
#include "base/clock.h"
#include "hookctl/setup_report.h"
#include "setup/operate.h"
#include "setup/reload.h"
#include "json/writer.h"

#include <stdio.h>

static void print_lines(FILE *f, const struct kh_text *lines)
{
        if (lines->p)
                (void)fputs(lines->p, f);
}

/* A daemon that has read a file of ours goes on with it until it reads what is there now. */
static enum kh_exit finish(const struct kh_settings *s, struct kh_setup *setup,
        const struct kh_instance *i, const struct kh_plan *undo)
{
        const char *name = kh_owner_name[i->owner];
        struct kh_text command = { 0 };
        struct kh_err err;

        if (!kh_needs_reload(i, undo))
                return KH_EXIT_OK;
        if (s->restart && !s->dry_run) {
                if (kh_release(setup, i, &err) >= 0)
                        return KH_EXIT_OK;
                return kh_report(KH_EXIT_FAILURE, "%s: %s", name, err.msg);
        }
        kh_release_command(i, &command);
        (void)fprintf(stderr, "%s: %s: %s (%s)\n", name,
                s->dry_run ? "would be left to do" : "left to do", command.p ? command.p : "",
                kh_release_reason(i));
        kh_text_done(&command);
        return KH_EXIT_OK;
}

static enum kh_exit print(const struct kh_settings *s, const struct kh_plan *undo)
{
        struct kh_buf b = kh_json_room();

        if (s->output == KH_OUT_JSON) {
                kh_json_open(&b, '{');
                kh_put_files(&b, undo);
                kh_json_close(&b, '}');
                return kh_print_json(&b);
        }
        if (s->dry_run)
                kh_print_diff(undo);
        return KH_EXIT_OK;
}

static enum kh_exit uninstall(const struct kh_settings *s, struct kh_setup *setup)
{
        unsigned owners = kh_wanted_owners(setup);
        struct kh_plan undo = { 0 };
        struct kh_err err = { 0 };
        enum kh_exit code;

        if (kh_plan_undo(setup, owners, &undo, &err) < 0 ||
                (!s->dry_run && kh_uninstall(setup, owners, &undo, &err) < 0)) {
                kh_plan_done(&undo);
                return kh_report_setup(&err);
        }
        code = print(s, &undo);
        print_lines(stderr, &undo.notes);
        for (unsigned i = 0; i < setup->n_instances; i++) {
                enum kh_exit step = finish(s, setup, &setup->instances[i], &undo);

                code = code == KH_EXIT_OK ? step : code;
        }
        if (!s->dry_run &&
                kh_uninstall_programs(
                        setup, kh_boottime_ns() + s->wait_ms * KH_NS_PER_MS, s->restart, &err) < 0)
                code = kh_report_setup(&err);
        print_lines(stderr, &setup->kept);
        if (undo.notes.p)
                code = KH_EXIT_FAILURE;
        kh_plan_done(&undo);
        return code;
}

static enum kh_exit run(const struct kh_settings *s, int argc, char **argv)
{
        static struct kh_setup setup;
        enum kh_exit code;

        (void)argc;
        (void)argv;
        if (!kh_open_setup(&setup, s, !s->dry_run, &code))
                return code;
        code = uninstall(s, &setup);
        kh_setup_close(&setup);
        return code;
}

static const enum kh_option_id options[] = {
        KH_OPT_DRY_RUN,
        KH_OPT_RESTART,
        KH_OPT_WAIT,
        KH_OPT_ON_RUNTIME,
        KH_OPT_HOST_ROOT,
        KH_OPT_OUTPUT,
        KH_OPT_HELP,
        KH_OPT_END,
};

const struct kh_command kh_command_uninstall = {
        .name = "uninstall",
        .arguments = "",
        .summary = "Make every file as it was before install.",
        .details =
                "\nWhat somebody else has changed since stays. So does the hook itself, while a\n"
                "container names it; a later uninstall removes it.\n",
        .options = options,
        .outputs = 1 << KH_OUT_TEXT | 1 << KH_OUT_JSON,
        .run = run,
};
