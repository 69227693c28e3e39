/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/runtime/rootless.h"

#include "base/cleanup.h"
#include "base/number.h"

#include <stdio.h>

#define CONFIGURATION "/.config/containers"
#define DROP_IN       "99-kubearmor-hook.conf"

struct user {
        const char *name;
        struct kh_identity identity;
        char home[PATH_MAX]; /* resolved */
};

/* The Nth field of a line of passwd(5). */
static struct kh_span field(struct kh_span line, unsigned n)
{
        for (; n && line.n; n--) {
                const char *colon = memchr(line.p, ':', line.n);

                line = kh_span_from(line, colon ? (size_t)(colon - line.p) + 1 : line.n);
        }
        for (size_t i = 0; i < line.n; i++) {
                if (line.p[i] == ':')
                        line.n = i;
        }
        return line;
}

static bool read_line(struct kh_span line, struct user *ret, char *ret_home)
{
        uint64_t uid, gid;
        struct kh_span home = field(line, 5);

        if (!kh_span_eq(field(line, 0), kh_span_of(ret->name)) ||
                !kh_parse_u64(field(line, 2), UINT32_MAX, &uid) ||
                !kh_parse_u64(field(line, 3), UINT32_MAX, &gid) || uid == 0 || home.n >= PATH_MAX)
                return false;
        ret->identity = (struct kh_identity){ (uid_t)uid, (gid_t)gid };
        (void)snprintf(ret_home, PATH_MAX, "%.*s", (int)home.n, home.p);
        return true;
}

/* By the node's own file: its users are not this process's when the node is mounted somewhere. */
static int find_user(const struct kh_setup *s, struct user *ret, struct kh_err *err)
{
        char home[PATH_MAX];
        struct kh_text passwd;
        bool found = false;
        int r = kh_host_read(&s->root, "/etc/passwd", &passwd, err);

        for (size_t at = 0, n; r == 0 && !found && at < passwd.n; at += n + 1) {
                n = strcspn(passwd.p + at, "\n");
                found = read_line((struct kh_span){ passwd.p + at, n }, ret, home);
        }
        kh_text_done(&passwd);
        if (r == 0 && !found)
                r = kh_fail(err, -ENOENT, "--rootless: '/etc/passwd' has no user '%.80s' but root",
                        ret->name);
        return r < 0 ? r : kh_host_resolve(&s->root, home, ret->home, err);
}

/* As Podman reads them: the user's own files take the place of the node's. */
static int read_own(const struct kh_setup *s, const struct user *user, struct kh_hooks_dirs *dirs,
        struct kh_err *err)
{
        const struct kh_toml_key key = KH_TOML_KEY("engine", "hooks_dir");
        char path[2 * PATH_MAX];
        int r;

        (void)snprintf(path, sizeof(path), "%s" CONFIGURATION "/containers.conf", user->home);
        r = kh_hooks_dirs_read(&s->root, path, &key, dirs, err);
        (void)snprintf(path, sizeof(path), "%s" CONFIGURATION "/containers.conf.d", user->home);
        return r < 0 ? r : kh_hooks_dirs_read_drop_ins(s, path, DROP_IN, &key, dirs, err);
}

static void note(const struct user *user, struct kh_plan *plan)
{
        kh_text_printf(&plan->notes,
                "containers of user '%s' call the hook with his rights: they are announced once "
                "kubearmor-hookd runs with --socket-mode 0666 --allow-uid %u; nothing waits in the "
                "spool for it, and with --fail-closed they are refused until then\n",
                user->name, user->identity.uid);
}

static int plan_user(struct kh_setup *s, const struct user *user, const struct kh_hooks_dirs *dirs,
        const char *directory, struct kh_plan *plan, struct kh_err *err)
{
        char path[2 * PATH_MAX];
        struct kh_edit *e;

        (void)snprintf(
                path, sizeof(path), "%s" CONFIGURATION "/containers.conf.d/" DROP_IN, user->home);
        e = kh_plan_edit(s, plan, KH_OWNER_PODMAN, KH_FORMAT_OWN, path, err);
        if (!e)
                return err->code;
        e->who = user->identity;
        kh_hooks_dirs_print(&e->after, "engine", dirs, directory);
        note(user, plan);
        return e->after.failed ? kh_fail(err, -ENOMEM, "out of memory") : 0;
}

int kh_plan_rootless(struct kh_setup *s, const struct kh_hooks_dirs *system, const char *directory,
        struct kh_plan *plan, struct kh_err *err)
{
        int r = 0;

        for (unsigned i = 0; r == 0 && i < s->options.n_rootless; i++) {
                struct user user = { .name = s->options.rootless[i] };
                struct kh_hooks_dirs dirs = { .n = 0 };

                for (unsigned j = 0; j < system->n && r == 0; j++)
                        r = kh_hooks_dirs_add(&dirs, kh_span_of(system->v[j])) ? 0 : -ENOMEM;
                if (r < 0)
                        (void)kh_fail(err, r, "out of memory");
                if (r == 0)
                        r = find_user(s, &user, err);
                if (r == 0)
                        r = read_own(s, &user, &dirs, err);
                if (r == 0)
                        r = plan_user(s, &user, &dirs, directory, plan, err);
                kh_hooks_dirs_done(&dirs);
        }
        return r;
}
