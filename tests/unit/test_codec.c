/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "wire/codec.h"

static struct kh_container sample(void)
{
        struct kh_container c;

        kh_container_init(&c);
        c.id = KH_SPAN("web-1");
        c.name = KH_SPAN("web");
        c.image = KH_SPAN("registry.example/shop/web:1.2");
        c.type = KH_TYPE_CONTAINER;
        c.pod_name = KH_SPAN("web-0");
        c.pod_namespace = KH_SPAN("shop");
        c.pod_uid = KH_SPAN("0e5a8f0c");
        c.sandbox_id = KH_SPAN("3f1c");
        c.runtime = KH_SPAN("runc");
        c.stage = KH_SPAN("createRuntime");
        c.bundle = KH_SPAN("/run/b/web-1");
        c.rootfs = KH_SPAN("/run/b/web-1/rootfs");
        c.pid = 4242;
        c.start_time = 77;
        for (unsigned i = 0; i < KH_NS_COUNT; i++)
                c.ns[i] = 4026531835 + i;
        c.ns_host = 1 << KH_NS_TIME;
        c.ns_joined = 1 << KH_NS_NET | 1 << KH_NS_IPC;
        c.cgroup_path = KH_SPAN("/kubepods/web-1");
        c.cgroup_spec_path = KH_SPAN("kubepods.slice:cri:web-1");
        c.cgroup_id = UINT64_MAX;
        c.command = KH_SPAN("/bin/web");
        c.uid = 0;
        c.gid = 1000;
        c.apparmor_profile = KH_SPAN("cri-containerd.apparmor.d");
        c.selinux_label = KH_SPAN("system_u:system_r:container_t:s0");
        c.privileged = KH_NO;
        c.seccomp = KH_YES;
        kh_spans_add(&c.runtime_sockets, KH_SPAN("/run/docker.sock"));
        kh_pairs_add(&c.labels, KH_SPAN("app"), KH_SPAN("web"));
        kh_pairs_add(&c.annotations, KH_SPAN("note"), KH_SPAN("a \"b\" {c}\n"));
        kh_pairs_add(&c.annotations, KH_SPAN("empty"), KH_SPAN(""));
        return c;
}

/* C's members as an object, in ROOM. */
static struct kh_span write_container(
        char *room, size_t cap, const struct kh_container *c, enum kh_members which)
{
        struct kh_buf b = kh_buf_of(room, cap);

        kh_json_open(&b, '{');
        kh_container_write(&b, c, which);
        kh_json_close(&b, '}');
        assert_false(b.over);
        return kh_buf_view(&b);
}

static bool read_container(struct kh_span text, struct kh_container *c)
{
        struct kh_json j = kh_json_of(fixture_guarded(text), text.n);
        struct kh_span key;

        kh_container_init(c);
        kh_json_enter_object(&j);
        while (kh_json_member(&j, &key)) {
                if (!kh_container_read_member(&j, key, c))
                        kh_json_skip(&j);
        }
        return kh_json_end(&j);
}

static void every_fact_comes_back(void **state)
{
        const struct kh_container c = sample();
        struct kh_container got;
        char first[4096], second[4096];
        struct kh_span text = write_container(first, sizeof(first), &c, KH_MEMBERS_ALL), again;

        (void)state;
        assert_true(read_container(text, &got));
        again = write_container(second, sizeof(second), &got, KH_MEMBERS_ALL);
        assert_int_equal(again.n, text.n);
        assert_memory_equal(again.p, text.p, text.n);
        assert_int_equal(got.cgroup_id, UINT64_MAX);
        assert_int_equal(got.uid, 0);
        assert_int_equal(got.ns_joined, c.ns_joined);
        assert_span_equal(kh_pairs_get(&got.annotations, KH_SPAN("note")), "a \"b\" {c}\n");
        assert_span_equal(kh_pairs_get(&got.annotations, KH_SPAN("empty")), "");
}

static void what_is_unknown_is_absent(void **state)
{
        struct kh_container c, got;
        char room[256];

        (void)state;
        kh_container_init(&c);
        assert_span_equal(write_container(room, sizeof(room), &c, KH_MEMBERS_ALL), "{}");
        assert_true(read_container(KH_SPAN("{}"), &got));
        assert_null(got.id.p);
        assert_int_equal(got.uid, -1);
        assert_int_equal(got.gid, -1);
        assert_int_equal(got.privileged, KH_UNKNOWN);
        assert_int_equal(got.pid, 0);
}

