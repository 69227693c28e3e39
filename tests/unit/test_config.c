/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "oci/annotations.h"
#include "oci/config.h"

#include <errno.h>
#include <stdio.h>

static const struct kh_oci_config_options plain = { 0 };
static char scratch_room[4096];
static struct kh_container c;

static int read_config(struct kh_span text, struct kh_span bundle)
{
        struct kh_buf scratch = kh_buf_of(scratch_room, sizeof(scratch_room));
        struct kh_err err = { 0 };
        int code;

        kh_container_init(&c);
        code = kh_oci_read_config(
                fixture_guarded(text), text.n, bundle, &scratch, &plain, &c, &err);
        assert_int_equal(err.code, code);
        return code;
}

static void read_good(const char *text)
{
        if (read_config(kh_span_of(text), KH_SPAN("/b")) != 0)
                fail_msg("%s", text);
}

static void identify(enum kh_dialect dialect)
{
        static char room[8192];
        struct kh_buf scratch = kh_buf_of(room, sizeof(room));

        kh_oci_identify(&c, dialect, &scratch);
}

static void what_runc_spec_writes(void **state)
{
        (void)state;
        assert_int_equal(
                read_config(fixture_recorded("config-runc-1.1.5-spec.json"), KH_SPAN("/b")), 0);
        assert_span_equal(c.rootfs, "/b/rootfs");
        assert_span_equal(c.command, "sh");
        assert_int_equal(c.uid, 0);
        assert_int_equal(c.gid, 0);
        assert_int_equal(c.privileged, KH_NO);
        assert_int_equal(c.seccomp, KH_NO);
        assert_int_equal(c.ns_joined, 0);
        assert_int_equal(c.ns_host, 1 << KH_NS_USER | 1 << KH_NS_TIME | 1 << KH_NS_CGROUP);
        assert_null(c.apparmor_profile.p);
        assert_int_equal(c.runtime_sockets.n, 0);
        assert_int_equal(c.annotations.n, 0);
}

static void what_containerds_cri_plugin_writes(void **state)
{
        const struct kh_span bundle =
                KH_SPAN("/run/containerd/io.containerd.runtime.v2.task/k8s.io/9ad7");

        (void)state;
        assert_int_equal(read_config(fixture_recorded("config-containerd-cri.json"), bundle), 0);
        assert_int_equal(c.ns_joined, 1 << KH_NS_NET | 1 << KH_NS_IPC | 1 << KH_NS_UTS);
        assert_span_equal(c.apparmor_profile, "cri-containerd.apparmor.d");
        assert_int_equal(c.seccomp, KH_YES);
        assert_int_equal(kh_oci_dialect(bundle, &c.annotations), KH_DIALECT_CONTAINERD);
        identify(KH_DIALECT_CONTAINERD);
        assert_span_equal(c.name, "web");
        assert_span_equal(c.pod_name, "web-7d4b9c");
        assert_span_equal(c.pod_namespace, "shop");
        assert_span_equal(c.pod_uid, "0e5a8f0c-61d4-4a5e-8f9b-2f6f2f0c9a11");
        assert_span_equal(c.image, "registry.example/shop/web:1.2");
        assert_int_equal(c.type, KH_TYPE_CONTAINER);
        assert_int_equal(c.sandbox_id.n, 64);
}

static void what_crio_writes(void **state)
{
        const struct kh_span bundle =
                KH_SPAN("/run/containers/storage/overlay-containers/9ad7/userdata");

        (void)state;
        assert_int_equal(read_config(fixture_recorded("config-crio.json"), bundle), 0);
        assert_int_equal(kh_oci_dialect(bundle, &c.annotations), KH_DIALECT_CRIO);
        identify(KH_DIALECT_CRIO);
        assert_span_equal(c.name, "web");
        assert_span_equal(c.pod_name, "web-7d4b9c");
        assert_span_equal(c.pod_namespace, "shop");
        assert_span_equal(c.image, "registry.example/shop/web:1.2");
        assert_int_equal(c.type, KH_TYPE_CONTAINER);
        assert_span_equal(kh_pairs_get(&c.labels, KH_SPAN("io.kubernetes.pod.name")), "web-7d4b9c");
}

