/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "setup/diff.h"

static void differs(const char *from, const char *to, const char *diff)
{
        struct kh_text a = kh_text_of(kh_span_of(from)), b = kh_text_of(kh_span_of(to));
        struct kh_text out = kh_text_of(KH_SPAN(""));

        kh_diff(&out, "/f", &a, &b);
        assert_string_equal(out.p, diff);
        kh_text_done(&a);
        kh_text_done(&b);
        kh_text_done(&out);
}

static void diffs_are_those_of_diff(void **state)
{
        (void)state;
        differs("a\nb\n", "a\nb\n", "");
        differs(NULL, "a\n", "--- /dev/null\n+++ /f\n@@ -0,0 +1 @@\n+a\n");
        differs("a\n", NULL, "--- /f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
        differs("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nx\n5\n6\n7\n8\n",
                "--- /f\n+++ /f\n@@ -2,6 +2,7 @@\n 2\n 3\n 4\n+x\n 5\n 6\n 7\n");
        differs("a", "a\nb",
                "--- /f\n+++ /f\n@@ -1 +1,2 @@\n-a\n\\ No newline at end of file\n+a\n+b\n"
                "\\ No newline at end of file\n");
        differs("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "x\n2\n3\n4\n5\n6\n7\n8\ny\n",
                "--- /f\n+++ /f\n@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n"
                "-9\n+y\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(diffs_are_those_of_diff) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
