/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "oci/annotations.h"
#include "oci/state.h"

#include <errno.h>

static int read_state(struct kh_span text, struct kh_oci_state *ret)
{
        struct kh_err err = { 0 };
        int code = kh_oci_read_state(fixture_guarded(text), text.n, ret, &err);

        assert_int_equal(err.code, code);
        return code;
}

static enum kh_oci_status expected_status(const char *name)
{
        const bool crun = strstr(name, "crun") != NULL;

        if (strstr(name, "poststop"))
                return KH_STATUS_STOPPED;
        if (strstr(name, "poststart"))
                return crun ? KH_STATUS_RUNNING : KH_STATUS_CREATED;
        return crun ? KH_STATUS_CREATED : KH_STATUS_CREATING;
}

static int64_t expected_pid(const char *name)
{
        if (strstr(name, "poststop"))
                return 0;
        if (strstr(name, "createContainer"))
                return strstr(name, "crun") ? 0 : 1;
        return 4242;
}

static void assert_recorded(const char *name, struct kh_span text)
{
        static struct kh_pairs annotations;
        struct kh_oci_state s;

        annotations.n = annotations.dropped = 0;
        if (read_state(text, &s) != 0)
                fail_msg("%s was not read", name);
        assert_span_equal(s.id, "web-1");
        assert_span_equal(s.bundle, "/run/bundles/web-1");
        assert_int_equal(s.status, expected_status(name));
        assert_int_equal(s.pid, expected_pid(name));
        kh_oci_read_annotations_text(s.annotations, &annotations);
        assert_int_equal(annotations.n, 3);
        assert_span_equal(kh_pairs_get(&annotations, KH_SPAN("note")),
                "a <b> & \"c\" \\ /d \xc3\xa4 \xf0\x9f\x90\xb3 {\"pid\":1}");
}

static void what_each_runtime_writes_at_each_stage(void **state)
{
        (void)state;
        fixture_each_recorded("state-*.json", assert_recorded);
}

static void assert_cut_is_refused(const char *name, struct kh_span text)
{
        struct kh_oci_state s;

        while (text.n && text.p[text.n - 1] != '}')
                text.n--;
        for (size_t n = 0; n < text.n; n++) {
                if (read_state((struct kh_span){ text.p, n }, &s) != -EBADMSG)
                        fail_msg("%s was taken after %zu bytes", name, n);
        }
}

static void cut_anywhere_it_is_refused(void **state)
{
        (void)state;
        fixture_each_recorded("state-*.json", assert_cut_is_refused);
}

static void a_state_without_a_usable_id(void **state)
{
        static const char *const bad[] = { "{}", "{\"id\":\"\"}", "{\"id\":7}", "{\"id\":\"../x\"}",
                "{\"id\":\"a\\u0000b\"}", "{\"id\":null}", "{\"id\":[\"a\"]}" };
        struct kh_oci_state s;

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(read_state(kh_span_of(bad[i]), &s), -EINVAL);
}

static void members_of_the_wrong_kind_are_absent(void **state)
{
        struct kh_oci_state s;

        (void)state;
        assert_int_equal(read_state(KH_SPAN("{\"id\":\"a\",\"pid\":\"1\",\"status\":3,"
                                            "\"bundle\":{},\"annotations\":null}"),
                                 &s),
                0);
        assert_int_equal(s.pid, 0);
        assert_int_equal(s.status, KH_STATUS_OTHER);
        assert_null(s.bundle.p);
        assert_int_equal(
                read_state(KH_SPAN("{\"id\":\"a\",\"pid\":-5,\"status\":\"paused\"}"), &s), 0);
        assert_int_equal(s.pid, -5);
        assert_int_equal(s.status, KH_STATUS_OTHER);
        assert_int_equal(read_state(KH_SPAN("{\"id\":\"a\",\"pid\":9223372036854775808}"), &s), 0);
        assert_int_equal(s.pid, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_each_runtime_writes_at_each_stage),
                cmocka_unit_test(cut_anywhere_it_is_refused),
                cmocka_unit_test(a_state_without_a_usable_id),
                cmocka_unit_test(members_of_the_wrong_kind_are_absent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
