/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "oci/runtime_socket.h"

static void paths_that_give_the_runtime_away(void **state)
{
        static const char *const given[] = { "/run/containerd/containerd.sock", "/run/docker.sock",
                "/var/run/docker.sock", "/run/crio/crio.sock", "/run/podman/podman.sock",
                "/run/user/1000/podman/podman.sock", "/run/user/1000/podman", "/run/user/1000",
                "/run/user", "/run", "/run/", "/var/run", "/", "//", "/./", "/run/containerd",
                "/run/containerd/", "/run//containerd", "/run/./containerd", "/run/k3s",
                "/run/k3s/containerd", "/run/k3s/containerd/containerd.sock", "/run/nri",
                "/somewhere/else/docker.sock", "/var/snap/microk8s/common/run/containerd.sock" };

        (void)state;
        for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
                const struct kh_span path = kh_span_of(given[i]);

                if (!kh_is_runtime_socket((struct kh_span){ fixture_guarded(path), path.n }))
                        fail_msg("'%s' holds one", given[i]);
        }
}

static void paths_that_do_not(void **state)
{
        static const char *const harmless[] = { "", "run", "/var", "docker.sock", "/home",
                "/var/lib", "/var/log", "/run/secrets", "/run/lock", "/runner", "/run/containerd2",
                "/run/k3s/other", "/run/user/1000/bus", "/run/user/1000/podman/other",
                "/var/run/secrets", "/etc", "/var/snap", "/docker.sock.d",
                "/data/my-docker.socket" };

        (void)state;
        for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
                const struct kh_span path = kh_span_of(harmless[i]);

                if (kh_is_runtime_socket((struct kh_span){ fixture_guarded(path), path.n }))
                        fail_msg("'%s' holds none", harmless[i]);
        }
        assert_false(kh_is_runtime_socket((struct kh_span){ 0 }));
}

/* As long as a hostile configuration likes: linear, and no deeper a stack. */
static void a_million_dots(void **state)
{
        static char path[2000000];

        (void)state;
        for (size_t i = 0; i < sizeof(path); i += 2)
                memcpy(path + i, "/.", 2);
        assert_true(kh_is_runtime_socket((struct kh_span){ path, sizeof(path) }));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(paths_that_give_the_runtime_away),
                cmocka_unit_test(paths_that_do_not),
                cmocka_unit_test(a_million_dots),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
