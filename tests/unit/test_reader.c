/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "json/reader.h"

#include <errno.h>
#include <stdlib.h>

/* A reader over a copy of TEXT that ends where the memory does. */
static struct kh_json reader_of(struct kh_span text)
{
        return kh_json_of(fixture_guarded(text), text.n);
}

static void a_walk_takes_what_it_knows_and_skips_the_rest(void **state)
{
        struct kh_json j =
                reader_of(KH_SPAN(" { \"x\" : {\"id\":\"inner\", \"a\":[1,{}]} ,\n"
                                  "\t\"id\":\"abc\",\r\n\"y\":[],\"pid\":42,"
                                  "\"on\":true,\"off\":false,\"none\":null,\"i\":-5 } \n"));
        struct kh_span key, id = { 0 };
        uint64_t pid = 0;
        int64_t i = 0;
        bool on = false, off = true;

        (void)state;
        assert_true(kh_json_enter_object(&j));
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("id")))
                        assert_true(kh_json_string(&j, &id));
                else if (kh_span_eq(key, KH_SPAN("pid")))
                        assert_true(kh_json_u64(&j, INT32_MAX, &pid));
                else if (kh_span_eq(key, KH_SPAN("i")))
                        assert_true(kh_json_i64(&j, &i));
                else if (kh_span_eq(key, KH_SPAN("on")))
                        assert_true(kh_json_bool(&j, &on));
                else if (kh_span_eq(key, KH_SPAN("off")))
                        assert_true(kh_json_bool(&j, &off));
                else
                        assert_true(kh_json_skip(&j));
        }
        assert_true(kh_json_end(&j));
        assert_span_equal(id, "abc");
        assert_int_equal(pid, 42);
        assert_int_equal(i, -5);
        assert_true(on);
        assert_false(off);
}

static void escaped_names_and_values_are_undone(void **state)
{
        struct kh_json j = reader_of(KH_SPAN("{\"bun\\u0064le\":\"\\/run\\/\\u003cx\\u003e\"}"));
        struct kh_span key, value = { 0 };

        (void)state;
        assert_true(kh_json_enter_object(&j));
        assert_true(kh_json_member(&j, &key));
        assert_span_equal(key, "bundle");
        assert_true(kh_json_string(&j, &value));
        assert_span_equal(value, "/run/<x>");
        assert_false(kh_json_member(&j, &key));
        assert_true(kh_json_end(&j));
}

/* What holds quotes and braces is a value, however much it looks like a member. */
static void a_value_cannot_pose_as_a_member(void **state)
{
        struct kh_json j = reader_of(KH_SPAN(
                "{\"annotations\":{\"a\":\"\\\",\\\"pid\\\":1,\\\"x\\\":\\\"\"},\"pid\":7}"));
        struct kh_span key;
        uint64_t pid = 0;

        (void)state;
        assert_true(kh_json_enter_object(&j));
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("pid")))
                        assert_true(kh_json_u64(&j, 100, &pid));
                else
                        kh_json_skip(&j);
        }
        assert_true(kh_json_end(&j));
        assert_int_equal(pid, 7);
}

static void a_value_of_another_type_is_absent_not_an_error(void **state)
{
        static const char text[] = "[{\"a\":[1]},[2],\"s\",3,true,null]";
        static const enum kh_json_type type[] = { KH_JSON_OBJECT, KH_JSON_ARRAY, KH_JSON_STRING,
                KH_JSON_NUMBER, KH_JSON_BOOL, KH_JSON_NULL };

        (void)state;
        for (int asked = 0; asked < 6; asked++) {
                struct kh_json j = reader_of(KH_SPAN(text));
                struct kh_span s;
                uint64_t u;
                int64_t i;
                bool b;
                int n = 0;

                assert_true(kh_json_enter_array(&j));
                for (; kh_json_element(&j); n++) {
                        assert_int_equal(kh_json_peek(&j), type[n]);
                        if (asked == 0)
                                assert_int_equal(kh_json_string(&j, &s), type[n] == KH_JSON_STRING);
                        else if (asked == 1)
                                assert_int_equal(kh_json_u64(&j, 9, &u), type[n] == KH_JSON_NUMBER);
                        else if (asked == 2)
                                assert_int_equal(kh_json_i64(&j, &i), type[n] == KH_JSON_NUMBER);
                        else if (asked == 3)
                                assert_int_equal(kh_json_bool(&j, &b), type[n] == KH_JSON_BOOL);
                        else if (asked == 4 && type[n] == KH_JSON_OBJECT)
                                assert_false(kh_json_enter_array(&j));
                        else if (asked == 5 && type[n] != KH_JSON_OBJECT)
                                assert_false(kh_json_enter_object(&j));
                        else
                                assert_true(kh_json_skip(&j));
                }
                assert_int_equal(n, 6);
                assert_true(kh_json_end(&j));
        }
}

