/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/probe.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "setup/command.h"
#include "setup/file.h"

#include <fcntl.h>
#include <stdio.h>

#define DEFAULT_SOCKET "/run/kubearmor/ka.sock"

/* The bundle of a container that is not: what the hook reads of it must be there. */
#define BUNDLE "/run/kubearmor-verify"

const char *kh_probe_socket(const struct kh_setup *s)
{
        const char *path = DEFAULT_SOCKET;

        for (unsigned i = 0; i < s->options.n_arguments; i++) {
                if (strcmp(s->options.arguments[i].option, "--socket") == 0)
                        path = s->options.arguments[i].value;
        }
        return path;
}

static int write_bundle(struct kh_setup *s, struct kh_err *err)
{
        const struct kh_span config = KH_SPAN("{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":"
                                              "[\"kubearmor-hookctl\",\"verify\"],\"cwd\":\"/\"},"
                                              "\"root\":{\"path\":\"/\"}}\n");
        const char *name;
        int dir = kh_host_open_parent(&s->root, BUNDLE, &name);

        if (dir < 0 || (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)) {
                int code = dir < 0 ? dir : -errno;

                kh_close(dir);
                return kh_fail(err, code, "make '%s': %s", BUNDLE, kh_strerror(code));
        }
        kh_close(dir);
        return kh_file_set(&s->root, BUNDLE "/config.json", config, 0600, NULL, err);
}

static void remove_bundle(struct kh_setup *s)
{
        const char *name;
        int dir;

        (void)kh_file_set(&s->root, BUNDLE "/config.json", (struct kh_span){ 0 }, 0, NULL, NULL);
        dir = kh_host_open_parent(&s->root, BUNDLE, &name);
        if (dir >= 0)
                (void)unlinkat(dir, name, AT_REMOVEDIR);
        kh_close(dir);
}

/* Told to refuse what it cannot announce, the hook tells by its exit status whether it could. */
static int run_hook(struct kh_setup *s, struct kh_span state, struct kh_err *err)
{
        const char *argv[2 * KH_HOOK_ARGUMENTS_MAX + 8];
        char path[PATH_MAX];
        struct kh_text said = { 0 };
        unsigned n = 0;
        int r;

        (void)kh_path_join(path, s->bin_dir, KH_HOOK_NAME);
        argv[n++] = path;
        for (unsigned i = 0; i < s->options.n_arguments; i++) {
                argv[n++] = s->options.arguments[i].option;
                if (s->options.arguments[i].value)
                        argv[n++] = s->options.arguments[i].value;
        }
        argv[n++] = "--stage";
        argv[n++] = "createRuntime";
        argv[n++] = "--test";
        argv[n++] = "--fail-closed";
        argv[n] = NULL;
        r = kh_command_run(
                &s->root, argv, state, kh_boottime_ns() + KH_COMMAND_NS, NULL, &said, err);
        if (r > 0) {
                const char *text = said.p ? said.p : "", *why = strstr(text, "): ");

                text = why ? why + 3 : text;
                r = kh_fail(err, -ECOMM, "%.*s", (int)strcspn(text, ";\n"), text);
        }
        kh_text_done(&said);
        return r;
}

int kh_probe(struct kh_setup *s, struct kh_err *err)
{
        struct kh_text state = { 0 };
        int r = write_bundle(s, err);

        kh_text_printf(&state,
                "{\"ociVersion\":\"1.0.2\",\"id\":\"kubearmor-verify\",\"status\":\"creating\","
                "\"pid\":%d,\"bundle\":\"" BUNDLE "\"}\n",
                getpid());
        if (r == 0)
                r = run_hook(s, kh_text_view(&state), err);
        remove_bundle(s);
        kh_text_done(&state);
        return r;
}
