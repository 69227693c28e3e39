/* SPDX-License-Identifier: Apache-2.0 */
/* What a process's name says of the runtime that it is. */
#include "fixture.h"

#include "proc/runtime.h"

static void assert_is(const char *comm, const char *runtime, bool is_init)
{
        struct kh_runtime_process process = kh_runtime_process(comm);

        assert_true(kh_span_eq(process.runtime, kh_span_of(runtime)));
        assert_int_equal(process.is_init, is_init);
}

static void runtimes(void **state)
{
        (void)state;
        assert_is("runc", "runc", false);
        assert_is("youki", "youki", false);
        assert_is("crun", "crun", true);
        assert_is("crun-wasm", "crun", true);
}

static void inits(void **state)
{
        (void)state;
        assert_is("runc:[2:INIT]", "runc", true);
        assert_is("youki:[2:INIT]", "youki", true);
}

static void others(void **state)
{
        static const char *const names[] = { "", "run", "runcible", "crunch", "runc:", "a runc",
                "sleep" };

        (void)state;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                assert_null(kh_runtime_process(names[i]).runtime.p);
                assert_false(kh_runtime_process(names[i]).is_init);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(runtimes),
                cmocka_unit_test(inits),
                cmocka_unit_test(others),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
