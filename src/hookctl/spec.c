/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl spec */
#include "hookctl/setup_report.h"
#include "setup/file.h"
#include "setup/hook_set.h"
#include "setup/json_edit.h"
#include "setup/programs.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A runtime refuses a container whose hook is missing: better said now. */
static void warn_of_missing_hook(const struct kh_setup *setup)
{
        char path[PATH_MAX];

        if (kh_path_join(path, setup->bin_dir, KH_HOOK_NAME) && access(path, X_OK) < 0)
                (void)kh_report(KH_EXIT_OK,
                        "warning: '%s': %s; containers do not start until it is there: install it, "
                        "or name its directory with --bin-dir",
                        path, kh_strerror(-errno));
}

/* The text of FILE as it shall be. */
static int edit(struct kh_setup *setup, bool add, const struct kh_text *text, struct kh_text *ret,
        struct kh_err *err)
{
        struct kh_hook_set set;
        int r;

        if (!add)
                return kh_json_strip_hooks(kh_text_view(text), ret, err);
        r = kh_programs_find_directory(setup, err);
        if (r == 0)
                r = kh_hook_set_make(setup, &set, err);
        if (r < 0)
                return r;
        r = kh_json_set_hooks(kh_text_view(text), &set.hooks, ret, err);
        kh_hook_set_done(&set);
        if (r == 0)
                warn_of_missing_hook(setup);
        return r;
}

static int edit_file(const struct kh_settings *s, struct kh_setup *setup, bool add,
        const char *file, struct kh_err *err)
{
        struct kh_text text = { 0 }, edited = { 0 };
        struct kh_err why;
        char *path = realpath(file, NULL);
        int r = path ? kh_host_read(&setup->root, path, &text, err)
                     : kh_fail(err, -errno, "'%s': %s", file, kh_strerror(errno));

        if (r == 0) {
                r = edit(setup, add, &text, &edited, &why);
                if (r < 0)
                        kh_fail(err, r, "'%s': %s", file, why.msg);
        }
        if (r == 0 && s->dry_run)
                kh_print_change(path, &text, &edited);
        else if (r == 0 && !kh_text_eq(&text, &edited))
                r = kh_file_set(&setup->root, path, kh_text_view(&edited), 0644, &text, err);
        kh_text_done(&text);
        kh_text_done(&edited);
        free(path);
        return r;
}

static enum kh_exit run(const struct kh_settings *s, int argc, char **argv)
{
        struct kh_err err = { 0 };
        struct kh_setup setup = { .options = s->setup };
        bool add;
        int r;

        if (argc < 2 || (strcmp(argv[0], "add-hooks") != 0 && strcmp(argv[0], "remove-hooks") != 0))
                return kh_report(KH_EXIT_USAGE,
                        "'add-hooks FILE' or 'remove-hooks FILE' is needed; see --help");
        add = strcmp(argv[0], "add-hooks") == 0;
        r = kh_host_open(&setup.root, NULL, &err);
        if (r == 0) {
                /* a bundle is anybody's: who may not read the journal does without it */
                (void)kh_journal_open(&setup.journal, &setup.root, NULL);
                r = edit_file(s, &setup, add, argv[1], &err);
                kh_journal_close(&setup.journal);
                kh_host_close(&setup.root);
        }
        return r < 0 ? kh_report_setup(&err) : KH_EXIT_OK;
}

static const enum kh_option_id options[] = {
        KH_OPT_DRY_RUN,
        KH_OPT_BIN_DIR,
        KH_OPT_STAGES,
        KH_OPT_HOOK_SOCKET,
        KH_OPT_HOOK_SPOOL,
        KH_OPT_HOOK_TIMEOUT,
        KH_OPT_HOOK_LOG,
        KH_OPT_FAIL_CLOSED,
        KH_OPT_EXEMPT_NAMESPACE,
        KH_OPT_LISTENER_COMMAND,
        KH_OPT_STATE_ROOT,
        KH_OPT_DENY_RUNTIME_SOCKETS,
        KH_OPT_HELP,
        KH_OPT_END,
};

const struct kh_command kh_command_spec = {
        .name = "spec",
        .arguments = "add-hooks|remove-hooks FILE",
        .summary = "Put the hook into an OCI configuration, or take it out.",
        .details = "\nFILE is a bundle's config.json, for runc and crun by themselves. Every byte\n"
                   "not the hook's stays as it is.\n",
        .options = options,
        .max_arguments = 2,
        .run = run,
};
