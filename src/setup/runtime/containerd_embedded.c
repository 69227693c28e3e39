/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The containerds that Kubernetes distributions bring along. They render its configuration at each
 * start, each from something else.
 */
#include "setup/detect.h"
#include "setup/runtime/containerd_plan.h"
#include "setup/runtime/runtime.h"

#include <errno.h>
#include <stdio.h>

/* The template of 1.x, by its name. */
#define OLD_TEMPLATE "config.toml.tmpl"

#define MICROK8S_TEMPLATE "/var/snap/microk8s/current/args/containerd-template.toml"

/* Outlives the revisions of the snap, and each refresh makes a new one. */
#define MICROK8S_SPEC "/var/snap/microk8s/common/kubearmor-hook-spec.json"

/* What k0s writes on top of a configuration that it may write anew. */
#define K0S_MANAGED "# k0s_managed=true"

static int check_rendered(const struct kh_setup *s, const struct kh_instance *i, struct kh_err *err)
{
        if (kh_host_exists(&s->root, i->config))
                return 0;
        return kh_fail(err, -ENOENT, "there is no '%s': start %s once", i->config,
                kh_owner_name[i->owner]);
}

/* While it does not run, the distribution's own program was found in its stead. */
static void find_program(const struct kh_setup *s, const struct kh_instance *i, const char *path,
        struct kh_instance *ret)
{
        *ret = *i;
        if (i->pid)
                return;
        (void)snprintf(ret->program, sizeof(ret->program), "%s", path);
        kh_detect_version(s, ret);
}

/*
 * The template of 1.x is the only place, and can hold no second table of a handler: so it has to be
 * whole. Somebody's own is edited as what it is, if it is TOML.
 */
static int plan_old_k3s(struct kh_containerd_plan *p, struct kh_err *err)
{
        const struct kh_record *record;

        if (!kh_path_join(p->edited, p->directory, OLD_TEMPLATE))
                return kh_fail(err, -ENAMETOOLONG, "the path '%s' is too long", p->directory);
        record = kh_journal_find(&p->setup->journal, p->edited);
        p->way = kh_host_exists(&p->setup->root, p->edited) &&
                                 !(record && record->format == KH_FORMAT_LOADED)
                         ? KH_BY_TEMPLATE
                         : KH_BY_COPY;
        return kh_containerd_plan(p, err);
}

int kh_plan_k3s(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *ret, struct kh_err *err)
{
        struct kh_instance embedded;
        struct kh_containerd_plan p = {
                .setup = s, .instance = &embedded, .plan = ret, .way = KH_BY_RENDERED
        };
        int r = check_rendered(s, i, err);

        find_program(s, i,
                i->owner == KH_OWNER_K3S ? "/var/lib/rancher/k3s/data/current/bin/containerd"
                                         : "/var/lib/rancher/rke2/bin/containerd",
                &embedded);
        if (r == 0)
                r = kh_containerd_place(&p, "config-v3.toml.d", err);
        if (r == 0)
                r = kh_containerd_version(&p, err);
        if (r < 0)
                return r;
        return p.version < 3 ? plan_old_k3s(&p, err) : kh_containerd_plan(&p, err);
}

static int is_managed_by_k0s(
        const struct kh_setup *s, const struct kh_instance *i, struct kh_err *err)
{
        struct kh_text text;
        int r = kh_host_read(&s->root, i->config, &text, err);

        if (r == 0)
                r = kh_span_starts(kh_text_view(&text), KH_SPAN(K0S_MANAGED));
        kh_text_done(&text);
        return r;
}

/*
 * It has containerd read drop-ins (since 1.36), or merges them itself into what containerd reads;
 * and restarts containerd when they change. A configuration that is not k0s's any more is an
 * ordinary one.
 */
int kh_plan_k0s(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *ret, struct kh_err *err)
{
        struct kh_instance embedded;
        struct kh_containerd_plan p = {
                .setup = s, .instance = &embedded, .plan = ret, .way = KH_BY_PATCH
        };
        int r = check_rendered(s, i, err);

        find_program(s, i, "/var/lib/k0s/bin/containerd", &embedded);
        if (r == 0)
                r = is_managed_by_k0s(s, i, err);
        if (r == 0)
                return kh_plan_containerd(s, &embedded, ret, err);
        if (r > 0)
                r = kh_containerd_place(&p, "containerd.d", err);
        p.version = embedded.major >= 2 ? 3 : 2;
        return r < 0 ? r : kh_containerd_plan(&p, err);
}

int kh_plan_microk8s(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *ret, struct kh_err *err)
{
        struct kh_containerd_plan p = {
                .setup = s, .instance = i, .plan = ret, .way = KH_BY_TEMPLATE
        };
        int r = check_rendered(s, i, err);

        if (r == 0)
                r = kh_containerd_place(&p, "", err);
        if (r == 0)
                r = kh_containerd_version(&p, err);
        if (r < 0)
                return r;
        (void)snprintf(p.edited, sizeof(p.edited), MICROK8S_TEMPLATE);
        (void)snprintf(p.spec, sizeof(p.spec), MICROK8S_SPEC);
        if (!kh_host_exists(&s->root, p.edited))
                return kh_fail(err, -ENOENT, "there is no '%s' to be edited", p.edited);
        kh_text_printf(&ret->notes,
                "a refresh of the snap may bring the template anew: then 'kubearmor-hookctl "
                "repair', and restart containerd\n");
        return kh_containerd_plan(&p, err);
}
