/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/policy.h"

/* The node's own components and the agent's, without which nothing could mend the node. */
static const struct kh_span exempt_namespaces[] = {
        { "kube-system", 11 },
        { "kubearmor", 9 },
};

/* KubeArmor's container and ours, by the first word of their process. */
static const struct kh_span listener_commands[] = {
        { "/KubeArmor/kubearmor", 20 },
        { "/usr/bin/kubearmor-hookd", 24 },
        { "/usr/local/bin/kubearmor-hookd", 30 },
};

static bool is_in(struct kh_span s, const struct kh_span *v, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (kh_span_eq(s, v[i]))
                        return true;
        }
        return false;
}

#define IS_IN(s, array) is_in(s, array, sizeof(array) / sizeof((array)[0]))

/* The namespace of its pod where the runtime itself says it. */
static struct kh_span trusted_namespace(const struct kh_container *c, enum kh_dialect dialect)
{
        if (dialect == KH_DIALECT_CONTAINERD || dialect == KH_DIALECT_CRIO ||
                dialect == KH_DIALECT_DOCKER)
                return c->pod_namespace;
        return (struct kh_span){ 0 };
}

static bool is_namespace_exempt(struct kh_span name, const struct kh_hook_options *options)
{
        const struct kh_option_list *more = &options->exempt_namespaces;

        return name.n && (IS_IN(name, exempt_namespaces) || is_in(name, more->v, more->n));
}

bool kh_is_listener(const struct kh_container *c, const struct kh_hook_options *options)
{
        const struct kh_option_list *more = &options->listener_commands;

        return c->command.n &&
               (IS_IN(c->command, listener_commands) || is_in(c->command, more->v, more->n));
}

bool kh_is_exempt(const struct kh_container *c, enum kh_dialect dialect,
        const struct kh_hook_options *options)
{
        return is_namespace_exempt(trusted_namespace(c, dialect), options) ||
               kh_is_listener(c, options);
}

bool kh_may_have_runtime_socket(const struct kh_container *c, enum kh_dialect dialect,
        const struct kh_hook_options *options)
{
        struct kh_span pod_namespace = trusted_namespace(c, dialect);

        if (pod_namespace.n)
                return is_namespace_exempt(pod_namespace, options);
        return kh_is_listener(c, options);
}
