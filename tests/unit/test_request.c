/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "wire/request.h"

#include <errno.h>

static int read_request(struct kh_span text, struct kh_request *r)
{
        struct kh_err err = { 0 };
        int code = kh_request_read(fixture_guarded(text), text.n, r, &err);

        assert_int_equal(err.code, code);
        return code;
}

/* As KubeArmor's own hook writes it: Go's order, and every field whether it was set or not. */
static void a_request_of_kubearmors_own_hook(void **state)
{
        struct kh_request r;

        (void)state;
        assert_int_equal(
                read_request(
                        KH_SPAN("{\"operation\":0,\"detached\":false,\"container\":{"
                                "\"containerID\":\"abc\",\"containerName\":\"web\","
                                "\"containerImage\":\"\",\"namespaceName\":\"shop\","
                                "\"owner\":{\"ref\":\"\",\"name\":\"\",\"namespace\":\"\"},"
                                "\"endPointName\":\"web-0\",\"labels\":\"app=web,tier=,=x,bare\","
                                "\"apparmorProfile\":\"\",\"privileged\":false,\"pidns\":4026532001,"
                                "\"mntns\":4026532002,\"pid\":77,\"node_name\":\"\",\"node_id\":\"\","
                                "\"protocolPort\":\"\",\"status\":\"\",\"container_ip\":\"\","
                                "\"last_updated_at\":\"\",\"policyEnabled\":0,"
                                "\"processVisibilityEnabled\":false}}"),
                        &r),
                0);
        assert_int_equal(r.operation, KH_OP_CREATE);
        assert_false(r.detached);
        assert_span_equal(r.container.id, "abc");
        assert_span_equal(r.container.pod_name, "web-0");
        assert_span_equal(r.container.pod_namespace, "shop");
        assert_null(r.container.image.p);
        assert_null(r.container.apparmor_profile.p);
        assert_int_equal(r.container.privileged, KH_UNKNOWN);
        assert_int_equal(r.container.ns[KH_NS_PID], 4026532001);
        assert_int_equal(r.container.ns[KH_NS_MNT], 4026532002);
        assert_int_equal(r.container.pid, 77);
        assert_int_equal(r.container.labels.n, 3);
        assert_span_equal(kh_pairs_get(&r.container.labels, KH_SPAN("app")), "web");
        assert_span_equal(kh_pairs_get(&r.container.labels, KH_SPAN("tier")), "");
        assert_span_equal(kh_pairs_get(&r.container.labels, KH_SPAN("bare")), "");
}

static void a_delete_needs_no_more_than_an_id(void **state)
{
        struct kh_request r;

        (void)state;
        assert_int_equal(
                read_request(
                        KH_SPAN("{\"container\":{\"containerID\":\"a\"},\"operation\":1}\n"), &r),
                0);
        assert_int_equal(r.operation, KH_OP_DELETE);
        assert_span_equal(r.container.id, "a");
        assert_int_equal(r.container.pid, 0);
}

static void requests_without_id_or_operation(void **state)
{
        static const char *const bad[] = {
                "{}",
                "{\"operation\":0}",
                "{\"operation\":0,\"container\":{}}",
                "{\"operation\":0,\"container\":{\"containerID\":\"\"}}",
                "{\"operation\":0,\"container\":{\"containerID\":7}}",
                "{\"operation\":0,\"container\":{\"containerID\":\"a/b\"}}",
                "{\"operation\":0,\"container\":{\"containerID\":\"..\"}}",
                "{\"operation\":0,\"container\":{\"containerID\":\"a\\u0000\"}}",
                "{\"operation\":0,\"container\":{\"containerID\":\"a\\nb\"}}",
                "{\"operation\":2,\"container\":{\"containerID\":\"a\"}}",
                "{\"operation\":-1,\"container\":{\"containerID\":\"a\"}}",
                "{\"operation\":\"0\",\"container\":{\"containerID\":\"a\"}}",
                "{\"container\":{\"containerID\":\"a\"}}",
                "{\"operation\":0,\"containerID\":\"a\"}",
        };
        struct kh_request r;

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                if (read_request(kh_span_of(bad[i]), &r) != -EINVAL)
                        fail_msg("%s", bad[i]);
        }
}

static void what_is_no_json_object(void **state)
{
        static const char *const bad[] = { "", "[]", "null", "\"x\"", "{", "{]", "{} {}",
                "{\"operation\":0,\"container\":{\"containerID\":\"a\"}} x" };
        struct kh_request r;

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                if (read_request(kh_span_of(bad[i]), &r) != -EBADMSG)
                        fail_msg("%s", bad[i]);
        }
}

static void ids(void **state)
{
        char longest[KH_ID_MAX + 1];
        static const char *const good[] = { "a", "web-1_x.y+z", "..a", "...", "with space",
                "\xc3\xa4" };
        static const char *const bad[] = { "", ".", "..", "a/b", "/", "a\n", "\x7f", "\xff",
                "\x01" };

        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_true(kh_container_id_is_valid(kh_span_of(good[i])));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_false(kh_container_id_is_valid(kh_span_of(bad[i])));
        memset(longest, 'x', sizeof(longest));
        assert_true(kh_container_id_is_valid((struct kh_span){ longest, KH_ID_MAX }));
        assert_false(kh_container_id_is_valid((struct kh_span){ longest, KH_ID_MAX + 1 }));
        assert_false(kh_container_id_is_valid((struct kh_span){ 0 }));
}

