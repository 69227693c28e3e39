/* SPDX-License-Identifier: Apache-2.0 */
/* Podman reads its directories at each start of a container, so nothing is to be restarted. */
#include "setup/runtime/rootless.h"

#include <errno.h>
#include <stdlib.h>

#define CONFIGURATION "/etc/containers/containers.conf"
#define DROP_IN       "99-kubearmor-hook.conf"

/* As Podman itself does: the variable takes the place of all files. Our drop-in is what is asked. */
static int read_configuration(
        const struct kh_setup *s, struct kh_hooks_dirs *dirs, struct kh_err *err)
{
        const struct kh_toml_key key = KH_TOML_KEY("engine", "hooks_dir");
        const char *variable = s->root.is_own ? getenv("CONTAINERS_CONF") : NULL;
        int r = 0;

        if (variable && *variable)
                return kh_hooks_dirs_read(&s->root, variable, &key, dirs, err);
        r = kh_hooks_dirs_read(&s->root, "/usr/share/containers/containers.conf", &key, dirs, err);
        if (r == 0)
                r = kh_hooks_dirs_read(&s->root, CONFIGURATION, &key, dirs, err);
        return r < 0 ? r
                     : kh_hooks_dirs_read_drop_ins(s, CONFIGURATION ".d", DROP_IN, &key, dirs, err);
}

/*
 * Where no file says anything, root's reads one directory (its older versions a second, where ours
 * are not needed then), and that of other users none.
 */
int kh_plan_podman(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan, struct kh_err *err)
{
        struct kh_hooks_dirs system = { .n = 0 }, roots = { .n = 0 };
        int r = kh_hooks_dirs_add(&roots, KH_SPAN("/usr/share/containers/oci/hooks.d"))
                        ? read_configuration(s, &roots, err)
                        : kh_fail(err, -ENOMEM, "out of memory");

        if (r == 0)
                r = kh_plan_hooksd(
                        s, i->owner, &roots, CONFIGURATION ".d/" DROP_IN, "engine", plan, err);
        if (r == 0 && s->options.n_rootless)
                r = read_configuration(s, &system, err);
        if (r == 0)
                r = kh_plan_rootless(s, &system, kh_hooks_dirs_choose(s, &roots), plan, err);
        kh_hooks_dirs_done(&system);
        kh_hooks_dirs_done(&roots);
        return r;
}
