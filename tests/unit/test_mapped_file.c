/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "hook/mapped_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static char directory[64], path[128];

static int make_file(void **state)
{
        (void)state;
        (void)snprintf(directory, sizeof(directory), "/tmp/test-mapped-XXXXXX");
        if (!mkdtemp(directory))
                return -1;
        (void)snprintf(path, sizeof(path), "%s/file", directory);
        return 0;
}

static int remove_file(void **state)
{
        (void)state;
        (void)unlink(path);
        return rmdir(directory);
}

static int write_file(size_t n)
{
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        char page[4096];

        assert_true(fd >= 0);
        memset(page, 'x', sizeof(page));
        for (; n; n -= n < sizeof(page) ? n : sizeof(page))
                assert_int_equal(kh_write_all(fd, page, n < sizeof(page) ? n : sizeof(page)), 0);
        return fd;
}

static void its_text_is_ours_alone(void **state)
{
        kh_cleanup(kh_closep) int fd = write_file(5000);
        char *p, byte;
        size_t n;

        (void)state;
        assert_int_equal(kh_map_file(path, 5000, &p, &n), 0);
        assert_int_equal(n, 5000);
        assert_int_equal(p[4999], 'x');
        p[0] = 'y';
        assert_int_equal(pread(fd, &byte, 1, 0), 1);
        assert_int_equal(byte, 'x');
}

/* Somebody cuts the file short while it is read. */
static void what_vanishes_reads_as_zeros(void **state)
{
        kh_cleanup(kh_closep) int fd = write_file(4 * 4096);
        char *p;
        size_t n;

        (void)state;
        assert_int_equal(kh_map_file(path, 1 << 20, &p, &n), 0);
        assert_int_equal(p[0], 'x');
        assert_int_equal(ftruncate(fd, 4096), 0);
        assert_int_equal(p[4095], 'x');
        assert_int_equal(p[2 * 4096 + 5], '\0');
        assert_int_equal(p[4096], '\0');
        assert_int_equal(p[4 * 4096 - 1], '\0');
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_true(p[0] == 'x' || p[0] == '\0');
}

static void files_that_are_not_mapped(void **state)
{
        char *p;
        size_t n;

        (void)state;
        assert_int_equal(kh_map_file(path, 100, &p, &n), -ENOENT);
        close(write_file(101));
        assert_int_equal(kh_map_file(path, 100, &p, &n), -EFBIG);
        close(write_file(0));
        assert_int_equal(kh_map_file(path, 100, &p, &n), -ENODATA);
        assert_int_equal(kh_map_file(directory, 1 << 20, &p, &n), -EINVAL);
        assert_int_equal(kh_map_file("/dev/zero", 100, &p, &n), -EINVAL);
        (void)unlink(path);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(kh_map_file(path, 100, &p, &n), -EINVAL); /* and nobody waits for it */
        (void)unlink(path);
        assert_int_equal(symlink(path, path), 0);
        assert_int_equal(kh_map_file(path, 100, &p, &n), -ELOOP);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define file_test(f) cmocka_unit_test_setup_teardown(f, make_file, remove_file)
                file_test(its_text_is_ours_alone),
                file_test(what_vanishes_reads_as_zeros),
                file_test(files_that_are_not_mapped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
