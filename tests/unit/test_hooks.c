/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "spec/hooks.h"

#include <errno.h>
#include <stdio.h>

#define OURS_1 "{\"path\":\"/opt/k/kubearmor-hook\",\"args\":[\"a\"]}"
#define OURS_2 "{\"path\":\"\\/x\\/kubearmor-hook\"}"
#define OTHER  "{\"path\":\"/usr/bin/other\"}"

static const struct kh_stage_hooks two = {
        .v = { { { "createRuntime", 13 }, { OURS_1, sizeof(OURS_1) - 1 } },
                { { "poststop", 8 }, { OURS_2, sizeof(OURS_2) - 1 } } },
        .n = 2,
};

static char copy[1 << 16], with[1 << 16], without[1 << 16];

static struct kh_span add(struct kh_span text)
{
        struct kh_buf out = kh_buf_of(with, sizeof(with));
        struct kh_err err = { 0 };

        assert_int_equal(kh_hooks_add(text, copy, &two, &out, &err), 0);
        return kh_buf_view(&out);
}

static int remove_from(struct kh_span text, struct kh_span *ret)
{
        struct kh_buf out = kh_buf_of(without, sizeof(without));
        struct kh_err err = { 0 };
        int r = kh_hooks_remove(text, copy, &out, &err);

        *ret = kh_buf_view(&out);
        return r;
}

static void adds(const char *from, const char *to)
{
        struct kh_span text = kh_span_of(from), added, back;

        added = add((struct kh_span){ fixture_guarded(text), text.n });
        assert_int_equal(added.n, strlen(to));
        assert_memory_equal(added.p, to, added.n);
        assert_int_equal(remove_from(added, &back), 2);
        assert_int_equal(back.n, text.n);
        assert_memory_equal(back.p, from, text.n);
}

static void hooks_are_added_where_there_are_none(void **state)
{
        (void)state;
        adds("{}", "{\"hooks\":{\"createRuntime\":[" OURS_1 "],\"poststop\":[" OURS_2 "]}}");
        adds("{\"a\":1}",
                "{\"a\":1,\"hooks\":{\"createRuntime\":[" OURS_1 "],\"poststop\":[" OURS_2 "]}}");
        adds("{\n\t\"a\": 1\n}\n", "{\n\t\"a\": 1,\n\t\"hooks\": {\"createRuntime\": [" OURS_1
                                   "], \"poststop\": [" OURS_2 "]}\n}\n");
}

static void hooks_are_added_behind_others(void **state)
{
        (void)state;
        adds("{\"hooks\":{\"poststop\":[ " OTHER " ],\"prestart\":[]},\"z\":2}",
                "{\"hooks\":{\"poststop\":[ " OTHER ", " OURS_2 " ],\"prestart\":[]"
                ",\"createRuntime\":[" OURS_1 "]},\"z\":2}");
}

static void several_of_one_stage(void **state)
{
        const struct kh_stage_hooks hooks = { .v = { two.v[0], two.v[0] }, .n = 2 };
        struct kh_span text = KH_SPAN("{\"hooks\":{\"createRuntime\":[]}}");
        struct kh_buf out = kh_buf_of(with, sizeof(with));

        (void)state;
        assert_int_equal(kh_hooks_add(text, copy, &hooks, &out, NULL), 0);
        assert_span_equal(
                kh_buf_view(&out), "{\"hooks\":{\"createRuntime\":[" OURS_1 "," OURS_1 "]}}");
}

static void only_ours_are_removed(void **state)
{
        struct kh_span back;

        (void)state;
        assert_int_equal(remove_from(KH_SPAN("{\"hooks\":{\"a\":[" OURS_1 ", " OTHER ", " OURS_2
                                             ", " OTHER "],\"b\":[" OURS_1 "],\"c\":[" OTHER "]}}"),
                                 &back),
                3);
        assert_span_equal(back, "{\"hooks\":{\"a\":[" OTHER ", " OTHER "],\"c\":[" OTHER "]}}");
        assert_int_equal(
                remove_from(KH_SPAN("{\"hooks\":{\"b\":[" OURS_1 "],\"c\":[" OTHER "]}}"), &back),
                1);
        assert_span_equal(back, "{\"hooks\":{\"c\":[" OTHER "]}}");
}