/* For another client than the kubelet, whose labels it lacks; its pod's annotations lie. */
static void what_crio_itself_knows(void **state)
{
        const struct kh_span bundle =
                KH_SPAN("/run/containers/storage/overlay-containers/9ad7/userdata");

        (void)state;
        assert_int_equal(read_config(fixture_recorded("config-crio-1.37.0.json"), bundle), 0);
        assert_int_equal(kh_oci_dialect(bundle, &c.annotations), KH_DIALECT_CRIO);
        identify(KH_DIALECT_CRIO);
        assert_int_equal(c.type, KH_TYPE_CONTAINER);
        assert_span_equal(c.name, "web");
        assert_span_equal(c.pod_name, "web-7d4b9c");
        assert_span_equal(c.pod_namespace, "shop");
        assert_span_equal(c.pod_uid, "0e5a8f0c-61d4-4a5e-8f9b-2f6f2f0c9a11");
        assert_span_equal(c.image, "registry.example/shop/web:1.2");

        assert_int_equal(
                read_config(fixture_recorded("config-crio-1.37.0-sandbox.json"), bundle), 0);
        identify(KH_DIALECT_CRIO);
        assert_int_equal(c.type, KH_TYPE_SANDBOX);
        assert_null(c.name.p);
        assert_span_equal(c.pod_name, "web-7d4b9c");
        assert_span_equal(c.pod_namespace, "shop");
        assert_span_equal(c.pod_uid, "0e5a8f0c-61d4-4a5e-8f9b-2f6f2f0c9a11");
        assert_span_equal(c.image, "localhost/pause:1");
}

static void assert_crio_name(const char *name, const char *container)
{
        char text[512];

        (void)snprintf(text, sizeof(text),
                "{\"process\":{},\"annotations\":{\"io.kubernetes.cri-o.ContainerType\":\"container\","
                "\"io.kubernetes.cri-o.Name\":\"%s\",\"io.kubernetes.container.name\":\"label\"}}",
                name);
        read_good(text);
        identify(KH_DIALECT_CRIO);
        assert_true(kh_span_eq(c.name, kh_span_of(container)));
}

static void a_name_of_other_parts_tells_nothing(void **state)
{
        (void)state;
        assert_crio_name("k8s_web_pod_shop_uid_0", "web");
        assert_crio_name("k8s_we_b_pod_shop_uid_0", "label");
        assert_crio_name("k8s_web_pod_shop_0", "label");
        assert_crio_name("k9s_web_pod_shop_uid_0", "label");
        assert_crio_name("", "label");
}

static void what_podman_writes(void **state)
{
        const struct kh_span bundle =
                KH_SPAN("/var/lib/containers/storage/overlay-containers/57e0/userdata");

        (void)state;
        assert_int_equal(read_config(fixture_recorded("config-podman-4.3.1.json"), bundle), 0);
        assert_int_equal(kh_oci_dialect(bundle, &c.annotations), KH_DIALECT_PODMAN);
        identify(KH_DIALECT_PODMAN);
        assert_span_equal(c.command, "/bin/busybox");
        assert_int_equal(c.rootfs.p[0], '/');
        assert_null(c.pod_name.p);
        assert_int_equal(c.type, KH_TYPE_UNKNOWN);
}

static void assert_cut_is_refused(const char *name, struct kh_span text)
{
        while (text.n && text.p[text.n - 1] != '}')
                text.n--;
        for (size_t n = 0; n < text.n; n += 7) {
                if (read_config((struct kh_span){ text.p, n }, KH_SPAN("/b")) != -EBADMSG)
                        fail_msg("%s was taken after %zu bytes", name, n);
                assert_null(c.rootfs.p);
                assert_int_equal(c.annotations.n, 0);
        }
}

static void cut_anywhere_it_tells_nothing(void **state)
{
        (void)state;
        fixture_each_recorded("config-*.json", assert_cut_is_refused);
}

static void keys_of_two_runtimes_are_believed_by_the_bundle_alone(void **state)
{
        (void)state;
        read_good("{\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\","
                  "\"io.container.manager\":\"cri-o\",\"io.kubernetes.pod.name\":\"forged\"}}");
        assert_int_equal(kh_oci_dialect(KH_SPAN("/b"), &c.annotations), KH_DIALECT_AMBIGUOUS);
        identify(KH_DIALECT_AMBIGUOUS);
        assert_null(c.pod_name.p);
        assert_int_equal(
                kh_oci_dialect(KH_SPAN("/run/containerd/io.containerd.runtime.v2.task/k8s.io/a"),
                        &c.annotations),
                KH_DIALECT_CONTAINERD);
        assert_int_equal(kh_oci_dialect(KH_SPAN("/run/docker/containerd/daemon/"
                                                "io.containerd.runtime.v2.task/moby/a"),
                                 &c.annotations),
                KH_DIALECT_DOCKER);
}

/* Its author's come first in the order in which runtimes write them. */
static void no_number_of_annotations_hides_the_runtimes_own(void **state)
{
        static char text[64 * 1024];
        struct kh_buf b = kh_buf_of(text, sizeof(text));

        (void)state;
        kh_buf_lit(&b, "{\"annotations\":{");
        for (unsigned i = 0; i < KH_MAX_PAIRS + 10; i++) {
                kh_buf_lit(&b, "\"a");
                kh_buf_u64(&b, i);
                kh_buf_lit(&b, "\":\"1\",");
        }
        kh_buf_lit(&b, "\"io.container.manager\":\"cri-o\","
                       "\"io.kubernetes.cri-o.Name\":\"k8s_web_pod_shop_uid_0\","
                       "\"io.kubernetes.pod.namespace\":\"first\","
                       "\"io.kubernetes.pod.namespace\":\"last\"}}");
        assert_true(kh_buf_terminate(&b));
        read_good(text);
        assert_int_equal(c.annotations.n, KH_MAX_PAIRS);
        assert_int_equal(c.annotations.dropped, 14);
        assert_span_equal(
                kh_pairs_get(&c.annotations, KH_SPAN("io.kubernetes.pod.namespace")), "last");
        identify(KH_DIALECT_CRIO);
        assert_span_equal(c.name, "web");
        assert_span_equal(c.pod_namespace, "shop");
}