static void assert_u64(const char *text, uint64_t max, bool good, uint64_t expected)
{
        struct kh_json j = reader_of(kh_span_of(text));
        uint64_t got = 12345;

        if (kh_json_u64(&j, max, &got) != good)
                fail_msg("%s should be %s", text, good ? "taken" : "absent");
        assert_int_equal(got, good ? expected : 12345);
}

static void unsigned_numbers(void **state)
{
        (void)state;
        assert_u64("0", 0, true, 0);
        assert_u64(" 18446744073709551615", UINT64_MAX, true, UINT64_MAX);
        assert_u64("18446744073709551616", UINT64_MAX, false, 0);
        assert_u64("5", 4, false, 0);
        assert_u64("-1", UINT64_MAX, false, 0);
        assert_u64("-0", UINT64_MAX, false, 0);
        assert_u64("1.0", UINT64_MAX, false, 0);
        assert_u64("1e2", UINT64_MAX, false, 0);
        assert_u64("\"1\"", UINT64_MAX, false, 0);
        assert_u64("null", UINT64_MAX, false, 0);
}

static void signed_numbers(void **state)
{
        static const struct {
                const char *text;
                bool good;
                int64_t expected;
        } cases[] = {
                { "0", true, 0 },
                { "-0", true, 0 },
                { "-999", true, -999 },
                { "9223372036854775807", true, INT64_MAX },
                { "-9223372036854775807", true, -INT64_MAX },
                { "9223372036854775808", false, 0 },
                { "-", false, 0 },
                { "--1", false, 0 },
                { "-1.5", false, 0 },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct kh_json j = reader_of(kh_span_of(cases[i].text));
                int64_t got = 12345;

                assert_int_equal(kh_json_i64(&j, &got), cases[i].good);
                assert_int_equal(got, cases[i].good ? cases[i].expected : 12345);
        }
}

static void a_string_that_is_no_text_is_absent(void **state)
{
        static const char *const bad[] = { "\"\\u0000\"", "\"a\\ud800\"", "\"\\udc00\"", "\"\\q\"",
                "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"" };
        static const char nul[] = "\"a\0b\"";

        (void)state;
        for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
                const bool last = i == sizeof(bad) / sizeof(bad[0]);
                struct kh_json j = reader_of(last ? KH_SPAN(nul) : kh_span_of(bad[i]));
                struct kh_span s = KH_SPAN("untouched");

                assert_false(kh_json_string(&j, &s));
                assert_span_equal(s, "untouched");
                assert_true(kh_json_end(&j));
        }
}

static void a_name_that_is_no_text_matches_nothing(void **state)
{
        struct kh_json j = reader_of(KH_SPAN("{\"id\\u0000\":1,\"id\":2}"));
        struct kh_span key;
        uint64_t id = 0;

        (void)state;
        assert_true(kh_json_enter_object(&j));
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("id")))
                        assert_true(kh_json_u64(&j, 9, &id));
                else
                        assert_true(kh_json_skip(&j));
        }
        assert_true(kh_json_end(&j));
        assert_int_equal(id, 2);
}

/* Consumes whatever comes, entering every object and array. No recursion: DEPTH levels fit. */
static bool walk(struct kh_json *j)
{
        enum { DEPTH = 64 };
        bool is_object[DEPTH];
        int depth = 0;

        for (;;) {
                enum kh_json_type type = kh_json_peek(j);
                struct kh_span s;

                if (depth < DEPTH && type == KH_JSON_OBJECT) {
                        is_object[depth++] = true;
                        kh_json_enter_object(j);
                } else if (depth < DEPTH && type == KH_JSON_ARRAY) {
                        is_object[depth++] = false;
                        kh_json_enter_array(j);
                } else if (type == KH_JSON_STRING) {
                        kh_json_string(j, &s);
                } else {
                        kh_json_skip(j);
                }
                while (depth &&
                        !(is_object[depth - 1] ? kh_json_member(j, &s) : kh_json_element(j)))
                        depth--;
                if (depth == 0)
                        return kh_json_end(j);
        }
}

