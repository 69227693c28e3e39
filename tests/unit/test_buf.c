/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#include <fcntl.h>
#include <unistd.h>

static void appends_until_it_is_full(void **state)
{
        char room[8];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        kh_buf_lit(&b, "abc");
        kh_buf_char(&b, '-');
        kh_buf_span(&b, KH_SPAN("defg"));
        assert_false(b.over);
        assert_span_equal(kh_buf_view(&b), "abc-defg");
}

static void what_does_not_fit_changes_nothing_but_over(void **state)
{
        char room[4] = "....";
        struct kh_buf b = kh_buf_of(room, 3);

        (void)state;
        kh_buf_lit(&b, "ab");
        kh_buf_lit(&b, "cd");
        assert_true(b.over);
        assert_span_equal(kh_buf_view(&b), "ab");
        assert_int_equal(room[2], '.');
        kh_buf_char(&b, 'e');
        assert_true(b.over);
        assert_int_equal(room[3], '.');
}

static void a_huge_length_does_not_wrap_around(void **state)
{
        char room[4];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        kh_buf_lit(&b, "ab");
        kh_buf_put(&b, room, SIZE_MAX);
        assert_true(b.over);
        assert_int_equal(b.len, 2);
}

static void an_absent_span_appends_nothing(void **state)
{
        struct kh_buf b = kh_buf_of(NULL, 0);

        (void)state;
        kh_buf_span(&b, (struct kh_span){ 0 });
        assert_false(b.over);
        kh_buf_char(&b, 'x');
        assert_true(b.over);
}

static void numbers_at_their_limits(void **state)
{
        char room[96];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        kh_buf_u64(&b, 0);
        kh_buf_char(&b, ' ');
        kh_buf_u64(&b, UINT64_MAX);
        kh_buf_char(&b, ' ');
        kh_buf_i64(&b, INT64_MIN);
        kh_buf_char(&b, ' ');
        kh_buf_i64(&b, INT64_MAX);
        assert_span_equal(
                kh_buf_view(&b), "0 18446744073709551615 -9223372036854775808 9223372036854775807");
}

static void termination_needs_a_byte_more(void **state)
{
        char room[4];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        kh_buf_lit(&b, "abc");
        assert_true(kh_buf_terminate(&b));
        assert_string_equal(room, "abc");
        kh_buf_char(&b, 'd');
        assert_false(kh_buf_terminate(&b));
        assert_string_equal(room, "");
        b = kh_buf_of(room, 0);
        assert_false(kh_buf_terminate(&b));
}

static void spans_compare_by_bytes(void **state)
{
        const struct kh_span absent = { 0 };

        (void)state;
        assert_true(kh_span_eq(KH_SPAN("a\0b"), KH_SPAN("a\0b")));
        assert_false(kh_span_eq(KH_SPAN("a\0b"), KH_SPAN("a\0c")));
        assert_true(kh_span_eq(absent, KH_SPAN("")));
        assert_true(kh_span_starts(KH_SPAN("runc"), KH_SPAN("run")));
        assert_false(kh_span_starts(KH_SPAN("ru"), KH_SPAN("run")));
        assert_true(kh_span_ends(KH_SPAN("a.sock"), KH_SPAN(".sock")));
        assert_false(kh_span_ends(KH_SPAN("sock"), KH_SPAN(".sock")));
        assert_true(kh_span_starts(absent, absent));
        assert_true(kh_span_ends(absent, absent));
        assert_true(kh_span_starts(KH_SPAN("a"), absent));
        assert_int_equal(kh_span_of(NULL).n, 0);
        assert_span_equal(kh_span_from(KH_SPAN("abc"), 2), "c");
        assert_int_equal(kh_span_from(KH_SPAN("abc"), 3).n, 0);
        assert_null(kh_span_from(absent, 0).p);
}

static void an_error_carries_its_code_and_words(void **state)
{
        struct kh_err err = { 0 };
        char longer[512];

        (void)state;
        assert_int_equal(kh_fail(&err, -ENOENT, "open '%s'", "/x"), -ENOENT);
        assert_int_equal(err.code, -ENOENT);
        assert_string_equal(err.msg, "open '/x'");
        assert_int_equal(kh_fail(NULL, -EIO, "nobody asked"), -EIO);
        assert_string_equal(kh_strerror(-ENOENT), kh_strerror(ENOENT));
        memset(longer, 'a', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = '\0';
        assert_int_equal(kh_fail(&err, -EIO, "%s", longer), -EIO);
        assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void a_scope_closes_its_descriptor_and_keeps_errno(void **state)
{
        int escaped, closed;

        (void)state;
        {
                kh_cleanup(kh_closep) int kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
                kh_cleanup(kh_closep) int left = open("/dev/null", O_RDONLY | O_CLOEXEC);

                assert_true(kept >= 0 && left >= 0);
                closed = left;
                escaped = kh_take_fd(&kept);
                assert_int_equal(kept, -EBADF);
        }
        assert_int_not_equal(fcntl(escaped, F_GETFD), -1);
        assert_int_equal(fcntl(closed, F_GETFD), -1);
        errno = EAGAIN;
        kh_close(-EBADF);
        kh_close(closed);
        assert_int_equal(errno, EAGAIN);
        kh_close(escaped);
        assert_int_equal(fcntl(escaped, F_GETFD), -1);
}

static void a_wait_never_ends_before_its_deadline(void **state)
{
        const uint64_t now = kh_boottime_ns();

        (void)state;
        assert_int_equal(kh_left_ms(0), 0);
        assert_int_equal(kh_left_ms(now), 0);
        assert_int_equal(kh_left_ms(UINT64_MAX), INT_MAX);
        /* An hour on: whatever part of a millisecond has passed is rounded up, not down. */
        assert_in_range(kh_left_ms(now + 3600 * KH_NS_PER_S), 3500 * 1000, 3600 * 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(appends_until_it_is_full),
                cmocka_unit_test(what_does_not_fit_changes_nothing_but_over),
                cmocka_unit_test(a_huge_length_does_not_wrap_around),
                cmocka_unit_test(an_absent_span_appends_nothing),
                cmocka_unit_test(numbers_at_their_limits),
                cmocka_unit_test(termination_needs_a_byte_more),
                cmocka_unit_test(spans_compare_by_bytes),
                cmocka_unit_test(an_error_carries_its_code_and_words),
                cmocka_unit_test(a_scope_closes_its_descriptor_and_keeps_errno),
                cmocka_unit_test(a_wait_never_ends_before_its_deadline),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
