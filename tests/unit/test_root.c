/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/root.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static char directory[64];
static struct kh_root root = { .dir = -EBADF };

/* What openat2() fails with, and how often; the linker puts this before the C library's. */
static int openat2_error, openat2_failures, openat2_calls;
long __real_syscall(long number, ...);
long __wrap_syscall(long number, int dir, const char *path, void *how, size_t size);

long __wrap_syscall(long number, int dir, const char *path, void *how, size_t size)
{
        if (number == SYS_openat2) {
                openat2_calls++;
                if (openat2_failures > 0) {
                        openat2_failures--;
                        errno = openat2_error;
                        return -1;
                }
        }
        return __real_syscall(number, dir, path, how, size);
}

static void fail_openat2(int error, int failures)
{
        openat2_error = error;
        openat2_failures = failures;
        openat2_calls = 0;
}

static void write_at(const char *name, const char *text)
{
        int fd = openat(root.dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(kh_write_all(fd, text, strlen(text)), 0);
        close(fd);
}

/* DIRECTORY/host is the root; DIRECTORY/file lies outside of it. */
static int make_root(void **state)
{
        char path[128];

        (void)state;
        (void)snprintf(directory, sizeof(directory), "/tmp/test-root-XXXXXX");
        if (!mkdtemp(directory))
                return -1;
        (void)snprintf(path, sizeof(path), "%s/host", directory);
        if (mkdir(path, 0700) < 0)
                return -1;
        root.dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root.dir < 0 || mkdirat(root.dir, "run", 0700) < 0 ||
                mkdirat(root.dir, "var", 0700) < 0 || symlinkat("/run", root.dir, "var/run") < 0 ||
                symlinkat("../../../file", root.dir, "run/climb") < 0)
                return -1;
        write_at("../file", "outside");
        write_at("run/file", "inside");
        fail_openat2(0, 0);
        return 0;
}

static int remove_root(void **state)
{
        char command[128];

        (void)state;
        kh_closep(&root.dir);
        (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command);
}

static void assert_reads(struct kh_root from, const char *path, const char *expected)
{
        char text[16];
        size_t n = 0;

        assert_int_equal(kh_root_read_file(from, path, text, sizeof(text), &n), 0);
        assert_int_equal(n, strlen(expected));
        assert_memory_equal(text, expected, n);
}

static void a_path_is_the_roots(void **state)
{
        (void)state;
        assert_reads(root, "/run/file", "inside");
}

static void a_link_leads_to_the_roots_own(void **state)
{
        (void)state;
        assert_reads(root, "/var/run/file", "inside");
}

static void nothing_leads_out(void **state)
{
        (void)state;
        write_at("file", "the root's own");
        assert_reads(root, "/run/climb", "the root's own");
        assert_reads(root, "/../../file", "the root's own");
}

static void ones_own_root_needs_no_openat2(void **state)
{
        char path[128];

        (void)state;
        (void)snprintf(path, sizeof(path), "%s/file", directory);
        fail_openat2(ENOSYS, 1);
        assert_reads(KH_OWN_ROOT, path, "outside");
        assert_int_equal(openat2_calls, 0);
}

/* Before Linux 5.6 nobody can promise what a link leads to. */
static void without_openat2_nothing_is_opened(void **state)
{
        (void)state;
        fail_openat2(ENOSYS, 1);
        assert_int_equal(kh_root_open(root, "/run/file", O_RDONLY), -ENOSYS);
        assert_int_equal(openat2_calls, 1);
}

static void an_interrupted_walk_is_done_again_but_not_for_ever(void **state)
{
        (void)state;
        fail_openat2(EAGAIN, 3);
        assert_reads(root, "/run/file", "inside");
        assert_int_equal(openat2_calls, 4);
        fail_openat2(EAGAIN, 1000);
        assert_int_equal(kh_root_open(root, "/run/file", O_RDONLY), -EAGAIN);
        assert_in_range(openat2_calls, 2, 100);
}

static void what_is_no_file_is_not_read(void **state)
{
        char text[16];
        size_t n;

        (void)state;
        assert_int_equal(mkfifoat(root.dir, "run/fifo", 0600), 0);
        assert_int_equal(kh_root_read_file(root, "/run/fifo", text, sizeof(text), &n), -EINVAL);
        assert_int_equal(kh_root_read_file(root, "/run", text, sizeof(text), &n), -EINVAL);
        assert_int_equal(kh_root_read_file(root, "/run/none", text, sizeof(text), &n), -ENOENT);
        assert_int_equal(kh_root_read_file(root, "/run/file", text, 3, &n), -EFBIG);
}

static void assert_refuses(int error, struct kh_root from, const char *path)
{
        static char text[2 * KH_USER_FILE_MAX];
        size_t n;

        assert_int_equal(kh_root_read_file(from, path, text, sizeof(text), &n), error);
        assert_int_equal(
                kh_root_read_below(from, root.dir, path + 1, text, sizeof(text), &n), error);
}

static void a_user_has_files_of_its_own_read_and_through_no_link(void **state)
{
        struct kh_root users = { root.dir, 4711 };
        char outside[128];

        (void)state;
        if (geteuid() != 0)
                skip();
        assert_refuses(-EPERM, users, "/run/file");
        assert_int_equal(linkat(root.dir, "run/file", root.dir, "run/hard", 0), 0);
        assert_refuses(-EPERM, users, "/run/hard");
        assert_int_equal(fchownat(root.dir, "run/file", 4711, 4711, 0), 0);
        assert_reads(users, "/run/file", "inside");
        assert_int_equal(symlinkat("file", root.dir, "run/soft"), 0);
        assert_refuses(-ELOOP, users, "/run/soft");
        assert_refuses(-ELOOP, users, "/var/run/file");
        (void)snprintf(outside, sizeof(outside), "%s/host/var/run/file", directory);
        users.dir = AT_FDCWD;
        assert_int_equal(kh_root_open(users, outside, O_RDONLY), -ELOOP);
}

static void a_users_file_is_small(void **state)
{
        const struct kh_root users = { root.dir, 4711 };
        int fd;

        (void)state;
        if (geteuid() != 0)
                skip();
        assert_int_equal(fchownat(root.dir, "run/file", 4711, 4711, 0), 0);
        fd = openat(root.dir, "run/file", O_WRONLY | O_CLOEXEC);
        assert_int_equal(ftruncate(fd, KH_USER_FILE_MAX + 1), 0);
        close(fd);
        assert_refuses(-EFBIG, users, "/run/file");
}

#define with_root(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_root(a_path_is_the_roots),
                with_root(a_link_leads_to_the_roots_own),
                with_root(nothing_leads_out),
                with_root(ones_own_root_needs_no_openat2),
                with_root(without_openat2_nothing_is_opened),
                with_root(an_interrupted_walk_is_done_again_but_not_for_ever),
                with_root(what_is_no_file_is_not_read),
                with_root(a_user_has_files_of_its_own_read_and_through_no_link),
                with_root(a_users_file_is_small),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
