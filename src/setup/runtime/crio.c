/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRI-O watches the directories that it finds at its start: what appears there holds for the next
 * container. It reads its configuration at its start only.
 */
#include "base/cleanup.h"
#include "setup/detect.h"
#include "setup/runtime/runtime.h"

#include <stdio.h>

#define DROP_INS "/etc/crio/crio.conf.d"
#define DROP_IN  DROP_INS "/99-kubearmor-hook.conf"

/* Directories within the directory of drop-ins, which CRI-O walks through. */
enum { DEPTH_MAX = 8 };

/* Every file counts, whatever its name. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static int read_drop_ins(const struct kh_setup *s, const char *directory, int depth,
        const struct kh_toml_key *key, struct kh_hooks_dirs *dirs, struct kh_err *err)
{
        kh_cleanup(kh_freep) struct kh_names *names = malloc(sizeof(*names));
        int r = names ? kh_host_list(&s->root, directory, names, err) : -ENOMEM;

        if (r < 0)
                return r;
        for (unsigned i = 0; r == 0 && i < names->n; i++) {
                char path[PATH_MAX];
                struct stat st;

                if (!kh_path_join(path, directory, names->v[i]) || strcmp(path, DROP_IN) == 0 ||
                        kh_host_stat(&s->root, path, &st) < 0)
                        continue;
                if (!S_ISDIR(st.st_mode))
                        r = kh_hooks_dirs_read(&s->root, path, key, dirs, err);
                else if (depth < DEPTH_MAX)
                        r = read_drop_ins(s, path, depth + 1, key, dirs, err);
        }
        kh_names_done(names);
        return r;
}

static int read_configuration(const struct kh_setup *s, const struct kh_instance *i,
        struct kh_hooks_dirs *dirs, struct kh_err *err)
{
        const struct kh_toml_key key = KH_TOML_KEY("crio", "runtime", "hooks_dir");
        const char *given = kh_daemon_option(i, "hooks-dir", 0);
        const char *drop_ins = kh_daemon_option(i, "config-dir", 'd');
        int r;

        if (!kh_hooks_dirs_add(
                    dirs, given ? kh_span_of(given) : KH_SPAN("/usr/share/containers/oci/hooks.d")))
                return kh_fail(err, -ENOMEM, "out of memory");
        if (given)
                return 0;
        r = kh_hooks_dirs_read(&s->root, i->config, &key, dirs, err);
        return r < 0 ? r
                     : read_drop_ins(s, drop_ins && *drop_ins == '/' ? drop_ins : DROP_INS, 0, &key,
                               dirs, err);
}

int kh_plan_crio(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan, struct kh_err *err)
{
        struct kh_hooks_dirs dirs = { .n = 0 };
        int r = read_configuration(s, i, &dirs, err);

        if (r == 0)
                r = kh_plan_hooksd(s, i->owner, &dirs, DROP_IN, "crio.runtime", plan, err);
        kh_hooks_dirs_done(&dirs);
        return r;
}
