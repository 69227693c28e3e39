/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "wrapper/arguments.h"

#define READ(ret, ...)                                                                             \
        do {                                                                                       \
                char *argv_[] = { "kubearmor-runtime", __VA_ARGS__, NULL };                        \
                kh_arguments_read((int)(sizeof(argv_) / sizeof(argv_[0])) - 1, argv_, (ret));      \
        } while (0)

static void as_containerd_calls(void **state)
{
        struct kh_arguments a;

        (void)state;
        READ(&a, "--root", "/run/create", "--log", "/l.json", "--log-format", "json", "create",
                "--bundle", "/b", "--pid-file", "/p", "id");
        assert_true(a.makes_container);
        assert_string_equal(a.bundle, "/b");
        assert_string_equal(a.log, "/l.json");
        READ(&a, "--root", "create", "--log=/l", "delete", "--bundle", "/b", "create");
        assert_false(a.makes_container);
        assert_null(a.bundle);
        assert_string_equal(a.log, "/l");
}

static void forms_of_the_bundle(void **state)
{
        struct kh_arguments a;

        (void)state;
        READ(&a, "create", "-b", "/1", "id");
        assert_string_equal(a.bundle, "/1");
        READ(&a, "--systemd-cgroup", "create", "--no-pivot", "-bundle=/2", "id");
        assert_string_equal(a.bundle, "/2");
        READ(&a, "restore", "--image-path", "/i", "--bundle=/3", "id");
        assert_true(a.makes_container);
        assert_string_equal(a.bundle, "/3");
        READ(&a, "run", "--detach", "--pid-file", "/p", "--bundle", "/4", "id");
        assert_true(a.makes_container);
        assert_string_equal(a.bundle, "/4");
        READ(&a, "create", "id", "--bundle", "/5");
        assert_null(a.bundle);
        READ(&a, "create", "--bundle");
        assert_null(a.bundle);
}

static void nothing_to_do(void **state)
{
        struct kh_arguments a;

        (void)state;
        READ(&a, "--version");
        assert_false(a.makes_container);
        READ(&a, "create", "--bundle", "features", "features");
        assert_false(a.asks_features);
        READ(&a, "features");
        assert_true(a.asks_features);
        assert_false(a.makes_container);
        kh_arguments_read(0, (char *[]){ NULL }, &a);
        assert_false(a.makes_container);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(as_containerd_calls),
                cmocka_unit_test(forms_of_the_bundle),
                cmocka_unit_test(nothing_to_do),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