static void each_part_stands_alone(void **state)
{
        struct kh_container c;
        char room[256];

        (void)state;
        kh_container_init(&c);
        c.sandbox_id = KH_SPAN("s");
        assert_span_equal(write_container(room, sizeof(room), &c, KH_MEMBERS_BEYOND_KUBEARMOR),
                "{\"pod\":{\"sandboxId\":\"s\"}}");
        kh_container_init(&c);
        c.pod_name = KH_SPAN("p");
        assert_span_equal(
                write_container(room, sizeof(room), &c, KH_MEMBERS_BEYOND_KUBEARMOR), "{}");
        kh_container_init(&c);
        c.gid = 0;
        assert_span_equal(write_container(room, sizeof(room), &c, KH_MEMBERS_ALL),
                "{\"process\":{\"gid\":0}}");
        kh_container_init(&c);
        c.cgroup_id = 5;
        assert_span_equal(
                write_container(room, sizeof(room), &c, KH_MEMBERS_ALL), "{\"cgroup\":{\"id\":5}}");
}

static void values_of_the_wrong_kind_are_absent(void **state)
{
        struct kh_container c;

        (void)state;
        assert_true(read_container(
                KH_SPAN("{\"id\":7,\"pid\":\"1\",\"startTime\":-1,\"type\":\"pause\",\"pod\":[],"
                        "\"namespaces\":{\"mnt\":1.5,\"moon\":7,\"net\":9},"
                        "\"hostNamespaces\":[\"pid\",3,\"moon\"],\"joinedNamespaces\":{},"
                        "\"cgroup\":null,\"process\":{\"uid\":4294967296,\"command\":[\"x\"]},"
                        "\"privileged\":\"true\",\"seccomp\":null,\"runtimeSockets\":\"x\","
                        "\"labels\":{\"a\":1,\"b\":\"c\"},\"annotations\":[1]}"),
                &c));
        assert_null(c.id.p);
        assert_int_equal(c.pid, 0);
        assert_int_equal(c.start_time, 0);
        assert_int_equal(c.type, KH_TYPE_UNKNOWN);
        assert_int_equal(c.ns[KH_NS_MNT], 0);
        assert_int_equal(c.ns[KH_NS_NET], 9);
        assert_int_equal(c.ns_host, 1 << KH_NS_PID);
        assert_int_equal(c.ns_joined, 0);
        assert_int_equal(c.uid, -1);
        assert_null(c.command.p);
        assert_int_equal(c.privileged, KH_UNKNOWN);
        assert_int_equal(c.seccomp, KH_UNKNOWN);
        assert_int_equal(c.runtime_sockets.n, 0);
        assert_int_equal(c.labels.n, 1);
        assert_int_equal(c.annotations.n, 0);
}

static void a_pid_that_none_can_have_is_absent(void **state)
{
        static const char *const bad[] = { "{\"pid\":-1}", "{\"pid\":4294967297}",
                "{\"pid\":2147483648}", "{\"pid\":1e3}", "{\"pid\":18446744073709551617}" };
        struct kh_container c;

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                assert_true(read_container(kh_span_of(bad[i]), &c));
                assert_int_equal(c.pid, 0);
        }
}

static void lists_have_an_end_and_count_what_was_beyond(void **state)
{
        static struct kh_container c;

        (void)state;
        kh_container_init(&c);
        for (int i = 0; i < KH_MAX_PAIRS + 3; i++)
                kh_pairs_add(&c.labels, KH_SPAN("k"), KH_SPAN("v"));
        for (int i = 0; i < KH_MAX_SOCKETS + 2; i++)
                kh_spans_add(&c.runtime_sockets, KH_SPAN("/run/docker.sock"));
        assert_int_equal(c.labels.n, KH_MAX_PAIRS);
        assert_int_equal(c.labels.dropped, 3);
        assert_int_equal(c.runtime_sockets.n, KH_MAX_SOCKETS);
        assert_int_equal(c.runtime_sockets.dropped, 2);
}

static void the_last_of_equal_keys_counts(void **state)
{
        struct kh_pairs pairs = { .n = 0 };

        (void)state;
        assert_null(kh_pairs_get(&pairs, KH_SPAN("a")).p);
        kh_pairs_add(&pairs, KH_SPAN("a"), KH_SPAN("1"));
        kh_pairs_add(&pairs, KH_SPAN("a"), KH_SPAN("2"));
        assert_span_equal(kh_pairs_get(&pairs, KH_SPAN("a")), "2");
        assert_null(kh_pairs_get(&pairs, KH_SPAN("b")).p);
}

static void cut_anywhere_it_is_no_document(void **state)
{
        const struct kh_container c = sample();
        struct kh_container got;
        char room[4096];
        struct kh_span text = write_container(room, sizeof(room), &c, KH_MEMBERS_ALL);

        (void)state;
        for (size_t n = 0; n < text.n; n++)
                assert_false(read_container((struct kh_span){ text.p, n }, &got));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_fact_comes_back),
                cmocka_unit_test(what_is_unknown_is_absent),
                cmocka_unit_test(each_part_stands_alone),
                cmocka_unit_test(values_of_the_wrong_kind_are_absent),
                cmocka_unit_test(a_pid_that_none_can_have_is_absent),
                cmocka_unit_test(lists_have_an_end_and_count_what_was_beyond),
                cmocka_unit_test(the_last_of_equal_keys_counts),
                cmocka_unit_test(cut_anywhere_it_is_no_document),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