static void documents_that_are_none(void **state)
{
        static const char *const bad[] = { "", " ", "{", "}", "[", "]", "{\"a\"",
                "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{,\"a\":1}", "{\"a\":}",
                "{\"a\" 1}", "{\"a\",1}", "{a:1}", "{1:2}", "{'a':1}", "{\"a\":1 \"b\":2}",
                "{\"a\":1;\"b\":2}", "[1 2]", "[1,]", "[,1]", "[1,,2]", "{]", "[}", "{\"a\":1]",
                "[1}", "[1", "tru", "true false", "truex", "fals", "nul", "nulll", "\"", "\"a",
                "\"a\\", "\"a\\\"", "{} {}", "{}x", "[]]", "\xef\xbb\xbf{}", "NaN", "Infinity",
                "+1", ".5", "//x\n1", "{\"a\":1}\xff", "\x01" };

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct kh_json j = reader_of(kh_span_of(bad[i]));

                if (walk(&j))
                        fail_msg("'%s' was taken", bad[i]);
                assert_non_null(j.error);
        }
}

static void an_absent_text_is_an_empty_one(void **state)
{
        struct kh_json j = kh_json_of(NULL, 0);
        struct kh_span s;

        (void)state;
        assert_false(kh_json_enter_object(&j));
        assert_false(kh_json_member(&j, &s));
        assert_false(kh_json_end(&j));
}

static void an_error_sticks(void **state)
{
        struct kh_json j = reader_of(KH_SPAN("{\"a\" 1,\"b\":2}"));
        struct kh_span s;
        uint64_t u;
        const char *error;
        bool b;

        (void)state;
        assert_true(kh_json_enter_object(&j));
        assert_false(kh_json_member(&j, &s));
        error = j.error;
        assert_non_null(error);
        assert_int_equal(kh_json_peek(&j), KH_JSON_INVALID);
        assert_false(kh_json_member(&j, &s));
        assert_false(kh_json_element(&j));
        assert_false(kh_json_string(&j, &s));
        assert_false(kh_json_u64(&j, 9, &u));
        assert_false(kh_json_bool(&j, &b));
        assert_false(kh_json_raw(&j, &s));
        assert_false(kh_json_skip(&j));
        assert_false(kh_json_enter_object(&j));
        assert_false(kh_json_enter_array(&j));
        assert_false(kh_json_end(&j));
        assert_ptr_equal(j.error, error);
}

static void raw_gives_a_value_as_it_was_written(void **state)
{
        struct kh_json j = reader_of(KH_SPAN("[ {\"a\": \"\\u0041\"} , \"\\n\" ]"));
        struct kh_span s = { 0 };

        (void)state;
        assert_true(kh_json_enter_array(&j));
        assert_true(kh_json_element(&j));
        assert_true(kh_json_raw(&j, &s));
        assert_span_equal(s, "{\"a\": \"\\u0041\"}");
        assert_true(kh_json_element(&j));
        assert_true(kh_json_raw(&j, &s));
        assert_span_equal(s, "\"\\n\"");
        assert_false(kh_json_element(&j));
        assert_true(kh_json_end(&j));
}

static void assert_good_at_full_length_only(const char *name, struct kh_span text)
{
        struct kh_json j = reader_of(text);

        if (!walk(&j))
                fail_msg("%s: %s", name, j.error);
        while (text.n && text.p[text.n - 1] != '}')
                text.n--;
        for (size_t n = 0; n < text.n; n++) {
                j = reader_of((struct kh_span){ text.p, n });
                if (walk(&j))
                        fail_msg("%s is complete after %zu of %zu bytes", name, n, text.n);
        }
}

static void recorded_documents_whole_and_cut_anywhere(void **state)
{
        (void)state;
        fixture_each_recorded("*.json", assert_good_at_full_length_only);
}

static struct kh_span nested(char open, char close, size_t depth)
{
        char *text = malloc(2 * depth);