static void what_is_no_configuration_is_refused(void **state)
{
        static const char *const texts[] = { "", "[]", "{", "{\"hooks\":[]}", "{} x",
                "{\"hooks\":{\"createRuntime\":3}}", "{\"hooks\":{},\"hooks\":{}}" };

        (void)state;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                struct kh_buf out = kh_buf_of(with, sizeof(with));
                struct kh_err err = { 0 };

                assert_int_equal(
                        kh_hooks_add(kh_span_of(texts[i]), copy, &two, &out, &err), -EBADMSG);
                assert_true(*err.msg);
        }
}

static void a_buffer_that_is_too_small_is_told(void **state)
{
        struct kh_buf out = kh_buf_of(with, 20);

        (void)state;
        assert_int_equal(kh_hooks_add(KH_SPAN("{\"a\":1}"), copy, &two, &out, NULL), -ENOBUFS);
}

static void recorded(const char *name, struct kh_span text)
{
        struct kh_span back;

        (void)name;
        assert_int_equal(remove_from(add(text), &back), 2);
        assert_int_equal(back.n, text.n);
        assert_memory_equal(back.p, text.p, text.n);
}

static void recorded_configurations_come_back(void **state)
{
        (void)state;
        fixture_each_recorded("config-*.json", recorded);
}

static void put(struct kh_buf *b, const char *s)
{
        kh_buf_span(b, kh_span_of(s));
}

/* Blanks of any kind where JSON has them. */
static void blank(struct kh_buf *b, struct fixture_random *r)
{
        static const char *const blanks[] = { "", "", " ", "\n", "\r\n\t" };

        put(b, blanks[fixture_below(r, 5)]);
}

static void put_list(struct kh_buf *b, struct fixture_random *r)
{
        unsigned n = 1 + fixture_below(r, 3); /* an empty list does not come back */

        put(b, "[");
        for (unsigned i = 0; i < n; i++) {
                blank(b, r);
                put(b, fixture_below(r, 2) ? OTHER : "{\"path\":\"a\\\"]}b\"}");
                blank(b, r);
                put(b, i + 1 < n ? "," : "]");
        }
}

static void put_configuration(struct kh_buf *b, struct fixture_random *r)
{
        static const char *const stages[] = { "prestart", "createRuntime", "poststop", "odd" };
        unsigned members = fixture_below(r, 4), at = fixture_below(r, members + 1), n;
        bool has_hooks = fixture_below(r, 3) != 0, any = false;

        put(b, "{");
        for (unsigned i = 0; i <= members; i++) {
                if (i == at && !has_hooks)
                        continue;
                put(b, any ? "," : "");
                any = true;
                blank(b, r);
                if (i != at) {
                        put(b, "\"m\\u0041{\" : [1, {\"hooks\":{}}]");
                        blank(b, r);
                        continue;
                }
                put(b, "\"hooks\":{");
                n = 1 + fixture_below(r, 4);
                for (unsigned k = 0; k < n; k++) {
                        blank(b, r);
                        put(b, "\"");
                        put(b, stages[k]);
                        put(b, "\":");
                        put_list(b, r);
                        put(b, k + 1 < n ? "," : "}");
                }
        }
        blank(b, r);
        put(b, "}");
        blank(b, r);
}

static void any_configuration_comes_back(void **state)
{
        struct fixture_random r = { 42 };

        (void)state;
        for (int i = 0; i < 20000; i++) {
                char text[4096];
                struct kh_buf b = kh_buf_of(text, sizeof(text));

                put_configuration(&b, &r);
                assert_false(b.over);
                recorded(NULL, kh_buf_view(&b));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(hooks_are_added_where_there_are_none),
                cmocka_unit_test(hooks_are_added_behind_others),
                cmocka_unit_test(several_of_one_stage),
                cmocka_unit_test(only_ours_are_removed),
                cmocka_unit_test(what_is_no_configuration_is_refused),
                cmocka_unit_test(a_buffer_that_is_too_small_is_told),
                cmocka_unit_test(recorded_configurations_come_back),
                cmocka_unit_test(any_configuration_comes_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
