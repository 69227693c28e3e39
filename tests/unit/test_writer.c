/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "json/reader.h"
#include "json/writer.h"

static void members_and_elements_get_their_commas(void **state)
{
        char room[256];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        kh_json_open(&b, '{');
        kh_json_put_str_member(&b, KH_SPAN("a"), KH_SPAN("x"));
        kh_json_put_str_member(&b, KH_SPAN("empty"), KH_SPAN(""));
        kh_json_put_u64_member(&b, KH_SPAN("n"), 7);
        kh_json_put_bool_member(&b, KH_SPAN("yes"), true);
        kh_json_put_bool_member(&b, KH_SPAN("no"), false);
        kh_json_put_key(&b, KH_SPAN("list"));
        kh_json_open(&b, '[');
        for (int i = 0; i < 2; i++) {
                kh_json_open(&b, '{');
                kh_json_close(&b, '}');
        }
        kh_json_put_comma(&b);
        kh_json_put_string(&b, KH_SPAN("s"));
        kh_json_close(&b, ']');
        kh_json_close(&b, '}');
        assert_span_equal(kh_buf_view(&b),
                "{\"a\":\"x\",\"empty\":\"\",\"n\":7,\"yes\":true,\"no\":false,"
                "\"list\":[{},{},\"s\"]}");
}

static void absent_facts_are_left_out(void **state)
{
        char room[64];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        kh_json_open(&b, '{');
        kh_json_put_str_member(&b, KH_SPAN("a"), (struct kh_span){ 0 });
        kh_json_put_u64_member(&b, KH_SPAN("b"), 0);
        kh_json_put_u64_member(&b, KH_SPAN("c"), 1);
        kh_json_close(&b, '}');
        assert_span_equal(kh_buf_view(&b), "{\"c\":1}");
}

/* Documents one a line need no comma between them. */
static void a_new_line_starts_a_new_document(void **state)
{
        char room[64];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        for (int i = 0; i < 2; i++) {
                kh_json_open(&b, '{');
                kh_json_close(&b, '}');
                kh_buf_char(&b, '\n');
        }
        assert_span_equal(kh_buf_view(&b), "{}\n{}\n");
}

/* A string's last byte is no bracket of the document, whatever it is. */
static void a_string_ending_in_a_bracket(void **state)
{
        char room[64];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        kh_json_open(&b, '[');
        kh_json_put_comma(&b);
        kh_json_put_string(&b, KH_SPAN("{"));
        kh_json_put_comma(&b);
        kh_json_put_string(&b, KH_SPAN("["));
        kh_json_close(&b, ']');
        assert_span_equal(kh_buf_view(&b), "[\"{\",\"[\"]");
}

static void a_line_stays_one_line(void **state)
{
        char room[64];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        kh_json_put_string(&b, KH_SPAN("\"\\/\n\t\r\x01\x1f\x7f\xc3\xa4"));
        assert_span_equal(
                kh_buf_view(&b), "\"\\\"\\\\/\\n\\t\\u000d\\u0001\\u001f\\u007f\xc3\xa4\"");
}

static void every_text_comes_back(void **state)
{
        struct fixture_random r = { 1 };

        (void)state;
        for (int round = 0; round < 20000; round++) {
                char text[40], room[256];
                struct kh_buf b = kh_buf_of(room, sizeof(room));
                struct kh_span back = { 0 };
                struct kh_json j;
                size_t n = fixture_below(&r, sizeof(text));

                for (size_t i = 0; i < n; i++)
                        text[i] = (char)(1 + fixture_below(&r, 127));
                kh_json_put_string(&b, (struct kh_span){ text, n });
                j = kh_json_of(fixture_guarded(kh_buf_view(&b)), 0);
                j.end = j.p + b.len;
                assert_true(kh_json_string(&j, &back));
                assert_true(kh_json_end(&j));
                assert_int_equal(back.n, n);
                assert_memory_equal(back.p, text, n);
        }
}

static void a_full_buffer_is_known_at_the_end(void **state)
{
        char room[64];

        (void)state;
        for (size_t cap = 0; cap < 20; cap++) {
                struct kh_buf b = kh_buf_of(fixture_guarded((struct kh_span){ room, cap }), cap);

                kh_json_open(&b, '{');
                kh_json_put_str_member(&b, KH_SPAN("k"), KH_SPAN("a\nb\x01"));
                kh_json_close(&b, '}');
                assert_int_equal(b.over, cap < sizeof("{'k':'a.nb.u0001'}") - 1);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(members_and_elements_get_their_commas),
                cmocka_unit_test(absent_facts_are_left_out),
                cmocka_unit_test(a_new_line_starts_a_new_document),
                cmocka_unit_test(a_string_ending_in_a_bracket),
                cmocka_unit_test(a_line_stays_one_line),
                cmocka_unit_test(every_text_comes_back),
                cmocka_unit_test(a_full_buffer_is_known_at_the_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
