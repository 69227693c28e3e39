/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/runtime_socket.h"

/* What runtimes call their sockets, wherever they put them. */
static const struct kh_span socket_names[] = {
        { "containerd.sock", 15 },
        { "crio.sock", 9 },
        { "docker.sock", 11 },
        { "podman.sock", 11 },
        { "cri-dockerd.sock", 16 },
        { "dockershim.sock", 15 },
        { "nri.sock", 8 },
};

/* Their directories below /run; everything above these holds them too. */
static const struct kh_span run_dirs[] = {
        { "containerd", 10 },
        { "crio", 4 },
        { "docker", 6 },
        { "k0s", 3 },
        { "k3s/containerd", 14 },
        { "nri", 3 },
        { "podman", 6 },
};

/* The next component of *PATH, which moves behind it; empty at the end. */
static struct kh_span next_component(struct kh_span *path)
{
        struct kh_span component;

        do {
                size_t n = 0;

                while (path->n && path->p[0] == '/')
                        *path = kh_span_from(*path, 1);
                while (n < path->n && path->p[n] != '/')
                        n++;
                component = (struct kh_span){ path->p, n };
                *path = kh_span_from(*path, n);
        } while (kh_span_eq(component, KH_SPAN(".")));
        return component;
}

/* Whether DIR is ABOVE itself or lies below it, "//" and "/./" not counted. */
static bool is_at_or_above(struct kh_span above, struct kh_span dir)
{
        for (;;) {
                struct kh_span a = next_component(&above), d = next_component(&dir);

                if (a.n == 0)
                        return true;
                if (!kh_span_eq(a, d))
                        return false;
        }
}

static struct kh_span last_component(struct kh_span path)
{
        struct kh_span last = { 0 }, next;

        while ((next = next_component(&path)).n)
                last = next;
        return last;
}

/* "user/UID", where rootless Docker and Podman have theirs, and "user/UID/podman". */
static bool is_user_run_dir(struct kh_span below_run)
{
        struct kh_span last;

        if (!kh_span_eq(next_component(&below_run), KH_SPAN("user")))
                return false;
        (void)next_component(&below_run);
        last = next_component(&below_run);
        return last.n == 0 ||
               (kh_span_eq(last, KH_SPAN("podman")) && next_component(&below_run).n == 0);
}

static bool holds_sockets_of_run(struct kh_span below_run)
{
        for (size_t i = 0; i < sizeof(run_dirs) / sizeof(run_dirs[0]); i++) {
                if (is_at_or_above(below_run, run_dirs[i]))
                        return true;
        }
        return is_user_run_dir(below_run);
}

bool kh_is_runtime_socket(struct kh_span path)
{
        const struct kh_span microk8s = KH_SPAN("/var/snap/microk8s/common/run");
        struct kh_span name = last_component(path), rest = path, first;

        if (path.n == 0 || path.p[0] != '/')
                return false;
        for (size_t i = 0; i < sizeof(socket_names) / sizeof(socket_names[0]); i++) {
                if (kh_span_eq(name, socket_names[i]))
                        return true;
        }
        first = next_component(&rest);
        if (first.n == 0)
                return true; /* the whole host */
        if (kh_span_eq(first, KH_SPAN("run")))
                return holds_sockets_of_run(rest);
        if (!kh_span_eq(first, KH_SPAN("var")))
                return false;
        if (kh_span_eq(next_component(&rest), KH_SPAN("run"))) /* a link to /run since long */
                return holds_sockets_of_run(rest);
        return is_at_or_above(path, microk8s) && !is_at_or_above(path, KH_SPAN("/var/snap"));
}
