/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker has no hooks of its own: it is given a runtime that puts them into each bundle and then
 * becomes the one that it had. dockerd reads its runtimes anew at a SIGHUP.
 */
#include "base/cleanup.h"
#include "setup/command.h"
#include "setup/detect.h"
#include "setup/hook_set.h"
#include "setup/json_edit.h"
#include "setup/programs.h"
#include "setup/runtime/runtime.h"
#include "json/reader.h"
#include "json/writer.h"

#include <errno.h>
#include <stdio.h>

/* The wrapper's options: hooks, and a path. */
enum { OPTIONS_MAX = 512 * 1024 };

/* A JSON string's text; "" when it is none. */
static void read_string(struct kh_span json, char *ret)
{
        struct kh_text copy = kh_text_of(json);
        struct kh_json j = kh_json_of(copy.p, copy.n);
        struct kh_span s = { 0 };

        *ret = '\0';
        if (copy.p && kh_json_name(&j, &s) && s.n < PATH_MAX)
                (void)snprintf(ret, PATH_MAX, "%.*s", (int)s.n, s.p);
        kh_text_done(&copy);
}

/* What the daemon's default runtime is without us: what the wrapper has to call. */
static int find_runtime(
        const struct kh_setup *s, struct kh_span config, char *ret, struct kh_err *err)
{
        const struct kh_member_path fallback = KH_MEMBER(KH_SPAN("default-runtime"));
        char name[PATH_MAX];
        struct kh_member_path path = KH_MEMBER(KH_SPAN("runtimes"), { name, 0 }, KH_SPAN("path"));
        struct kh_span value;

        *ret = '\0';
        if (s->options.runtime_path) {
                (void)snprintf(ret, PATH_MAX, "%s", s->options.runtime_path);
                return 0;
        }
        if (kh_json_get(config, &fallback, &value, err) < 0)
                return err->code;
        read_string(value, name);
        path.key[1].n = strlen(name);
        if (*name && kh_json_get(config, &path, &value, NULL) == 0)
                read_string(value, ret);
        if (*name && !*ret && strcmp(name, "runc") != 0)
                return kh_fail(err, -EOPNOTSUPP,
                        "its default runtime '%.60s' has no path: name what the wrapper shall call "
                        "with --runtime-path",
                        name);
        if (*ret == '/' || kh_command_find(&s->root, *ret ? ret : "runc", ret))
                return 0;
        return kh_fail(err, -ENOENT, "there is no runc for the wrapper to call: --runtime-path");
}

static void put_hooks(struct kh_buf *b, const struct kh_stage_hooks *hooks)
{
        kh_json_put_key(b, KH_SPAN("hooks"));
        kh_json_open(b, '{');
        for (unsigned i = 0; i < hooks->n; i++) {
                kh_json_put_key(b, hooks->v[i].stage);
                kh_json_open(b, '[');
                kh_buf_span(b, hooks->v[i].hook);
                kh_json_close(b, ']');
        }
        kh_json_close(b, '}');
}

/* Read at each start of a container. */
static int fill_options(
        const struct kh_setup *s, const char *runtime, struct kh_edit *e, struct kh_err *err)
{
        struct kh_hook_set set;
        struct kh_buf b;
        int r = kh_hook_set_make(s, &set, err);

        if (r < 0)
                return r;
        b = kh_buf_of(kh_text_reserve(&e->after, OPTIONS_MAX), OPTIONS_MAX);
        if (b.p) {
                kh_json_open(&b, '{');
                kh_json_put_str_member(&b, KH_SPAN("runtime"), kh_span_of(runtime));
                put_hooks(&b, &set.hooks);
                kh_json_close(&b, '}');
                kh_buf_char(&b, '\n');
                e->after.n += b.len;
                e->after.p[e->after.n] = '\0';
        }
        kh_hook_set_done(&set);
        return !b.p || b.over ? kh_fail(err, -ENOMEM, "the wrapper's options are too long") : 0;
}

