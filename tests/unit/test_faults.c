/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that fail in ways that a healthy machine does not show; the linker wraps them. */
#include "fixture.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "spool/spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

/*
 * What the next calls do: a negative errno, a length that they are cut to, or 0 for the real thing.
 */
static int script[8];
static size_t script_at, script_n;

static void will(const int *steps, size_t n)
{
        memcpy(script, steps, n * sizeof(*steps));
        script_at = 0;
        script_n = n;
}

#define WILL(...) will((const int[]){ __VA_ARGS__ }, sizeof((int[]){ __VA_ARGS__ }) / sizeof(int))

/* True when the call is to fail, with errno set; otherwise *N is what it may move. */
static bool step(size_t *n)
{
        int what = script_at < script_n ? script[script_at++] : 0;

        if (what < 0) {
                errno = -what;
                return true;
        }
        if (what > 0 && *n > (size_t)what)
                *n = (size_t)what;
        return false;
}

ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n)
{
        return step(&n) ? -1 : __real_read(fd, p, n);
}

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n)
{
        return step(&n) ? -1 : __real_write(fd, p, n);
}

int __real_linkat(int from, const char *old, int to, const char *new, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *new, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *new, int flags)
{
        size_t none = 0;

        return step(&none) ? -1 : __real_linkat(from, old, to, new, flags);
}

static int temporary_file(const char *text)
{
        int fd = memfd_create("faults", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(__real_write(fd, text, strlen(text)), strlen(text));
        return fd;
}

/* The path of an open file, for those who open it themselves. */
static const char *path_of(int fd)
{
        static char path[64];

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return path;
}

static void reads_that_are_interrupted_or_short(void **state)
{
        kh_cleanup(kh_closep) int fd = temporary_file("0123456789");
        char text[16];
        size_t n;

        (void)state;
        WILL(-EINTR, 3, -EINTR, 1);
        assert_int_equal(kh_read_file(AT_FDCWD, path_of(fd), text, sizeof(text), &n), 0);
        assert_int_equal(n, 10);
        assert_memory_equal(text, "0123456789", 10);
        WILL(4, -EIO);
        assert_int_equal(kh_read_file(AT_FDCWD, path_of(fd), text, sizeof(text), &n), -EIO);
}

static void a_kernel_file_is_read_at_once_or_not_at_all(void **state)
{
        kh_cleanup(kh_closep) int fd = temporary_file("0123456789");
        char text[11];

        (void)state;
        WILL(-EINTR, -EINTR);
        assert_int_equal(kh_read_kernel_file(AT_FDCWD, path_of(fd), text, 11), 10);
        assert_int_equal(kh_read_kernel_file(AT_FDCWD, path_of(fd), text, 10), -EFBIG);
        WILL(-ESRCH);
        assert_int_equal(kh_read_kernel_file(AT_FDCWD, path_of(fd), text, 11), -ESRCH);
}

static void writes_that_are_interrupted_or_short(void **state)
{
        kh_cleanup(kh_closep) int fd = temporary_file("");
        char text[16];

        (void)state;
        WILL(1, -EINTR, 2);
        assert_int_equal(kh_write_all(fd, "abcdef", 6), 0);
        WILL(0);
        assert_int_equal(pread(fd, text, sizeof(text), 0), 6);
        assert_memory_equal(text, "abcdef", 6);
        WILL(2, -ENOSPC);
        assert_int_equal(kh_write_all(fd, "abcdef", 6), -ENOSPC);
}

static void a_spool_on_a_full_disk_holds_no_half_event(void **state)
{
        char directory[] = "/tmp/test-faults-XXXXXX", path[64];
        struct kh_spool_entry entries[4];
        struct kh_err err;
        int spool;

        (void)state;
        assert_non_null(mkdtemp(directory));
        (void)snprintf(path, sizeof(path), "%s/spool", directory);
        spool = kh_spool_open(path, &err);
        assert_true(spool >= 0);
        WILL(3, -ENOSPC);
        assert_int_equal(kh_spool_put(spool, KH_SPAN("event"), &err), -ENOSPC);
        assert_int_equal(err.code, -ENOSPC);
        WILL(0, -EMLINK);
        assert_int_equal(kh_spool_put(spool, KH_SPAN("event"), &err), -EMLINK);
        assert_int_equal(kh_spool_list(spool, entries, 4), 0);
        /* Without the right to link by descriptor there is the way through procfs. */
        WILL(0, -ENOENT);
        assert_int_equal(kh_spool_put(spool, KH_SPAN("event"), &err), 0);
        assert_int_equal(kh_spool_list(spool, entries, 4), 1);
        kh_spool_format_name(&entries[0], path);
        assert_int_equal(unlinkat(spool, path, 0), 0);
        kh_close(spool);
        (void)snprintf(path, sizeof(path), "%s/spool", directory);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_that_are_interrupted_or_short),
                cmocka_unit_test(a_kernel_file_is_read_at_once_or_not_at_all),
                cmocka_unit_test(writes_that_are_interrupted_or_short),
                cmocka_unit_test(a_spool_on_a_full_disk_holds_no_half_event),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
