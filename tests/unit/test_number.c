/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/number.h"

static const uint64_t untouched = 0xfeedULL;

static void assert_u64(struct kh_span text, uint64_t max, bool good, uint64_t expected)
{
        uint64_t got = untouched;
        struct kh_span guarded = { fixture_guarded(text), text.n };

        assert_int_equal(kh_parse_u64(guarded, max, &got), good);
        assert_int_equal(got, good ? expected : untouched);
}

static void whole_decimal_numbers_in_range(void **state)
{
        (void)state;
        assert_u64(KH_SPAN("0"), 0, true, 0);
        assert_u64(KH_SPAN("7"), 10, true, 7);
        assert_u64(KH_SPAN("10"), 10, true, 10);
        assert_u64(KH_SPAN("18446744073709551615"), UINT64_MAX, true, UINT64_MAX);
}

static void out_of_range(void **state)
{
        (void)state;
        assert_u64(KH_SPAN("11"), 10, false, 0);
        assert_u64(KH_SPAN("18446744073709551616"), UINT64_MAX, false, 0);
        assert_u64(KH_SPAN("18446744073709551620"), UINT64_MAX, false, 0);
        assert_u64(KH_SPAN("99999999999999999999"), UINT64_MAX, false, 0);
        assert_u64(KH_SPAN("1000000000000000000000000000000000000"), UINT64_MAX, false, 0);
}

static void nothing_but_digits(void **state)
{
        static const char *const bad[] = { "", " ", " 1", "1 ", "+1", "-1", "1.", "1.0", "1e3",
                "0x10", "1_0", "a", "1\n", "\xd9\xa1" };

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_u64(kh_span_of(bad[i]), UINT64_MAX, false, 0);
        assert_u64(KH_SPAN("1\0"), UINT64_MAX, false, 0);
}

static void assert_duration(const char *text, bool good, uint64_t expected_ns)
{
        uint64_t got = 0;
        struct kh_span span = kh_span_of(text);
        struct kh_span guarded = { fixture_guarded(span), span.n };

        if (kh_parse_duration_ns(guarded, &got) != good)
                fail_msg("'%s' should be %s", text, good ? "taken" : "refused");
        if (good)
                assert_int_equal(got, expected_ns);
}

static void durations_have_a_unit(void **state)
{
        (void)state;
        assert_duration("0s", true, 0);
        assert_duration("1s", true, 1000000000);
        assert_duration("250ms", true, 250000000);
        assert_duration("10us", true, 10000);
        assert_duration("1.5s", true, 1500000000);
        assert_duration("0.25ms", true, 250000);
        assert_duration("1.5m", true, 90000000000);
        assert_duration("60m", true, 3600000000000);
        assert_duration("3600s", true, 3600000000000);
        assert_duration("0.0000000001s", true, 0);
        assert_duration("1.99999999999999999999999999s", true, 1999999999);
}

static void malformed_durations(void **state)
{
        static const char *const bad[] = { "", "1", "s", "ms", ".5s", "1.s", "1.5", "-1s", "+1s",
                " 1s", "1 s", "1s ", "1S", "1h", "1ns", "1.5.5s", "1e3s", "1ss", "61m", "3600.1s",
                "3601s", "99999999999999999999s", "18446744073709551615us", "1..5s" };

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_duration(bad[i], false, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whole_decimal_numbers_in_range),
                cmocka_unit_test(out_of_range),
                cmocka_unit_test(nothing_but_digits),
                cmocka_unit_test(durations_have_a_unit),
                cmocka_unit_test(malformed_durations),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