static void fill(struct kh_request *r)
{
        *r = (struct kh_request){ .operation = KH_OP_CREATE, .detached = true, .duration_us = 350 };
        kh_container_init(&r->container);
        r->container.id = KH_SPAN("web-1");
        r->container.pid = 4242;
        r->container.ns[KH_NS_PID] = 4026532001;
        r->container.ns[KH_NS_NET] = 4026532003;
        r->container.privileged = KH_YES;
        r->container.bundle = KH_SPAN("/run/b/web-1");
        kh_pairs_add(&r->container.labels, KH_SPAN("app"), KH_SPAN("a\"b"));
        kh_pairs_add(&r->container.labels, KH_SPAN("x"), KH_SPAN("a,b=c"));
        kh_pairs_add(&r->container.annotations, KH_SPAN("note"), KH_SPAN("n"));
}

static void a_whole_request_comes_back(void **state)
{
        static struct kh_request r, got;
        char room[2048];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        fill(&r);
        r.test = true;
        kh_request_write(&b, &r, KH_REQUEST_WHOLE);
        assert_false(b.over);
        assert_int_equal(read_request(kh_buf_view(&b), &got), 0);
        assert_true(got.detached);
        assert_true(got.test);
        assert_int_equal(got.duration_us, 350);
        assert_int_equal(got.container.pid, 4242);
        assert_int_equal(got.container.ns[KH_NS_PID], 4026532001);
        assert_int_equal(got.container.ns[KH_NS_NET], 4026532003);
        assert_int_equal(got.container.privileged, KH_YES);
        assert_span_equal(got.container.bundle, "/run/b/web-1");
        /* Ours, not KubeArmor's one string, in which a comma is ambiguous. */
        assert_int_equal(got.container.labels.n, 2);
        assert_span_equal(kh_pairs_get(&got.container.labels, KH_SPAN("app")), "a\"b");
        assert_span_equal(kh_pairs_get(&got.container.labels, KH_SPAN("x")), "a,b=c");
        assert_span_equal(kh_pairs_get(&got.container.annotations, KH_SPAN("note")), "n");
}

static void shorter_requests_keep_the_identity(void **state)
{
        static struct kh_request r, got;
        char room[2048];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        fill(&r);
        kh_request_write(&b, &r, KH_REQUEST_BOUNDED);
        assert_non_null(memmem(b.p, b.len, "\"cut\":true", 10));
        assert_null(memmem(b.p, b.len, "\"note\"", 6));
        assert_int_equal(read_request(kh_buf_view(&b), &got), 0);
        assert_int_equal(got.container.labels.n, 0);
        assert_span_equal(got.container.bundle, "/run/b/web-1");
        assert_non_null(memmem(b.p, b.len, "app=a\\\"b", 8));

        b = kh_buf_of(room, sizeof(room));
        kh_request_write(&b, &r, KH_REQUEST_IDENTITY);
        assert_span_equal(kh_buf_view(&b),
                "{\"operation\":0,\"detached\":true,\"container\":{\"containerID\":\"web-1\","
                "\"containerName\":\"web-1\",\"namespaceName\":\"container_namespace\","
                "\"endPointName\":\"web-1\",\"privileged\":true,\"pidns\":4026532001,"
                "\"pid\":4242,\"status\":\"stopped\",\"labels\":\"namespaceName="
                "container_namespace,kubearmor.io/container.name=web-1,app=a\\\"b,note=n\"}}");
}

static void numbers_that_kubearmor_cannot_take_are_ours_alone(void **state)
{
        static struct kh_request r;
        char room[2048];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        fill(&r);
        r.container.ns[KH_NS_PID] = 1ULL << 32;
        kh_request_write(&b, &r, KH_REQUEST_WHOLE);
        assert_null(memmem(b.p, b.len, "\"pidns\"", 7));
        assert_non_null(memmem(b.p, b.len, "\"pid\":4294967296", 16));
}

static void cut_anywhere_it_is_refused(void **state)
{
        static struct kh_request r, got;
        char room[2048];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        fill(&r);
        kh_request_write(&b, &r, KH_REQUEST_WHOLE);
        for (size_t n = 0; n < b.len; n++)
                assert_int_equal(read_request((struct kh_span){ room, n }, &got), -EBADMSG);
}

static void a_full_buffer_is_known(void **state)
{
        static struct kh_request r;
        char room[2048];
        struct kh_buf whole = kh_buf_of(room, sizeof(room));

        (void)state;
        fill(&r);
        kh_request_write(&whole, &r, KH_REQUEST_WHOLE);
        for (size_t cap = 0; cap <= whole.len; cap++) {
                char small[2048];
                struct kh_buf b = kh_buf_of(fixture_guarded((struct kh_span){ small, cap }), cap);

                kh_request_write(&b, &r, KH_REQUEST_WHOLE);
                assert_int_equal(b.over, cap < whole.len);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_request_of_kubearmors_own_hook),
                cmocka_unit_test(a_delete_needs_no_more_than_an_id),
                cmocka_unit_test(requests_without_id_or_operation),
                cmocka_unit_test(what_is_no_json_object),
                cmocka_unit_test(ids),
                cmocka_unit_test(a_whole_request_comes_back),
                cmocka_unit_test(shorter_requests_keep_the_identity),
                cmocka_unit_test(numbers_that_kubearmor_cannot_take_are_ours_alone),
                cmocka_unit_test(cut_anywhere_it_is_refused),
                cmocka_unit_test(a_full_buffer_is_known),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
