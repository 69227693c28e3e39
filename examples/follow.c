/* SPDX-License-Identifier: Apache-2.0 */
/* Follows the containers of this node. cc follow.c $(pkg-config --cflags --libs kubearmor-hook) */
#include <kubearmor-hook.h>
#include <stdio.h>

static const char *or_dash(const char *text)
{
        return text ? text : "-";
}

static void print_event(const char *what, const struct kubearmor_hook_container *c)
{
        printf("%s %s pid %d, mount namespace %llu, pod %s/%s, image %s\n", what, c->id, c->pid,
                (unsigned long long)c->namespaces[KUBEARMOR_HOOK_NS_MNT], or_dash(c->pod_namespace),
                or_dash(c->pod_name), or_dash(c->image));
        fflush(stdout);
}

static void take_event(const struct kubearmor_hook_event *event)
{
        switch (event->type) {
        case KUBEARMOR_HOOK_CONTAINER:
                print_event("=", event->container);
                break;
        case KUBEARMOR_HOOK_CREATED:
                print_event("+", event->container);
                break;
        case KUBEARMOR_HOOK_REMOVED:
                print_event("-", event->container);
                break;
        case KUBEARMOR_HOOK_DISCONNECTED:
                fprintf(stderr, "%s; waiting\n", event->message);
                break;
        default: /* also types of a later version */
                break;
        }
}

int main(int argc, char **argv)
{
        struct kubearmor_hook_options options = { .size = sizeof(options) };
        struct kubearmor_hook *hook;
        const struct kubearmor_hook_event *event;
        int rc;

        options.path = argc > 1 ? argv[1] : KUBEARMOR_HOOK_EVENTS_SOCKET;
        if (kubearmor_hook_open(&options, &hook) < 0)
                return 1;
        rc = kubearmor_hook_subscribe(hook, NULL, KUBEARMOR_HOOK_RECONNECT);
        while (rc >= 0 && (rc = kubearmor_hook_next(hook, -1, &event)) > 0)
                take_event(event);
        fprintf(stderr, "%s\n", kubearmor_hook_error(hook));
        kubearmor_hook_close(hook);
        return 1;
}
