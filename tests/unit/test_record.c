/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "discovery/match.h"
#include "discovery/record.h"

#include <errno.h>

static struct kh_record record;

typedef int (*reader)(char *text, size_t n, struct kh_record *record);

static int read_text(reader read, struct kh_span text)
{
        return read(fixture_guarded(text), text.n, &record);
}

static void assert_runc(const char *name, uint32_t pid, uint64_t start_time)
{
        if (read_text(kh_record_read_runc, fixture_recorded(name)) != 0)
                fail_msg("%s was not read", name);
        assert_span_equal(record.runtime, "runc");
        assert_int_equal(record.pid, pid);
        assert_int_equal(record.start_time, start_time);
}

static void what_runc_writes(void **state)
{
        (void)state;
        assert_runc("disk/runc-1.1.5-state.json", 13375, 365393);
        assert_span_equal(record.bundle, "/srv/b-a");
        assert_span_equal(record.rootfs, "/srv/rootfs");
        assert_int_equal(record.annotations.n, 2);
        assert_span_equal(kh_pairs_get(&record.annotations, KH_SPAN("org.example.key")), "va=lue");
}

static void what_runc_writes_for_others(void **state)
{
        (void)state;
        assert_runc("disk/containerd-1.6.20-state.json", 13894, 365426);
        assert_span_equal(
                record.bundle, "/run/containerd/io.containerd.runtime.v2.task/default/ctr1");
        assert_runc("disk/docker-20.10.24-state.json", 5733, 318263);
        assert_int_equal(record.annotations.n, 0);
        assert_runc("disk/podman-4.3.1-state.json", 13480, 365407);
        assert_span_equal(
                kh_pairs_get(&record.annotations, KH_SPAN("io.container.manager")), "libpod");
}

/* Older ones wrote the start time as a string: it is then not told. */
static void runc_without_a_start_time(void **state)
{
        (void)state;
        assert_int_equal(read_text(kh_record_read_runc,
                                 KH_SPAN("{\"init_process_pid\":7,\"init_process_start\":\"9\"}")),
                0);
        assert_int_equal(record.pid, 7);
        assert_int_equal(record.start_time, 0);
}

/* The runtime's own label is the last one: an annotation of that name comes before it. */
static void an_annotation_is_not_taken_for_the_bundle(void **state)
{
        (void)state;
        assert_int_equal(
                read_text(kh_record_read_runc,
                        KH_SPAN("{\"config\":{\"labels\":[\"bundle=/forged\",\"bundle=/own\"]}}")),
                0);
        assert_span_equal(record.bundle, "/own");
}

static void what_crun_writes(void **state)
{
        (void)state;
        assert_int_equal(
                read_text(kh_record_read_crun, fixture_recorded("disk/crun-1.8.1-status")), 0);
        assert_span_equal(record.runtime, "crun");
        assert_span_equal(record.bundle, "/srv/b-c");
        assert_int_equal(record.pid, 14107);
        assert_int_equal(record.start_time, 365434);
}

static void what_crio_writes(void **state)
{
        (void)state;
        assert_int_equal(read_text(kh_record_read_crio,
                                 KH_SPAN("{\"bundle\":\"/b\",\"initPid\":7,\"initStartTime\":"
                                         "\"4711\"}")),
                0);
        assert_null(record.runtime.p);
        assert_span_equal(record.bundle, "/b");
        assert_int_equal(record.pid, 7);
        assert_int_equal(record.start_time, 4711);
}

static void what_a_shim_writes(void **state)
{
        struct kh_span root;

        (void)state;
        assert_int_equal(
                read_text(kh_record_read_pid, fixture_recorded("disk/containerd-1.6.20-init.pid")),
                0);
        assert_int_equal(record.pid, 13894);
        assert_int_equal(
                read_text(kh_record_read_pid, fixture_recorded("disk/podman-4.3.1-pidfile")), 0);
        assert_int_equal(record.pid, 13480);
        {
                struct kh_span text = fixture_recorded("disk/docker-20.10.24-options.json");

                assert_int_equal(kh_record_read_shim_root(fixture_guarded(text), text.n, &root), 0);
                assert_span_equal(root, "/var/run/docker/runtime-runc");
                text = fixture_recorded("disk/containerd-1.6.20-options.json");
                assert_int_equal(kh_record_read_shim_root(fixture_guarded(text), text.n, &root), 0);
                assert_null(root.p);
        }
}

static void pids_that_are_none(void **state)
{
        static const char *const texts[] = { "", "\n", "-1", "7x", " 7", "7\n\n", "4194305", "x" };

        (void)state;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                assert_int_equal(read_text(kh_record_read_pid, kh_span_of(texts[i])), -EBADMSG);
        assert_int_equal(read_text(kh_record_read_pid, KH_SPAN("4194304\n")), 0);
}

/* A file that its writer is still at. */
static void no_part_of_a_file_is_taken_for_it(void **state)
{
        char text[512];
        struct kh_span whole = fixture_recorded("disk/crun-1.8.1-status");

        (void)state;
        assert_in_range(whole.n, 1, sizeof(text));
        memcpy(text, whole.p, whole.n);
        whole.n = (size_t)((const char *)memrchr(text, '}', whole.n) - text) + 1;
        for (size_t n = 0; n < whole.n; n++) {
                const struct kh_span part = { text, n };

                assert_int_equal(read_text(kh_record_read_crun, part), -EBADMSG);
                assert_int_equal(read_text(kh_record_read_runc, part), -EBADMSG);
                assert_int_equal(read_text(kh_record_read_crio, part), -EBADMSG);
        }
        assert_int_equal(read_text(kh_record_read_crun, (struct kh_span){ text, whole.n }), 0);
}

static void whose_a_cgroup_is(void **state)
{
        static const struct {
                const char *path, *spec;
                bool is;
        } cases[] = {
                { "/pods/x", "/pods/x", true },
                { "/pods/x/init.scope", "/pods/x", true },
                { "/outer/pods/x", "pods/x", true },
                { "/pods/xy", "/pods/x", false },
                { "/pods/xy/pods/x", "/pods/x", true },
                { "/pods", "/pods/x", false },
                { "/a.slice/cri-x.scope", "a.slice:cri:x", true },
                { "/a.slice/cri-x.scope/container", "a.slice:cri:x", true },
                { "/a.slice/cri-y.scope", "a.slice:cri:x", false },
                { "/a.slice/x.scope", "a.slice::x", true },
                { "/a.slice/x.slice", "a.slice:cri:x.slice", true },
                { "/user.slice/x", NULL, true },
                { "/x", "", true },
                { "/y", NULL, false },
                { NULL, NULL, false },
                { NULL, "/", false },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                bool is = kh_cgroup_is_of(
                        kh_span_of(cases[i].path), kh_span_of(cases[i].spec), KH_SPAN("x"));

                if (is != cases[i].is)
                        fail_msg("case %zu", i);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_runc_writes),
                cmocka_unit_test(what_runc_writes_for_others),
                cmocka_unit_test(runc_without_a_start_time),
                cmocka_unit_test(an_annotation_is_not_taken_for_the_bundle),
                cmocka_unit_test(what_crun_writes),
                cmocka_unit_test(what_crio_writes),
                cmocka_unit_test(what_a_shim_writes),
                cmocka_unit_test(pids_that_are_none),
                cmocka_unit_test(no_part_of_a_file_is_taken_for_it),
                cmocka_unit_test(whose_a_cgroup_is),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
