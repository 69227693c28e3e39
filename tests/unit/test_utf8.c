/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/utf8.h"
#include "json/unescape.h"

static void assert_text(struct kh_span s, bool good)
{
        struct kh_span guarded = { fixture_guarded(s), s.n };

        if (kh_utf8_is_text(guarded) != good)
                fail_msg("'%.*s' should be %s", (int)s.n, s.p, good ? "text" : "no text");
}

static void text_at_the_borders_of_each_length(void **state)
{
        static const char *const good[] = { "", "plain", "\x01\x7f", "\xc2\x80", "\xdf\xbf",
                "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
                "\xf4\x8f\xbf\xbf", "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3z" };

        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_text(kh_span_of(good[i]), true);
}

static void malformed_sequences(void **state)
{
        static const char *const bad[] = {
                "\x80",
                "\xbf",
                "\xc0\x80",
                "\xc1\xbf", /* stray or overlong */
                "\xc2",
                "\xc2z",
                "\xe0\x9f\xbf",
                "\xe1\x80",
                "\xe1\x80z", /* cut */
                "\xed\xa0\x80",
                "\xed\xbf\xbf", /* surrogates */
                "\xf0\x8f\xbf\xbf",
                "\xf0\x90\x80",
                "\xf4\x90\x80\x80",
                "\xf5\x80\x80\x80",
                "\xff",
                "\xf0\x90\x80\xc0",
                "ab\xfe-cd",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_text(kh_span_of(bad[i]), false);
        assert_text(KH_SPAN("a\0b"), false);
}

/* Each code point in its only encoding, and every three-byte text beside a decoder's verdict. */
static bool decodes(const unsigned char *p, size_t n)
{
        for (size_t i = 0; i < n;) {
                uint32_t c = p[i];
                size_t more = c < 0x80                ? 0
                              : c >= 0xc0 && c < 0xe0 ? 1
                              : c >= 0xe0 && c < 0xf0 ? 2
                                                      : 9;
                uint32_t least = more == 1 ? 0x80 : more == 2 ? 0x800 : 1;

                if (more == 9 || i + more >= n)
                        return false;
                c &= more == 1 ? 0x1f : more == 2 ? 0x0f : 0x7f;
                for (i++; more; more--, i++) {
                        if ((p[i] & 0xc0) != 0x80)
                                return false;
                        c = c << 6 | (p[i] & 0x3f);
                }
                if (c < least || (c >= 0xd800 && c <= 0xdfff))
                        return false;
        }
        return true;
}

static void every_text_of_three_bytes(void **state)
{
        unsigned char p[3];

        (void)state;
        for (uint32_t i = 0; i < 1U << 24; i++) {
                struct kh_span s = { (const char *)p, 3 };

                p[0] = (unsigned char)(i >> 16);
                p[1] = (unsigned char)(i >> 8);
                p[2] = (unsigned char)i;
                /* Where the last byte cannot matter one of them stands for all. */
                if (p[0] < 0x80 && p[1] < 0x80 && p[2] > 1)
                        continue;
                if (kh_utf8_is_text(s) != decodes(p, 3))
                        fail_msg("%02x %02x %02x", p[0], p[1], p[2]);
        }
}

static void assert_unescaped(struct kh_span escaped, struct kh_span expected)
{
        char *start = fixture_guarded(escaped);
        char *backslash = memchr(start, '\\', escaped.n);
        char *end = kh_json_unescape(backslash ? backslash : start, start + escaped.n);

        if (!expected.p) {
                if (end)
                        fail_msg("'%.*s' is no escape", (int)escaped.n, escaped.p);
                return;
        }
        assert_non_null(end);
        assert_int_equal(end - start, expected.n);
        assert_memory_equal(start, expected.p, expected.n);
}

static void escapes_are_undone(void **state)
{
        static const struct {
                const char *escaped, *plain;
        } good[] = {
                { "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t" },
                { "a\\/b", "a/b" },
                { "\\u003chtml\\u003E \\u0026", "<html> &" },
                { "\\u0001", "\x01" },
                { "\\u007f\\u0080", "\x7f\xc2\x80" },
                { "\\u07ff\\u0800", "\xdf\xbf\xe0\xa0\x80" },
                { "\\ud7ff\\ue000\\uffff", "\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf" },
                { "\\ud83d\\udc33", "\xf0\x9f\x90\xb3" },
                { "\\uD800\\uDC00", "\xf0\x90\x80\x80" },
                { "\\uDBFF\\uDFFF", "\xf4\x8f\xbf\xbf" },
                { "\\\\u0041", "\\u0041" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_unescaped(kh_span_of(good[i].escaped), kh_span_of(good[i].plain));
}

static void what_is_no_escape(void **state)
{
        static const char *const bad[] = { "\\", "\\x41", "\\'", "\\U0041", "\\u", "\\u1", "\\u12",
                "\\u123", "\\u12g4", "\\u 123", "\\u+123", "\\u0000", "\\ud800", "\\udbff",
                "\\udc00", "\\ud800x", "\\ud800\\n", "\\ud800\\u0041", "\\ud800\\ud800",
                "\\udc00\\ud800", "\\ud800\\udc0", "\\ud800\\u", "\\ud83d\\", "ok \\q" };

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_unescaped(kh_span_of(bad[i]), (struct kh_span){ 0 });
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_at_the_borders_of_each_length),
                cmocka_unit_test(malformed_sequences),
                cmocka_unit_test(every_text_of_three_bytes),
                cmocka_unit_test(escapes_are_undone),
                cmocka_unit_test(what_is_no_escape),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