static int set_runtime(
        const struct kh_setup *s, struct kh_span base, struct kh_text *ret, struct kh_err *err)
{
        const struct kh_member_path path =
                KH_MEMBER(KH_SPAN("runtimes"), KH_SPAN(KH_DOCKER_RUNTIME));
        const struct kh_member_path fallback = KH_MEMBER(KH_SPAN("default-runtime"));
        char value[2 * PATH_MAX];
        struct kh_buf b = kh_buf_of(value, sizeof(value));
        struct kh_text edited = { 0 };
        int r;

        kh_buf_lit(&b, "{\"path\": \"");
        kh_json_put_text(&b, kh_span_of(s->bin_dir));
        kh_buf_lit(&b, "/" KH_WRAPPER_NAME "\"}");
        r = kh_json_set(base, &path, kh_buf_view(&b), &edited, err);
        if (r == 0 && s->options.docker_default) {
                r = kh_json_set(kh_text_view(&edited), &fallback,
                        KH_SPAN("\"" KH_DOCKER_RUNTIME "\""), ret, err);
        } else if (r == 0) {
                *ret = kh_text_take(&edited);
        }
        kh_text_done(&edited);
        return r;
}

int kh_plan_docker(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan, struct kh_err *err)
{
        char runtime[PATH_MAX], path[PATH_MAX];
        struct kh_edit *options, *config;
        int r;

        (void)kh_path_join(path, s->bin_dir, KH_WRAPPER_NAME ".json");
        options = kh_plan_edit(s, plan, i->owner, KH_FORMAT_WRAPPER, path, err);
        config = options ? kh_plan_edit(s, plan, i->owner, KH_FORMAT_DOCKER, i->config, err) : NULL;
        if (!config)
                return err->code;
        r = find_runtime(s, kh_text_view(&config->base), runtime, err);
        if (r == 0)
                r = fill_options(s, runtime, options, err);
        if (r == 0)
                r = set_runtime(s, kh_text_view(&config->base), &config->after, err);
        if (r == 0 && !s->options.docker_default)
                kh_text_printf(&plan->notes,
                        "containers call the hook that are run with --runtime " KH_DOCKER_RUNTIME
                        "; for all of them, install with --docker-default\n");
        return r;
}

/* Our runtime, as the wrapper where TEXT has it so and otherwise as runc, behind a script. */
static int set_script(struct kh_span text, struct kh_text *ret, struct kh_err *err)
{
        const struct kh_member_path runtime =
                KH_MEMBER(KH_SPAN("runtimes"), KH_SPAN(KH_DOCKER_RUNTIME));
        const struct kh_member_path arguments =
                KH_MEMBER(KH_SPAN("runtimes"), KH_SPAN(KH_DOCKER_RUNTIME), KH_SPAN("runtimeArgs"));
        struct kh_span present;
        int r = kh_json_get(text, &runtime, &present, err);

        if (r < 0)
                return r;
        return present.p ? kh_json_set(text, &arguments, KH_SPAN("[\"\"]"), ret, err)
                         : kh_json_set(text, &runtime,
                                   KH_SPAN("{\"path\": \"runc\", \"runtimeArgs\": [\"\"]}"), ret,
                                   err);
}

int kh_docker_let_go(struct kh_span text, struct kh_text *ret_naming, struct kh_text *ret_silent,
        struct kh_err *err)
{
        const struct kh_member_path fallback = KH_MEMBER(KH_SPAN("default-runtime"));
        const struct kh_member_path runtimes = KH_MEMBER(KH_SPAN("runtimes"));
        struct kh_text edited = { 0 };
        struct kh_span present;
        int r = kh_json_get(text, &fallback, &present, err);

        if (r == 0)
                r = kh_json_set(
                        text, &fallback, present.p ? present : KH_SPAN("\"runc\""), &edited, err);
        if (r == 0)
                r = set_script(kh_text_view(&edited), ret_naming, err);
        if (r == 0)
                r = kh_json_remove(kh_text_view(ret_naming), &runtimes, ret_silent, err);
        kh_text_done(&edited);
        return r < 0 ? r : 0;
}

/* NULL: there is none, though its containers may be. */
static const struct kh_instance *find_instance(const struct kh_setup *s)
{
        for (unsigned i = 0; i < s->n_instances; i++) {
                if (s->instances[i].owner == KH_OWNER_DOCKER)
                        return &s->instances[i];
        }
        return NULL;
}