        assert_non_null(text);
        memset(text, open, depth);
        memset(text + depth, close, depth);
        return (struct kh_span){ text, 2 * depth };
}

/* As deep as anybody likes: nothing recurses, nothing is quadratic. */
static void a_million_levels(void **state)
{
        const struct kh_span text = nested('[', ']', 1000000);
        struct kh_json j = reader_of(text);
        struct kh_json_frame f = { 0 };
        struct kh_span s;

        (void)state;
        assert_true(kh_json_skip(&j));
        assert_true(kh_json_end(&j));
        j = reader_of((struct kh_span){ text.p, text.n - 1 });
        assert_false(kh_json_skip(&j));
        j = reader_of(text);
        while (kh_json_peek(&j) == KH_JSON_ARRAY) {
                assert_true(kh_json_enter_array(&j));
                if (!kh_json_element(&j))
                        break;
        }
        for (size_t i = 1; i < text.n / 2; i++)
                assert_false(kh_json_element(&j));
        assert_true(kh_json_end(&j));
        assert_false(kh_json_member(&j, &s));
        assert_int_equal(kh_json_frame(&f, text.p, text.n), -EBADMSG);
        memset((char *)text.p, '{', 1);
        memset((char *)text.p + text.n - 1, '}', 1);
        f = (struct kh_json_frame){ 0 };
        assert_int_equal(kh_json_frame(&f, text.p, text.n), text.n);
        free((char *)text.p);
}

static void assert_framed(struct kh_span text, ptrdiff_t expected)
{
        struct kh_json_frame at_once = { 0 }, by_bytes = { 0 };
        ptrdiff_t got = 0;

        assert_int_equal(kh_json_frame(&at_once, text.p, text.n), expected);
        for (size_t n = 0; n <= text.n && got == 0; n++) {
                got = kh_json_frame(&by_bytes, fixture_guarded((struct kh_span){ text.p, n }), n);
                if (got > 0)
                        assert_int_equal(got, n);
        }
        assert_int_equal(got, expected);
}

static void a_request_ends_where_its_object_does(void **state)
{
        (void)state;
        assert_framed(KH_SPAN("{}"), 2);
        assert_framed(KH_SPAN(" \r\n\t{\"a\":[{}]}{\"b\":1}"), 14);
        assert_framed(KH_SPAN("{\"a\":\"}\"}"), 9);
        assert_framed(KH_SPAN("{\"a\":\"\\\"}\"}x"), 11);
        assert_framed(KH_SPAN("{\"\\\\\":\"\\\\\"}x"), 11);
        assert_framed(KH_SPAN("{\"}\":[\"]\",\"[{\"]}"), 16);
        assert_framed(KH_SPAN(""), 0);
        assert_framed(KH_SPAN(" \n"), 0);
        assert_framed(KH_SPAN("{\"a\":\"\\"), 0);
        assert_framed(KH_SPAN("{\"a\":{}"), 0);
}

static void a_stream_that_does_not_begin_with_an_object(void **state)
{
        static const char *const bad[] = { "[]", "x", "}", "]", " ,{}", "\"{}\"", "1", "ok",
                "\xff" };

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_framed(kh_span_of(bad[i]), -EBADMSG);
        assert_framed(KH_SPAN("\0{}"), -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_walk_takes_what_it_knows_and_skips_the_rest),
                cmocka_unit_test(escaped_names_and_values_are_undone),
                cmocka_unit_test(a_value_cannot_pose_as_a_member),
                cmocka_unit_test(a_value_of_another_type_is_absent_not_an_error),
                cmocka_unit_test(unsigned_numbers),
                cmocka_unit_test(signed_numbers),
                cmocka_unit_test(a_string_that_is_no_text_is_absent),
                cmocka_unit_test(a_name_that_is_no_text_matches_nothing),
                cmocka_unit_test(documents_that_are_none),
                cmocka_unit_test(an_absent_text_is_an_empty_one),
                cmocka_unit_test(an_error_sticks),
                cmocka_unit_test(raw_gives_a_value_as_it_was_written),
                cmocka_unit_test(recorded_documents_whole_and_cut_anywhere),
                cmocka_unit_test(a_million_levels),
                cmocka_unit_test(a_request_ends_where_its_object_does),
                cmocka_unit_test(a_stream_that_does_not_begin_with_an_object),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
