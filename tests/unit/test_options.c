/* SPDX-License-Identifier: Apache-2.0 */
/* The hook's options, and whom it must not refuse. */
#include "fixture.h"

#include "base/clock.h"
#include "hook/options.h"
#include "hook/policy.h"

#include <getopt.h>

enum { ARGUMENTS_MAX = 160 };

/* Parses the arguments that follow a program's name, up to a NULL. */
static void parse(struct kh_hook_options *o, const char *const *arguments)
{
        static char *argv[ARGUMENTS_MAX];
        int argc = 0;

        argv[argc++] = (char *)"";
        while (*arguments && argc < ARGUMENTS_MAX - 1)
                argv[argc++] = (char *)*arguments++;
        argv[argc] = NULL;
        optind = 1; /* getopt begins anew */
        kh_hook_parse_options(argc, argv, o);
}

#define PARSE(o, ...) parse(o, (const char *const[]){ __VA_ARGS__, NULL })

static void without_any(void **state)
{
        struct kh_hook_options o;
        char *none[] = { NULL };

        (void)state;
        parse(&o, (const char *const *)none);
        assert_int_equal(o.stage, KH_STAGE_UNKNOWN);
        assert_string_equal(o.socket, "/run/kubearmor/ka.sock");
        assert_string_equal(o.spool, "/run/kubearmor/spool");
        assert_int_equal(o.timeout_ns, KH_NS_PER_S);
        assert_false(o.fail_closed || o.deny_runtime_sockets || o.dry_run || o.test);
        assert_null(o.misunderstood);
        optind = 1;
        kh_hook_parse_options(0, none, &o); /* args: [] in some runtimes */
        assert_null(o.misunderstood);
}

static void all_of_them(void **state)
{
        struct kh_hook_options o;

        (void)state;
        PARSE(&o, "--stage", "poststop", "--socket=/s", "--spool", "", "--timeout", "250ms",
                "--fail-closed", "--exempt-namespace", "a", "--exempt-namespace=b",
                "--listener-command", "/l", "--deny-runtime-sockets", "--log", "/dev/null",
                "--test", "--dry-run");
        assert_int_equal(o.stage, KH_STAGE_POSTSTOP);
        assert_string_equal(o.socket, "/s");
        assert_null(o.spool);
        assert_int_equal(o.timeout_ns, 250 * KH_NS_PER_MS);
        assert_true(o.fail_closed && o.deny_runtime_sockets && o.dry_run && o.test);
        assert_int_equal(o.exempt_namespaces.n, 2);
        assert_span_equal(o.exempt_namespaces.v[1], "b");
        assert_int_equal(o.listener_commands.n, 1);
        assert_false(o.snapshot);
        assert_null(o.misunderstood);
        PARSE(&o, "--snapshot", "1439056", "--state-root", "/a", "--state-root=/b");
        assert_true(o.snapshot);
        assert_int_equal(o.listener_since, 1439056);
        assert_int_equal(o.state_roots_n, 2);
        assert_string_equal(o.state_roots[1], "/b");
        PARSE(&o, "--state-root", "relative");
        assert_string_equal(o.misunderstood, "--state-root");
}

/* An old hook under a newer configuration goes on with what it knows. */
static void what_is_not_understood_is_passed_over(void **state)
{
        struct kh_hook_options o;

        (void)state;
        PARSE(&o, "--from-the-future", "--socket", "/s");
        assert_string_equal(o.misunderstood, "--from-the-future");
        assert_string_equal(o.socket, "/s");
        PARSE(&o, "--timeout", "soon", "--stage", "later", "--fail-closed");
        assert_non_null(o.misunderstood);
        assert_int_equal(o.timeout_ns, KH_NS_PER_S);
        assert_int_equal(o.stage, KH_STAGE_UNKNOWN);
        assert_true(o.fail_closed);
        PARSE(&o, "stray", "--test");
        assert_true(o.test);
        PARSE(&o, "--snapshot", "now");
        assert_false(o.snapshot);
        PARSE(&o, "--timeout", "0s");
        assert_int_equal(o.timeout_ns, KH_NS_PER_S);
        PARSE(&o, "--test", "--socket");
        assert_string_equal(o.socket, "/run/kubearmor/ka.sock");
        assert_true(o.test);
}

static void more_exemptions_than_there_is_room_for(void **state)
{
        const char *arguments[ARGUMENTS_MAX] = { NULL };
        struct kh_hook_options o;

        (void)state;
        for (int i = 0; i < 2 * (KH_OPTION_LIST_MAX + 1); i += 2) {
                arguments[i] = "--exempt-namespace";
                arguments[i + 1] = "n";
        }
        parse(&o, arguments);
        assert_int_equal(o.exempt_namespaces.n, KH_OPTION_LIST_MAX);
        assert_non_null(o.misunderstood);
}

static bool is_exempt(enum kh_dialect dialect, struct kh_span namespace, struct kh_span command)
{
        static struct kh_container c;
        struct kh_hook_options o;

        PARSE(&o, "--exempt-namespace", "mine", "--listener-command", "/opt/listener");
        kh_container_init(&c);
        c.pod_namespace = namespace;
        c.command = command;
        return kh_is_exempt(&c, dialect, &o);
}

static void who_is_never_refused(void **state)
{
        const struct kh_span none = { 0 };

        (void)state;
        assert_true(is_exempt(KH_DIALECT_CONTAINERD, KH_SPAN("kube-system"), none));
        assert_true(is_exempt(KH_DIALECT_CRIO, KH_SPAN("kubearmor"), none));
        assert_true(is_exempt(KH_DIALECT_DOCKER, KH_SPAN("mine"), none));
        assert_true(is_exempt(KH_DIALECT_NONE, none, KH_SPAN("/opt/listener")));
        assert_true(is_exempt(KH_DIALECT_NONE, none, KH_SPAN("/KubeArmor/kubearmor")));
        assert_false(is_exempt(KH_DIALECT_CONTAINERD, KH_SPAN("default"), none));
        assert_false(is_exempt(KH_DIALECT_CONTAINERD, none, none));
        assert_false(is_exempt(KH_DIALECT_CONTAINERD, KH_SPAN("kube-system2"), none));
}

/* Where no runtime vouches for it, a namespace is whatever somebody wrote into an annotation. */
static void a_namespace_that_anybody_can_claim(void **state)
{
        (void)state;
        assert_false(is_exempt(KH_DIALECT_NONE, KH_SPAN("kube-system"), KH_SPAN("/bin/sh")));
        assert_false(is_exempt(KH_DIALECT_PODMAN, KH_SPAN("kube-system"), KH_SPAN("/bin/sh")));
        assert_false(is_exempt(KH_DIALECT_AMBIGUOUS, KH_SPAN("mine"), KH_SPAN("/bin/sh")));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_any),
                cmocka_unit_test(all_of_them),
                cmocka_unit_test(what_is_not_understood_is_passed_over),
                cmocka_unit_test(more_exemptions_than_there_is_room_for),
                cmocka_unit_test(who_is_never_refused),
                cmocka_unit_test(a_namespace_that_anybody_can_claim),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
