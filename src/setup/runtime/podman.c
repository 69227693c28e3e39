/* SPDX-License-Identifier: Apache-2.0 */
/* Podman reads its directories at each start of a container, so nothing is to be restarted. */
#include "base/cleanup.h"
#include "setup/runtime/runtime.h"

#include <stdio.h>

#define DROP_INS "/etc/containers/containers.conf.d"
#define DROP_IN  DROP_INS "/99-kubearmor-hook.conf"

static int read_drop_ins(const struct kh_setup *s, const struct kh_toml_key *key,
        struct kh_hooks_dirs *dirs, struct kh_err *err)
{
        kh_cleanup(kh_freep) struct kh_names *names = malloc(sizeof(*names));
        int r = names ? kh_host_list(&s->root, DROP_INS, names, err) : -ENOMEM;

        if (r < 0)
                return r;
        for (unsigned i = 0; r == 0 && i < names->n; i++) {
                char path[PATH_MAX];

                /* our own adds to what is asked for here */
                if (!kh_path_join(path, DROP_INS, names->v[i]) || strcmp(path, DROP_IN) == 0 ||
                        !kh_span_ends(kh_span_of(path), KH_SPAN(".conf")))
                        continue;
                r = kh_hooks_dirs_read(&s->root, path, key, dirs, err);
        }
        kh_names_done(names);
        return r;
}

/*
 * As Podman itself does: the variable takes the place of all files. Without any of them it reads
 * one directory; its older versions read a second, where ours are not needed then.
 */
static int read_configuration(
        const struct kh_setup *s, struct kh_hooks_dirs *dirs, struct kh_err *err)
{
        const struct kh_toml_key key = KH_TOML_KEY("engine", "hooks_dir");
        const char *variable = s->root.is_own ? getenv("CONTAINERS_CONF") : NULL;
        int r = 0;

        if (!kh_hooks_dirs_add(dirs, KH_SPAN("/usr/share/containers/oci/hooks.d")))
                return kh_fail(err, -ENOMEM, "out of memory");
        if (variable && *variable)
                return kh_hooks_dirs_read(&s->root, variable, &key, dirs, err);
        r = kh_hooks_dirs_read(&s->root, "/usr/share/containers/containers.conf", &key, dirs, err);
        if (r == 0)
                r = kh_hooks_dirs_read(
                        &s->root, "/etc/containers/containers.conf", &key, dirs, err);
        return r < 0 ? r : read_drop_ins(s, &key, dirs, err);
}

int kh_plan_podman(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan, struct kh_err *err)
{
        struct kh_hooks_dirs dirs = { .n = 0 };
        int r = read_configuration(s, &dirs, err);

        if (r == 0)
                r = kh_plan_hooksd(s, i->owner, &dirs, DROP_IN, "engine", plan, err);
        kh_hooks_dirs_done(&dirs);
        return r;
}
