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

bool kh_is_exempt(const struct kh_container *c, enum kh_dialect dialect,
        const struct kh_hook_options *options)
{
        bool runtime_says_namespace = dialect == KH_DIALECT_CONTAINERD ||
                                      dialect == KH_DIALECT_CRIO || dialect == KH_DIALECT_DOCKER;

        if (runtime_says_namespace && c->pod_namespace.n &&
                (IS_IN(c->pod_namespace, exempt_namespaces) ||
                        is_in(c->pod_namespace, options->exempt_namespaces.v,
                                options->exempt_namespaces.n)))
                return true;
        return c->command.n && (IS_IN(c->command, listener_commands) ||
                                       is_in(c->command, options->listener_commands.v,
                                               options->listener_commands.n));
}
