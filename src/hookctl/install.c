/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl install */
#include "hookctl/install.h"

#include "setup/detect.h"
#include "setup/reload.h"
#include "json/writer.h"

#include <errno.h>
#include <stdio.h>

/* Has those read the change that wait for it. */
static enum kh_exit reload_waiting(struct kh_setup *setup, const struct kh_views *views, FILE *talk)
{
        enum kh_exit code = KH_EXIT_OK;
        struct kh_err err;

        for (unsigned i = 0; i < views->n; i++) {
                const struct kh_view *v = &views->v[i];
                const char *name = kh_owner_name[v->instance->owner];

                if (v->state != KH_STATE_WAITING)
                        continue;
                if (kh_reload(setup, v->instance, &err) < 0)
                        code = kh_report(KH_EXIT_FAILURE, "%s: %s", name, err.msg);
                else
                        (void)fprintf(talk, "%s: has read the change\n", name);
        }
        return code;
}

static void say_left_to_do(const struct kh_view *v, const char *how, FILE *f)
{
        struct kh_text command = { 0 };

        kh_reload_command(v->instance, &command);
        (void)fprintf(f, "%s: %s: %s (%s)\n", kh_owner_name[v->instance->owner], how,
                command.p ? command.p : "", kh_runtimes[v->instance->owner].why);
        kh_text_done(&command);
}

static void put_left_to_do(struct kh_buf *b, const struct kh_view *v)
{
        struct kh_text command = { 0 };

        kh_reload_command(v->instance, &command);
        kh_json_put_str_member(b, KH_SPAN("leftToDo"), kh_text_view(&command));
        kh_json_put_str_member(
                b, KH_SPAN("because"), kh_span_of(kh_runtimes[v->instance->owner].why));
        kh_text_done(&command);
}

/* What is there now, and what is left to do. */
static enum kh_exit print_result(const struct kh_settings *s, const struct kh_views *views)
{
        struct kh_buf b = kh_json_room();
        bool is_json = s->output == KH_OUT_JSON;
        enum kh_exit code = KH_EXIT_OK;

        if (!is_json)
                kh_print_views(s, views);
        kh_json_open(&b, '[');
        for (unsigned i = 0; i < views->n; i++) {
                const struct kh_view *v = &views->v[i];

                kh_put_view(&b, v);
                if (v->state == KH_STATE_WAITING)
                        put_left_to_do(&b, v);
                kh_json_close(&b, '}');
                if (v->state == KH_STATE_WAITING)
                        say_left_to_do(v, "left to do", is_json ? stderr : stdout);
                if (v->state == KH_STATE_REFUSED || v->state == KH_STATE_BROKEN)
                        code = KH_EXIT_FAILURE;
        }
        kh_json_close(&b, ']');
        return is_json && kh_print_json(&b) != KH_EXIT_OK ? KH_EXIT_FAILURE : code;
}

static void put_dry_run(struct kh_buf *b, const struct kh_views *views)
{
        kh_json_open(b, '[');
        for (unsigned i = 0; i < views->n; i++) {
                const struct kh_view *v = &views->v[i];

                kh_put_view(b, v);
                kh_put_files(b, &v->plan);
                if (kh_needs_reload(v->instance, &v->plan))
                        put_left_to_do(b, v);
                kh_json_close(b, '}');
        }
        kh_json_close(b, ']');
}

static enum kh_exit print_dry_run(
        const struct kh_settings *s, struct kh_setup *setup, const struct kh_views *views)
{
        struct kh_buf b = kh_json_room();
        struct kh_plan plan = { 0 };
        enum kh_exit code = KH_EXIT_OK;
        struct kh_err err;

        for (unsigned i = 0; i < views->n; i++) {
                if (views->v[i].state == KH_STATE_REFUSED)
                        code = KH_EXIT_FAILURE;
        }
        if (s->output == KH_OUT_JSON) {
                put_dry_run(&b, views);
                return kh_print_json(&b) == KH_EXIT_OK ? code : KH_EXIT_FAILURE;
        }
        if (kh_plan_views(setup, views, &plan, &err) < 0)
                code = kh_report_setup(&err);
        else
                kh_print_diff(&plan);
        kh_plan_done(&plan);
        for (unsigned i = 0; i < views->n; i++) {
                const struct kh_view *v = &views->v[i];

                kh_print_view_notes(v, stderr);
                if (kh_needs_reload(v->instance, &v->plan))
                        say_left_to_do(v, "would be left to do", stderr);
        }
        return code;
}

