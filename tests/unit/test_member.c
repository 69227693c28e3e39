/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "setup/json_edit.h"

#include <errno.h>

static const struct kh_member_path default_runtime = {
        .key = { { "default-runtime", 15 } },
        .n = 1,
};
static const struct kh_member_path ours = {
        .key = { { "runtimes", 8 }, { "kubearmor", 9 } },
        .n = 2,
};

static void sets(const struct kh_member_path *path, const char *from, const char *to)
{
        struct kh_text set = { 0 }, back = { 0 };
        struct kh_err err = { 0 };

        assert_int_equal(kh_json_set(kh_span_of(from), path, KH_SPAN("\"x\""), &set, &err), 0);
        assert_string_equal(set.p, to);
        assert_int_equal(kh_json_remove(kh_text_view(&set), path, &back, &err), 1);
        assert_string_equal(back.p, from);
        kh_text_done(&set);
        kh_text_done(&back);
}

static void members_are_set_and_taken_out(void **state)
{
        (void)state;
        sets(&default_runtime, "{}", "{\"default-runtime\":\"x\"}");
        sets(&default_runtime, "{\n  \"a\": 1\n}\n",
                "{\n  \"a\": 1,\n  \"default-runtime\": \"x\"\n}\n");
        sets(&ours, "{\"a\":[]}", "{\"a\":[],\"runtimes\":{\"kubearmor\":\"x\"}}");
        sets(&ours, "{\"runtimes\":{\"nvidia\":{}},\"b\":{}}",
                "{\"runtimes\":{\"nvidia\":{},\"kubearmor\":\"x\"},\"b\":{}}");
}

static void a_value_takes_the_place_of_another(void **state)
{
        struct kh_text set = { 0 };

        (void)state;
        assert_int_equal(kh_json_set(KH_SPAN("{\"default-runtime\" : {\"a\":1} }"),
                                 &default_runtime, KH_SPAN("2"), &set, NULL),
                0);
        assert_string_equal(set.p, "{\"default-runtime\" : 2 }");
        kh_text_done(&set);
}

static void the_first_of_several_is_taken_out(void **state)
{
        struct kh_text left = { 0 };

        (void)state;
        assert_int_equal(kh_json_remove(KH_SPAN("{ \"runtimes\": {\"kubearmor\": 1},\n \"b\": 2}"),
                                 &ours, &left, NULL),
                1);
        assert_string_equal(left.p, "{ \"b\": 2}");
        kh_text_done(&left);
}

static void odd_documents_are_refused(void **state)
{
        static const char *const texts[] = { "", "[]", "{\"runtimes\":3}", "{\"a\":1",
                "{\"runtimes\":{\"kubearmor\":1,\"kubearmor\":2}}",
                "{\"runtimes\":{},\"runtimes\":{}}" };

        (void)state;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                struct kh_text set = { 0 };
                struct kh_err err = { 0 };

                assert_int_equal(kh_json_set(kh_span_of(texts[i]), &ours, KH_SPAN("1"), &set, &err),
                        -EBADMSG);
                assert_null(set.p);
        }
}

/* Somebody has changed daemon.json since: theirs stays, ours goes, the old default comes back. */
static void docker_gets_its_default_back(void **state)
{
        struct kh_text left = { 0 };

        (void)state;
        assert_int_equal(kh_docker_strip(KH_SPAN("{\"runtimes\":{\"kubearmor\":{\"path\":\"/w\"},"
                                                 "\"theirs\":{}},\"default-runtime\":\"kubearmor\","
                                                 "\"new\":1}"),
                                 KH_SPAN("{\"default-runtime\":\"nvidia\"}"), &left, NULL),
                0);
        assert_string_equal(
                left.p, "{\"runtimes\":{\"theirs\":{}},\"default-runtime\":\"nvidia\",\"new\":1}");
        kh_text_done(&left);
        assert_int_equal(kh_docker_strip(KH_SPAN("{\"default-runtime\":\"theirs\"}"),
                                 (struct kh_span){ 0 }, &left, NULL),
                0);
        assert_string_equal(left.p, "{\"default-runtime\":\"theirs\"}");
        kh_text_done(&left);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(members_are_set_and_taken_out),
                cmocka_unit_test(a_value_takes_the_place_of_another),
                cmocka_unit_test(the_first_of_several_is_taken_out),
                cmocka_unit_test(odd_documents_are_refused),
                cmocka_unit_test(docker_gets_its_default_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