/* PART of the directory that dockerd keeps its state in, as its command line or its file says. */
static void data_path(const struct kh_setup *s, const char *part, char *ret)
{
        const struct kh_member_path path = KH_MEMBER(KH_SPAN("data-root"));
        const struct kh_instance *i = find_instance(s);
        const char *given = i ? kh_daemon_option(i, "data-root", 0) : NULL;
        char named[PATH_MAX] = "";
        struct kh_text config = { 0 };
        struct kh_span value;

        if (!given &&
                kh_host_read(&s->root, i ? i->config : "/etc/docker/daemon.json", &config, NULL) ==
                        0 &&
                kh_json_get(kh_text_view(&config), &path, &value, NULL) == 0)
                read_string(value, named);
        kh_text_done(&config);
        if (!given || *given != '/')
                given = *named == '/' ? named : "/var/lib/docker";
        (void)kh_path_join(ret, given, part);
}

static bool is_later(const struct timespec *time, const struct timespec *than)
{
        return time->tv_sec != than->tv_sec ? time->tv_sec > than->tv_sec
                                            : time->tv_nsec > than->tv_nsec;
}

struct kh_docker_script kh_docker_find_script(const struct kh_setup *s)
{
        kh_cleanup(kh_freep) struct kh_names *names = malloc(sizeof(*names));
        struct kh_docker_script latest = { .is_at_once = false };
        char directory[PATH_MAX], path[PATH_MAX];
        struct stat st;

        data_path(s, "runtimes", directory);
        if (!names || kh_host_list(&s->root, directory, names, NULL) < 0)
                return latest;
        for (unsigned n = 0; n < names->n; n++) {
                bool is_whole = strcmp(names->v[n], KH_DOCKER_RUNTIME) == 0;

                if ((!is_whole && !kh_span_starts(kh_span_of(names->v[n]),
                                          KH_SPAN(KH_DOCKER_RUNTIME "."))) ||
                        !kh_path_join(path, directory, names->v[n]) ||
                        kh_host_stat(&s->root, path, &st) < 0 ||
                        !is_later(&st.st_ctim, &latest.written))
                        continue;
                latest = (struct kh_docker_script){ st.st_ctim, is_whole };
        }
        kh_names_done(names);
        return latest;
}

bool kh_docker_is_rewritten(const struct kh_setup *s, const struct kh_docker_script *before)
{
        struct kh_docker_script now = kh_docker_find_script(s);

        return is_later(&now.written, &before->written);
}

static bool is_since(const struct kh_setup *s, const char *path, const struct timespec *time)
{
        struct stat st;

        return kh_host_stat(&s->root, path, &st) == 0 && is_later(&st.st_ctim, time);
}

/* What cannot be read may be. */
static bool is_made_by_us(const struct kh_setup *s, const char *hostconfig)
{
        static const struct kh_span ours = KH_SPAN("\"Runtime\":\"" KH_DOCKER_RUNTIME "\"");
        struct kh_text text;
        int r = kh_host_read(&s->root, hostconfig, &text, NULL);
        bool is = text.p && memmem(text.p, text.n, ours.p, ours.n);

        kh_text_done(&text);
        return is || (r < 0 && r != -ENOTDIR);
}

/* Whether there is a container of our runtime; one that was made since, unless SINCE is NULL. */
static bool has_container(const struct kh_setup *s, const struct timespec *since)
{
        kh_cleanup(kh_freep) struct kh_names *names = malloc(sizeof(*names));
        char directory[PATH_MAX], path[PATH_MAX + NAME_MAX + sizeof("//hostconfig.json")];
        bool found = false;

        data_path(s, "containers", directory);
        if (!names || kh_host_list(&s->root, directory, names, NULL) < 0)
                return !since;
        for (unsigned n = 0; !found && n < names->n; n++) {
                (void)snprintf(path, sizeof(path), "%s/%s/hostconfig.json", directory, names->v[n]);
                found = (!since || is_since(s, path, since)) && is_made_by_us(s, path);
        }
        kh_names_done(names);
        return found;
}

bool kh_docker_has_containers(const struct kh_setup *s)
{
        return has_container(s, NULL);
}

bool kh_docker_shows_reading(const struct kh_setup *s, const struct kh_instance *i)
{
        char runtimes[PATH_MAX], asked[PATH_MAX];
        struct stat config;

        if (kh_host_stat(&s->root, i->config, &config) < 0)
                return false;
        data_path(s, "runtimes", runtimes);
        return is_since(s, runtimes, &config.st_ctim) ||
               (kh_path_join(asked, s->bin_dir, KH_WRAPPER_NAME KH_ASKED_SUFFIX) &&
                       is_since(s, asked, &config.st_ctim)) ||
               has_container(s, &config.st_ctim);
}
