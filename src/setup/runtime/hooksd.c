/* SPDX-License-Identifier: Apache-2.0 */
/* Runtimes that read hooks from directories: CRI-O and Podman. */
#include "base/cleanup.h"
#include "setup/hook_set.h"
#include "setup/runtime/runtime.h"

#include <stdio.h>

/* Both can be told of it, and a read-only /usr leaves no other. */
#define FALLBACK_DIRECTORY "/etc/containers/oci/hooks.d"

bool kh_hooks_dirs_add(struct kh_hooks_dirs *dirs, struct kh_span path)
{
        if (dirs->n == KH_HOOKS_DIRS_MAX || !(dirs->v[dirs->n] = strndup(path.p, path.n)))
                return false;
        dirs->n++;
        return true;
}

void kh_hooks_dirs_done(struct kh_hooks_dirs *dirs)
{
        for (unsigned i = 0; i < dirs->n; i++)
                free(dirs->v[i]);
        dirs->n = 0;
}

/* containers.conf's way to append to what earlier files say: a last element {append=true}. */
static bool appends(struct kh_span array)
{
        struct kh_span e = { 0 };
        size_t at = 0;

        while (kh_toml_element(array, &at, &e))
                continue;
        return e.n && e.p[0] == '{' && memmem(e.p, e.n, "append", 6) && memmem(e.p, e.n, "true", 4);
}

static bool read_list(struct kh_span array, struct kh_hooks_dirs *dirs)
{
        struct kh_span e;
        size_t at = 0;
        bool good = array.p[0] == '[';

        if (!appends(array))
                kh_hooks_dirs_done(dirs);
        while (good && kh_toml_element(array, &at, &e)) {
                struct kh_text path = { 0 };

                if (e.p[0] != '{')
                        good = kh_toml_string(e, &path) &&
                               kh_hooks_dirs_add(dirs, kh_text_view(&path));
                kh_text_done(&path);
        }
        return good;
}

int kh_hooks_dirs_read(const struct kh_host *root, const char *path, const struct kh_toml_key *key,
        struct kh_hooks_dirs *dirs, struct kh_err *err)
{
        struct kh_text text;
        struct kh_span array;
        const char *error;
        int r = kh_host_read(root, path, &text, err);

        if (r < 0 || !text.p)
                return r;
        if (kh_toml_find(kh_text_view(&text), key, &array, &error)) {
                if (!read_list(array, dirs))
                        r = kh_fail(
                                err, -EBADMSG, "'%s': its hooks_dir is no list of strings", path);
        } else if (error) {
                r = kh_fail(err, -EBADMSG, "'%s' is not TOML that is understood: %s", path, error);
        }
        kh_text_done(&text);
        return r;
}

int kh_hooks_dirs_read_drop_ins(const struct kh_setup *s, const char *directory, const char *except,
        const struct kh_toml_key *key, struct kh_hooks_dirs *dirs, struct kh_err *err)
{
        kh_cleanup(kh_freep) struct kh_names *names = calloc(1, sizeof(*names));
        int r;

        if (!names)
                return kh_fail(err, -ENOMEM, "out of memory");
        r = kh_host_list(&s->root, directory, names, err);
        for (unsigned i = 0; r == 0 && i < names->n; i++) {
                char path[PATH_MAX];

                if (strcmp(names->v[i], except) == 0 ||
                        !kh_span_ends(kh_span_of(names->v[i]), KH_SPAN(".conf")) ||
                        !kh_path_join(path, directory, names->v[i]))
                        continue;
                r = kh_hooks_dirs_read(&s->root, path, key, dirs, err);
        }
        kh_names_done(names);
        return r;
}

/* A list in a configuration takes the place of the earlier ones: so it repeats them. */
void kh_hooks_dirs_print(struct kh_text *ret, const char *section, const struct kh_hooks_dirs *dirs,
        const char *last)
{
        kh_text_printf(ret, "[%s]\nhooks_dir = [", section);
        for (unsigned i = 0; i < dirs->n; i++) {
                if (strcmp(dirs->v[i], last) == 0)
                        continue;
                kh_toml_put_string(ret, kh_span_of(dirs->v[i]));
                kh_text_put(ret, ", ", 2);
        }
        kh_toml_put_string(ret, kh_span_of(last));
        kh_text_put(ret, "]\n", 2);
}

const char *kh_hooks_dirs_choose(const struct kh_setup *s, const struct kh_hooks_dirs *dirs)
{
        for (unsigned i = 0; i < dirs->n; i++) {
                if (kh_host_is_writable(&s->root, dirs->v[i]))
                        return dirs->v[i];
        }
        return FALLBACK_DIRECTORY;
}

static bool is_among(const struct kh_hooks_dirs *dirs, const char *directory)
{
        for (unsigned i = 0; i < dirs->n; i++) {
                if (strcmp(dirs->v[i], directory) == 0)
                        return true;
        }
        return false;
}

/* NULL: it was there before us. */
static const struct kh_record *find_directory(const struct kh_setup *s, const char *path)
{
        char directory[PATH_MAX];

        kh_path_directory(directory, path);
        return kh_journal_find(&s->journal, directory);
}

static int plan_file(struct kh_setup *s, enum kh_owner owner, const char *directory,
        const struct kh_stage_hook *hook, struct kh_plan *plan, struct kh_err *err)
{
        char path[PATH_MAX];
        struct kh_edit *e;

        (void)snprintf(path, sizeof(path), "%s/" KH_HOOK_NAME "-%.*s.json", directory,
                (int)hook->stage.n, hook->stage.p);
        e = kh_plan_edit(s, plan, owner, KH_FORMAT_OWN, path, err);
        if (!e)
                return err->code;
        /* It watches those that it finds when it starts; Podman looks each time. */
        if (owner == KH_OWNER_CRIO)
                e->directory = find_directory(s, e->path);
        kh_text_printf(&e->after,
                "{\n"
                "  \"version\": \"1.0.0\",\n"
                "  \"hook\": %.*s,\n"
                "  \"when\": {\"always\": true},\n"
                "  \"stages\": [\"%.*s\"]\n"
                "}\n",
                (int)hook->hook.n, hook->hook.p, (int)hook->stage.n, hook->stage.p);
        return e->after.failed ? kh_fail(err, -ENOMEM, "out of memory") : 0;
}

static int plan_drop_in(struct kh_setup *s, enum kh_owner owner, const struct kh_hooks_dirs *dirs,
        const char *drop_in, const char *section, struct kh_plan *plan, struct kh_err *err)
{
        struct kh_edit *e = kh_plan_edit(s, plan, owner, KH_FORMAT_LOADED, drop_in, err);

        if (!e)
                return err->code;
        kh_hooks_dirs_print(&e->after, section, dirs, FALLBACK_DIRECTORY);
        return e->after.failed ? kh_fail(err, -ENOMEM, "out of memory") : 0;
}

int kh_plan_hooksd(struct kh_setup *s, enum kh_owner owner, const struct kh_hooks_dirs *dirs,
        const char *drop_in, const char *section, struct kh_plan *plan, struct kh_err *err)
{
        const char *directory = kh_hooks_dirs_choose(s, dirs);
        struct kh_hook_set set;
        int r = kh_hook_set_make(s, &set, err);

        for (unsigned i = 0; r == 0 && i < set.hooks.n; i++)
                r = plan_file(s, owner, directory, &set.hooks.v[i], plan, err);
        kh_hook_set_done(&set);
        if (r == 0 && !is_among(dirs, directory))
                r = plan_drop_in(s, owner, dirs, drop_in, section, plan, err);
        return r;
}
