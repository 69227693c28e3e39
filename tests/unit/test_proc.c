/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "proc/proc.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NUMBERS " S 77 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1 2 3\n"

static int parse_stat(struct kh_span text, struct kh_proc_stat *ret)
{
        return kh_proc_parse_stat((struct kh_span){ fixture_guarded(text), text.n }, ret);
}

static void a_name_may_hold_anything(void **state)
{
        struct kh_proc_stat s;

        (void)state;
        assert_int_equal(parse_stat(KH_SPAN("9 (sh)" NUMBERS), &s), 0);
        assert_string_equal(s.comm, "sh");
        assert_int_equal(s.ppid, 77);
        assert_int_equal(s.start_time, 123456);
        assert_int_equal(parse_stat(KH_SPAN("9 (a) S 1 (b)" NUMBERS), &s), 0);
        assert_string_equal(s.comm, "a) S 1 (b");
        assert_int_equal(s.ppid, 77);
        assert_int_equal(parse_stat(KH_SPAN("9 (new\nline)" NUMBERS), &s), 0);
        assert_int_equal(s.start_time, 123456);
        assert_int_equal(parse_stat(KH_SPAN("9 ()" NUMBERS), &s), 0);
        assert_string_equal(s.comm, "");
        assert_int_equal(parse_stat(KH_SPAN("9 (0123456789abcdefghij)" NUMBERS), &s), 0);
        assert_string_equal(s.comm, "0123456789abcde");
}

static void a_stat_file_that_is_none(void **state)
{
        static const char *const bad[] = { "", "9", "9 (sh", "9 sh) S 1", ")(", "9 (sh)",
                "9 (sh) S", "9 (sh) S x 1", "9 (sh) S 77 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0",
                "9 (sh) S 77 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 -5 1",
                "9 (sh) S -1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 5 1" };
        struct kh_proc_stat s;

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                if (parse_stat(kh_span_of(bad[i]), &s) != -EBADMSG)
                        fail_msg("'%s'", bad[i]);
        }
}

static void this_process(void **state)
{
        kh_cleanup(kh_closep) int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        kh_cleanup(kh_closep) int self = kh_proc_open(proc, getpid());
        struct kh_proc_stat s;
        uint64_t ns[KH_NS_COUNT], one;
        struct stat st;

        (void)state;
        assert_true(self >= 0);
        prctl(PR_SET_NAME, "a ) b (");
        assert_int_equal(kh_proc_stat(self, &s), 0);
        assert_string_equal(s.comm, "a ) b (");
        assert_int_equal(s.ppid, getppid());
        kh_proc_namespaces(self, ns);
        for (int i = 0; i < KH_NS_COUNT; i++) {
                char path[64];

                (void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kh_ns_name[i].p);
                assert_int_equal(stat(path, &st), 0);
                assert_int_equal(ns[i], st.st_ino);
                assert_int_equal(kh_proc_namespace(self, (enum kh_ns)i, &one), 0);
                assert_int_equal(one, st.st_ino);
        }
}

static void a_dead_process_tells_nothing(void **state)
{
        kh_cleanup(kh_closep) int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        kh_cleanup(kh_closep) int process = -EBADF, pidfd = -EBADF;
        pid_t pid = fork();
        struct kh_proc_stat s;
        struct kh_cgroup cgroup;
        uint64_t ns[KH_NS_COUNT];
        static char room[KH_CGROUP_FILE_MAX];

        (void)state;
        if (pid == 0) {
                for (;;)
                        pause();
        }
        process = kh_proc_open(proc, pid);
        pidfd = kh_pidfd_open(pid);
        assert_true(process >= 0 && pidfd >= 0);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(kh_proc_stat(process, &s), -ESRCH);
        assert_true(kh_proc_cgroup(process, "/sys/fs/cgroup", room, &cgroup) < 0);
        assert_null(cgroup.path.p);
        kh_proc_namespaces(process, ns);
        for (int i = 0; i < KH_NS_COUNT; i++)
                assert_int_equal(ns[i], 0);
        assert_int_equal(kh_proc_open(proc, pid), -ENOENT);
        assert_int_equal(kh_pidfd_open(pid), -ESRCH);
}

static void pids_that_are_none(void **state)
{
        kh_cleanup(kh_closep) int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

        (void)state;
        assert_int_equal(kh_proc_open(proc, 0), -ESRCH);
        assert_int_equal(kh_proc_open(proc, -1), -ESRCH);
        assert_int_equal(kh_proc_open(proc, INT32_MAX), -ENOENT);
}

/* kh_proc_cgroup() of a directory with a file `cgroup` of that content. */
static void assert_cgroup(const char *content, const char *expected, const char *unified)
{
        static char room[KH_CGROUP_FILE_MAX];
        char name[] = "/tmp/test-proc-XXXXXX", path[128];
        kh_cleanup(kh_closep) int dir = -EBADF, file = -EBADF;
        struct kh_cgroup cgroup;
        struct stat st;

        assert_non_null(mkdtemp(name));
        dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        file = openat(dir, "cgroup", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(kh_write_all(file, content, strlen(content)), 0);
        (void)snprintf(path, sizeof(path), "%s%s", name, unified ? unified : "/none");
        for (char *slash = path + sizeof(name); (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                (void)mkdir(path, 0700);
                *slash = '/';
        }
        if (unified)
                assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(kh_proc_cgroup(dir, name, room, &cgroup), 0);
        if (expected)
                assert_true(kh_span_eq(cgroup.path, kh_span_of(expected)));
        else
                assert_null(cgroup.path.p);
        assert_int_equal(cgroup.id, unified && stat(path, &st) == 0 ? st.st_ino : 0);
        (void)snprintf(path, sizeof(path), "rm -r %s", name);
        assert_int_equal(system(path), 0);
}

static void cgroups_of_each_layout(void **state)
{
        (void)state;
        assert_cgroup("0::/a/b\n", "/a/b", "/a/b");
        assert_cgroup("0::/a\n", "/a", NULL);
        assert_cgroup("0::/a:b\n", "/a:b", "/a:b");
        assert_cgroup("4:memory:/m\n1:name=systemd:/s\n0::/u\n", "/u", "/unified/u");
        assert_cgroup("4:memory:/m\n1:name=systemd:/s\n0::/\n", "/m", NULL);
        assert_cgroup("4:memory:/\n1:name=systemd:/s\n", "/s", NULL);
        assert_cgroup("0::/a", "/a", NULL);
}

static void cgroups_that_are_nobodys_own(void **state)
{
        (void)state;
        assert_cgroup("", NULL, NULL);
        assert_cgroup("0::/\n", NULL, NULL);
        assert_cgroup("0::/..\n", NULL, NULL);
        assert_cgroup("0::/../x\n", NULL, NULL);
        assert_cgroup("4:memory:/\n0::/\n", NULL, NULL);
        assert_cgroup("garbage\n", NULL, NULL);
        assert_cgroup("0:\n", NULL, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_name_may_hold_anything),
                cmocka_unit_test(a_stat_file_that_is_none),
                cmocka_unit_test(this_process),
                cmocka_unit_test(a_dead_process_tells_nothing),
                cmocka_unit_test(pids_that_are_none),
                cmocka_unit_test(cgroups_of_each_layout),
                cmocka_unit_test(cgroups_that_are_nobodys_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
