/* SPDX-License-Identifier: Apache-2.0 */
/* What kubearmor-hookctl lets a terminal see of text that others chose. */
#include "fixture.h"

#include "hookctl/text.h"

#include <locale.h>
#include <stdlib.h>

static void expect(const char *text, const char *visible)
{
        char *guarded = fixture_guarded((struct kh_span){ text, strlen(text) + 1 });
        char *got = kh_text_visible(guarded);

        assert_non_null(got);
        assert_string_equal(got, visible);
        free(got);
}

static void test_plain_text_is_itself(void **state)
{
        (void)state;
        expect("", "");
        expect("web-1 \\ \"x\" ~", "web-1 \\ \"x\" ~");
        expect("\xc3\xbc \xe6\x97\xa5 \xf0\x9f\x90\xb3", "\xc3\xbc \xe6\x97\xa5 \xf0\x9f\x90\xb3");
}

static void test_what_a_terminal_obeys(void **state)
{
        (void)state;
        expect("\x1b[31m\r\n\t\x7f", "\\u001b[31m\\u000d\\u000a\\u0009\\u007f");
        expect("\xc2\x9b"
               "31m",
                "\\u009b31m");
}

static void test_what_turns_or_hides_text(void **state)
{
        (void)state;
        /* NOLINTBEGIN(misc-misleading-bidirectional): they are what is tested */
        expect("\xe2\x80\xae", "\\u202e"); /* right-to-left override */
        expect("\xe2\x81\xa6", "\\u2066"); /* isolate */
        /* NOLINTEND(misc-misleading-bidirectional) */
        expect("\xd8\x9c", "\\u061c");     /* Arabic letter mark */
        expect("\xe2\x80\x8b", "\\u200b"); /* zero-width space */
        expect("\xe2\x80\xa8", "\\u2028"); /* line separator */
        expect("\xef\xbb\xbf", "\\ufeff");
        expect("e\xcc\x81", "e\\u0301");              /* combining: could pile up without end */
        expect("\xf3\xa0\x80\x81", "\\udb40\\udc01"); /* a tag character, as JSON writes it */
}

static void test_what_is_no_utf8(void **state)
{
        (void)state;
        expect("\x80", "\\u0080");
        expect("\xff\xfe", "\\u00ff\\u00fe");
        expect("\xc3", "\\u00c3");            /* cut off */
        expect("\xe6\x97", "\\u00e6\\u0097"); /* the same */
        expect("\xf0\x9f\x90", "\\u00f0\\u009f\\u0090");
        expect("\xc0\xaf", "\\u00c0\\u00af"); /* overlong */
        expect("\xe0\x80\xaf", "\\u00e0\\u0080\\u00af");
        expect("\xed\xa0\x80", "\\ud800"); /* a surrogate */
        expect("\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080");
        expect("\xf8\x88\x80\x80\x80", "\\u00f8\\u0088\\u0080\\u0080\\u0080");
}

static void test_widths(void **state)
{
        size_t width;

        (void)state;
        assert_int_equal(kh_text_width(""), 0);
        assert_int_equal(kh_text_width("a\xc3\xbc\xe6\x97\xa5"), 4);
        assert_int_equal(kh_text_fit("a\xc3\xbc\xe6\x97\xa5z", 3, &width), 3);
        assert_int_equal(width, 2);
        assert_int_equal(kh_text_fit("a\xc3\xbc\xe6\x97\xa5z", 4, &width), 6);
        assert_int_equal(width, 4);
        assert_int_equal(kh_text_fit("abc", 0, &width), 0);
}

static void test_a_locale_without_utf8(void **state)
{
        (void)state;
        assert_non_null(setlocale(LC_CTYPE, "C"));
        expect("\xc3\xbcx", "\\u00fcx");
        assert_false(kh_text_is_utf8());
        assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain_text_is_itself),
                cmocka_unit_test(test_what_a_terminal_obeys),
                cmocka_unit_test(test_what_turns_or_hides_text),
                cmocka_unit_test(test_what_is_no_utf8),
                cmocka_unit_test(test_widths),
                cmocka_unit_test(test_a_locale_without_utf8),
        };

        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