static enum kh_exit install(const struct kh_settings *s, struct kh_setup *setup)
{
        static struct kh_views views;
        enum kh_exit code = KH_EXIT_OK, shown;
        struct kh_err err = { 0 };

        kh_survey(setup, &views);
        if (views.n == 0)
                return kh_report(KH_EXIT_NOT_FOUND, "there is no such container runtime here");
        if (s->dry_run) {
                code = print_dry_run(s, setup, &views);
                kh_views_done(&views);
                return code;
        }
        if (kh_install(setup, &views, &err) < 0) {
                for (unsigned i = 0; i < views.n; i++) {
                        if (!kh_has_plan(&views.v[i]))
                                kh_print_view_notes(&views.v[i], stderr);
                }
                kh_views_done(&views);
                return kh_report_setup(&err);
        }
        kh_views_done(&views);
        kh_survey(setup, &views);
        if (s->restart) {
                code = reload_waiting(setup, &views, s->output == KH_OUT_JSON ? stderr : stdout);
                kh_views_done(&views);
                kh_detect(setup);
                kh_survey(setup, &views);
        }
        shown = print_result(s, &views);
        kh_views_done(&views);
        return code == KH_EXIT_OK ? shown : code;
}

enum kh_exit kh_run_install(const struct kh_settings *s, bool recorded_only)
{
        static struct kh_setup setup;
        struct kh_text kept = { 0 };
        struct kh_err err;
        enum kh_exit code;

        if (!kh_open_setup(&setup, s, !s->dry_run, &code))
                return code;
        if (!s->defaults && kh_setup_recall(&setup, &kept, &err) < 0) {
                code = kh_report_setup(&err);
        } else if (recorded_only && kh_recorded_owners(&setup) == 0) {
                code = kh_report(KH_EXIT_NOT_FOUND,
                        "nothing is set up here: see 'kubearmor-hookctl install'");
        } else {
                if (recorded_only)
                        kh_setup_narrow(&setup, kh_recorded_owners(&setup));
                else if (kept.p)
                        (void)fprintf(
                                stderr, "as installed before:%s (--defaults forgets it)\n", kept.p);
                code = install(s, &setup);
        }
        kh_text_done(&kept);
        kh_setup_close(&setup);
        return code;
}

static enum kh_exit run(const struct kh_settings *s, int argc, char **argv)
{
        (void)argc;
        (void)argv;
        return kh_run_install(s, false);
}

static const enum kh_option_id options[] = {
        KH_OPT_DRY_RUN,
        KH_OPT_RESTART,
        KH_OPT_ON_RUNTIME,
        KH_OPT_HOST_ROOT,
        KH_OPT_BIN_DIR,
        KH_OPT_SOURCE_DIR,
        KH_OPT_STAGES,
        KH_OPT_ROOTLESS,
        KH_OPT_DOCKER_DEFAULT,
        KH_OPT_RUNTIME_PATH,
        KH_OPT_HOOK_SOCKET,
        KH_OPT_HOOK_SPOOL,
        KH_OPT_HOOK_TIMEOUT,
        KH_OPT_HOOK_LOG,
        KH_OPT_FAIL_CLOSED,
        KH_OPT_EXEMPT_NAMESPACE,
        KH_OPT_LISTENER_COMMAND,
        KH_OPT_STATE_ROOT,
        KH_OPT_DENY_RUNTIME_SOCKETS,
        KH_OPT_DEFAULTS,
        KH_OPT_OUTPUT,
        KH_OPT_NO_HEADERS,
        KH_OPT_HELP,
        KH_OPT_END,
};

const struct kh_command kh_command_install = {
        .name = "install",
        .arguments = "",
        .summary = "Have the container runtimes of this node call the hook.",
        .details =
                "\nRestarts nothing unless --restart is given, and says what is left to do. Done\n"
                "again it changes the options that are given, and keeps the others.\n",
        .options = options,
        .outputs = 1 << KH_OUT_TABLE | 1 << KH_OUT_JSON,
        .run = run,
};