static void privileged_means_every_capability_and_nothing_hidden(void **state)
{
        char text[2048];
        struct kh_buf b;

        (void)state;
        for (int variant = 0; variant < 4; variant++) {
                const int capabilities = variant == 1 ? 37 : 38;
                const char *rest = variant == 2   ? "\"maskedPaths\":[\"/proc/kcore\"]"
                                   : variant == 3 ? "\"readonlyPaths\":[\"/proc/sys\"]"
                                                  : "\"maskedPaths\":[]";

                b = kh_buf_of(text, sizeof(text));
                kh_buf_lit(&b, "{\"process\":{\"capabilities\":{\"bounding\":[");
                for (int i = 0; i < capabilities; i++)
                        kh_buf_span(&b, i ? KH_SPAN(",\"CAP_X\"") : KH_SPAN("\"CAP_X\""));
                kh_buf_lit(&b, "]}},\"linux\":{");
                kh_buf_span(&b, kh_span_of(rest));
                kh_buf_lit(&b, "}}");
                assert_true(kh_buf_terminate(&b));
                read_good(text);
                assert_int_equal(c.privileged, variant == 0 ? KH_YES : KH_NO);
        }
        read_good("{\"process\":{}}");
        assert_int_equal(c.privileged, KH_UNKNOWN);
}

static void a_relative_root_is_below_the_bundle(void **state)
{
        (void)state;
        read_good("{\"root\":{\"path\":\"r\"}}");
        assert_span_equal(c.rootfs, "/b/r");
        read_good("{\"root\":{\"path\":\"\\/r\"}}");
        assert_span_equal(c.rootfs, "/r");
        read_good("{\"root\":{\"path\":\"\"}}");
        assert_null(c.rootfs.p);
        assert_int_equal(
                read_config(KH_SPAN("{\"root\":{\"path\":\"r\"}}"), (struct kh_span){ 0 }), 0);
        assert_null(c.rootfs.p);
        assert_int_equal(read_config(KH_SPAN("{\"root\":{\"path\":\"r\"}}"), KH_SPAN("/b/")), 0);
        assert_span_equal(c.rootfs, "/b/r");
}

static void mounts_of_runtime_sockets(void **state)
{
        (void)state;
        read_good("{\"mounts\":[{\"type\":\"proc\",\"source\":\"proc\",\"destination\":\"/proc\"},"
                  "{\"source\":\"/run/containerd/containerd.sock\"},{\"source\":\"/home\"},"
                  "{\"source\":\"/var/run\"},{\"source\":7},7,{\"destination\":\"/run\"}]}");
        assert_int_equal(c.runtime_sockets.n, 2);
        assert_span_equal(c.runtime_sockets.v[0], "/run/containerd/containerd.sock");
        assert_span_equal(c.runtime_sockets.v[1], "/var/run");
}

static void only_the_first_word_of_the_command_is_told(void **state)
{
        (void)state;
        read_good("{\"process\":{\"args\":[\"/bin/a\",\"--password=x\"]}}");
        assert_span_equal(c.command, "/bin/a");
        read_good("{\"process\":{\"args\":[]}}");
        assert_null(c.command.p);
        read_good("{\"process\":{\"args\":\"sh\",\"user\":{\"uid\":4294967295,\"gid\":-1}}}");
        assert_null(c.command.p);
        assert_int_equal(c.uid, 4294967295);
        assert_int_equal(c.gid, -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_runc_spec_writes),
                cmocka_unit_test(what_containerds_cri_plugin_writes),
                cmocka_unit_test(what_crio_writes),
                cmocka_unit_test(what_crio_itself_knows),
                cmocka_unit_test(a_name_of_other_parts_tells_nothing),
                cmocka_unit_test(what_podman_writes),
                cmocka_unit_test(cut_anywhere_it_tells_nothing),
                cmocka_unit_test(keys_of_two_runtimes_are_believed_by_the_bundle_alone),
                cmocka_unit_test(no_number_of_annotations_hides_the_runtimes_own),
                cmocka_unit_test(privileged_means_every_capability_and_nothing_hidden),
                cmocka_unit_test(a_relative_root_is_below_the_bundle),
                cmocka_unit_test(mounts_of_runtime_sockets),
                cmocka_unit_test(only_the_first_word_of_the_command_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
