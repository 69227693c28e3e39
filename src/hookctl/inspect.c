/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl inspect */
#include "base/cleanup.h"
#include "hookctl/containers.h"
#include "hookctl/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* A section's title is printed with its first fact, so that a section without facts is none. */
struct section {
        const char *title;
        bool begun;
        bool color;
};

static void put_key(struct section *s, const char *key)
{
        if (!s->begun)
                (void)printf(
                        "%s%s%s\n", s->color ? "\033[1m" : "", s->title, s->color ? "\033[0m" : "");
        s->begun = true;
        (void)fputs("  ", stdout);
        kh_put_text(stdout, key);
        (void)fputs(": ", stdout);
}

static void put_string(struct section *s, const char *key, const char *value)
{
        if (!value)
                return;
        put_key(s, key);
        kh_put_text(stdout, value);
        (void)putchar('\n');
}

static void put_number(struct section *s, const char *key, uint64_t value)
{
        if (!value)
                return;
        put_key(s, key);
        (void)printf("%" PRIu64 "\n", value);
}

static void put_known(struct section *s, const char *key, enum kubearmor_hook_known value)
{
        if (value != KUBEARMOR_HOOK_UNKNOWN)
                put_string(s, key, value == KUBEARMOR_HOOK_YES ? "yes" : "no");
}

static void put_pairs(struct section *s, const struct kubearmor_hook_pair *pairs, size_t n)
{
        for (size_t i = 0; i < n; i++)
                put_string(s, pairs[i].name, pairs[i].value);
}

static void put_identity(const struct kubearmor_hook_container *c, bool color)
{
        struct section container = { .title = "Container", .color = color };
        struct section pod = { .title = "Pod", .color = color };

        put_string(&container, "id", c->id);
        put_string(&container, "name", c->name);
        put_string(&container, "image", c->image);
        put_string(&container, "type", c->type);
        put_string(&container, "state", c->state);
        put_string(&container, "known since", c->created_at);
        put_string(&container, "known from", c->source);
        put_string(&container, "runtime", c->runtime);
        put_string(&container, "hook stage", c->stage);
        put_string(&container, "bundle", c->bundle);
        put_string(&container, "rootfs", c->rootfs);
        put_string(&pod, "name", c->pod_name);
        put_string(&pod, "namespace", c->pod_namespace);
        put_string(&pod, "uid", c->pod_uid);
        put_string(&pod, "sandbox", c->sandbox_id);
}

static void put_process(const struct kubearmor_hook_container *c, bool color)
{
        struct section process = { .title = "Process", .color = color };

        put_number(&process, "pid", (uint64_t)c->pid);
        put_number(&process, "start time", c->start_time);
        put_string(&process, "command", c->command);
        if (c->uid >= 0) {
                put_key(&process, "uid");
                (void)printf("%" PRId64 "\n", c->uid);
        }
        if (c->gid >= 0) {
                put_key(&process, "gid");
                (void)printf("%" PRId64 "\n", c->gid);
        }
}

static void put_isolation(const struct kubearmor_hook_container *c, bool color)
{
        struct section namespaces = { .title = "Namespaces", .color = color };
        struct section cgroup = { .title = "Cgroup", .color = color };

        for (unsigned i = 0; i < KUBEARMOR_HOOK_NS_COUNT; i++) {
                if (!c->namespaces[i])
                        continue;
                put_key(&namespaces, kubearmor_hook_namespace_name(i));
                (void)printf("%" PRIu64 "%s%s\n", c->namespaces[i],
                        c->host_namespaces >> i & 1 ? " (the host's)" : "",
                        c->joined_namespaces >> i & 1 ? " (joined)" : "");
        }
        put_string(&cgroup, "path", c->cgroup_path);
        put_number(&cgroup, "id", c->cgroup_id);
        put_string(&cgroup, "as specified", c->cgroup_spec_path);
}

static void put_confinement(const struct kubearmor_hook_container *c, bool color)
{
        struct section security = { .title = "Security", .color = color };
        struct section labels = { .title = "Labels", .color = color };
        struct section annotations = { .title = "Annotations", .color = color };

        put_string(&security, "AppArmor profile", c->apparmor_profile);
        put_string(&security, "SELinux label", c->selinux_label);
        put_known(&security, "seccomp filter", c->seccomp);
        put_known(&security, "privileged", c->privileged);
        for (size_t i = 0; i < c->n_runtime_sockets; i++)
                put_string(&security, "mounts a runtime's socket", c->runtime_sockets[i]);
        put_pairs(&labels, c->labels, c->n_labels);
        put_pairs(&annotations, c->annotations, c->n_annotations);
}

static void put_container(const struct kh_settings *s, const struct kubearmor_hook_container *c)
{
        if (s->output == KH_OUT_JSON) {
                kh_put_text(stdout, c->json);
                (void)putchar('\n');
                return;
        }
        put_identity(c, s->color);
        put_process(c, s->color);
        put_isolation(c, s->color);
        put_confinement(c, s->color);
}

static enum kh_exit run(const struct kh_settings *s, int argc, char **argv)
{
        enum kh_exit code;
        kh_cleanup(kh_close_hookp) struct kubearmor_hook *hook = NULL;
        const struct kubearmor_hook_event *event;
        int rc;

        if (argc != 1)
                return kh_report(KH_EXIT_USAGE, "inspect whom? Name a container by its id");
        hook = kh_open_hook(s, &code);
        if (!hook)
                return code;
        rc = kubearmor_hook_lookup_id(hook, argv[0]);
        if (rc == 0) {
                do
                        rc = kubearmor_hook_next(hook, -1, &event);
                while (rc == -EINTR);
        }
        if (rc < 0)
                return kh_report_lookup(hook, rc, argv[0]);
        put_container(s, event->container);
        return KH_EXIT_OK;
}

static const enum kh_option_id options[] = {
        KH_OPT_OUTPUT,
        KH_OPT_COLOR,
        KH_OPT_EVENTS,
        KH_OPT_TIMEOUT,
        KH_OPT_HELP,
        KH_OPT_END,
};

const struct kh_command kh_command_inspect = {
        .name = "inspect",
        .arguments = "ID",
        .summary = "Show all that is known of one container.",
        .details = "ID may be cut short, as long as it is one container's.\n",
        .options = options,
        .outputs = 1 << KH_OUT_TEXT | 1 << KH_OUT_JSON,
        .max_arguments = 1,
        .run = run,
};
