/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/distribution.h"

#include "setup/hook_set.h"
#include "setup/json_edit.h"

#include <errno.h>

#define OF_CRI (1U << KH_OWNER_CONTAINERD | 1U << KH_OWNER_CRIO)

#define UNTIL_BOOT "writes the runtime's configuration anew at each boot: until then it lasts"

static const struct signs {
        const char *id;      /* ID in os-release; NULL: any */
        const char *variant; /* VARIANT_ID; NULL: any */
        const char *path;    /* what must be there; NULL: nothing */
        unsigned owners;
        struct kh_distribution what;
} known[] = {
        { "talos", NULL, NULL, OF_CRI,
                { "Talos", "lets nobody but its own API write the configuration",
                        "document CRIBaseRuntimeSpecConfig of the machine configuration, or its "
                        "machine.baseRuntimeSpecOverrides, with the member",
                        true, true } },
        { "bottlerocket", NULL, NULL, OF_CRI,
                { "Bottlerocket", UNTIL_BOOT,
                        "a bootstrap container of mode \"always\" that runs 'kubearmor-hookctl "
                        "install --host-root /.bottlerocket/rootfs'",
                        false, false } },
        { "cos", NULL, NULL, OF_CRI,
                { "Container-Optimized OS", UNTIL_BOOT,
                        "a DaemonSet that runs 'kubearmor-hookctl install --host-root DIR --restart' "
                        "whenever its node has booted",
                        false, false } },
        { "amzn", NULL, "/etc/eks", OF_CRI,
                { "EKS (nodeadm)", UNTIL_BOOT,
                        "spec.containerd.baseRuntimeSpec of the node's NodeConfig, with the member",
                        true, false } },
        { "rhcos", NULL, NULL, 1U << KH_OWNER_CRIO,
                { "OpenShift", "keeps files in /etc/containers/oci/hooks.d: it lasts on this node",
                        "for all nodes, a MachineConfig with the same files", false, false } },
        { NULL, "coreos", "/etc/machine-config-daemon", 1U << KH_OWNER_CRIO,
                { "OpenShift", "keeps files in /etc/containers/oci/hooks.d: it lasts on this node",
                        "for all nodes, a MachineConfig with the same files", false, false } },
        { "flatcar", NULL, NULL, 1U << KH_OWNER_CONTAINERD,
                { "Flatcar",
                        "starts containerd with a configuration in /usr, which is read-only, "
                        "unless told otherwise",
                        "copy /usr/share/containerd/config.toml to /etc/containerd/config.toml, and "
                        "have a drop-in of containerd.service set "
                        "Environment=CONTAINERD_CONFIG=/etc/containerd/config.toml; then install",
                        false, false } },
        { NULL, NULL, "/var/lib/minikube", OF_CRI,
                { "minikube", "writes the runtime's configuration anew at each 'minikube start'",
                        "'kubearmor-hookctl repair --restart' after it", false, false } },
};

/* The value of NAME in os-release(5), without its quotes. */
static struct kh_span value_of(struct kh_span text, struct kh_span name)
{
        for (size_t at = 0, n; at < text.n; at += n + 1) {
                struct kh_span line = kh_span_from(text, at);

                n = line.n ? strcspn(line.p, "\n") : 0;
                line.n = n;
                if (!kh_span_starts(line, name) || line.n <= name.n || line.p[name.n] != '=')
                        continue;
                line = kh_span_from(line, name.n + 1);
                if (line.n >= 2 && strchr("\"'", line.p[0]) && line.p[line.n - 1] == line.p[0])
                        line = (struct kh_span){ line.p + 1, line.n - 2 };
                return line;
        }
        return (struct kh_span){ 0 };
}

static bool fits(const struct kh_setup *s, const struct signs *signs, struct kh_span release)
{
        if (signs->id && !kh_span_eq(value_of(release, KH_SPAN("ID")), kh_span_of(signs->id)))
                return false;
        if (signs->variant &&
                !kh_span_eq(value_of(release, KH_SPAN("VARIANT_ID")), kh_span_of(signs->variant)))
                return false;
        return !signs->path || kh_host_exists(&s->root, signs->path);
}

const struct kh_distribution *kh_distribution_of(const struct kh_setup *s, enum kh_owner owner)
{
        const struct kh_distribution *found = NULL;
        struct kh_text release;

        if (kh_host_read(&s->root, "/etc/os-release", &release, NULL) < 0)
                return NULL;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !found; i++) {
                if (known[i].owners >> owner & 1 && fits(s, &known[i], kh_text_view(&release)))
                        found = &known[i].what;
        }
        kh_text_done(&release);
        return found;
}

int kh_distribution_note(struct kh_setup *s, const struct kh_distribution *d, struct kh_text *notes,
        struct kh_err *err)
{
        struct kh_text hooks = { 0 };
        struct kh_hook_set set;
        int r = d->takes_hooks ? kh_hook_set_make(s, &set, err) : 0;

        if (r < 0)
                return r;
        if (d->takes_hooks) {
                r = kh_json_set_hooks(KH_SPAN("{}"), &set.hooks, &hooks, err);
                kh_hook_set_done(&set);
        }
        kh_text_printf(notes, "%s %s\n", d->name, d->fate);
        kh_text_printf(notes, "to last on %s: %s%s%.*s\n", d->name, d->setting, hooks.p ? " " : "",
                (int)strcspn(hooks.p ? hooks.p : "", "\n"), hooks.p ? hooks.p : "");
        kh_text_done(&hooks);
        if (r == 0 && d->is_closed)
                r = kh_fail(err, -EOPNOTSUPP, "%s %s", d->name, d->fate);
        return r;
}
