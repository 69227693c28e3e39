/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "spool/spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A directory of its own for each test: DIRECTORY/run/spool is the spool. */
static char directory[64], spool_path[128];
static int spool = -EBADF;

static int make_spool(void **state)
{
        (void)state;
        (void)snprintf(directory, sizeof(directory), "/tmp/test-spool-XXXXXX");
        if (!mkdtemp(directory))
                return -1;
        (void)snprintf(spool_path, sizeof(spool_path), "%s/run/spool", directory);
        spool = kh_spool_open(spool_path, NULL);
        return spool < 0 ? -1 : 0;
}

static int remove_spool(void **state)
{
        char command[128];

        (void)state;
        kh_closep(&spool);
        (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command);
}

static void put(const char *event)
{
        struct kh_err err;

        if (kh_spool_put(spool, kh_span_of(event), &err) < 0)
                fail_msg("%s", err.msg);
}

/* A file as another hook, at another time, would have left it. */
static void put_at(uint64_t boottime_ns, size_t size)
{
        const struct kh_spool_entry entry = { .boottime_ns = boottime_ns, .pid = 7 };
        char name[KH_SPOOL_NAME_MAX];
        int file;

        kh_spool_format_name(&entry, name);
        file = openat(spool, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_true(file >= 0);
        assert_int_equal(ftruncate(file, (off_t)size), 0);
        close(file);
}

static void assert_event(const struct kh_spool_entry *entry, const char *expected)
{
        char name[KH_SPOOL_NAME_MAX], text[256];
        size_t n;

        kh_spool_format_name(entry, name);
        assert_int_equal(kh_read_file(spool, name, text, sizeof(text), &n), 0);
        assert_int_equal(n, strlen(expected));
        assert_memory_equal(text, expected, n);
}

static void what_is_put_is_listed_in_order(void **state)
{
        struct kh_spool_entry entries[8];

        (void)state;
        assert_int_equal(kh_spool_list(spool, entries, 8), 0);
        put("first");
        put("second");
        put("third");
        assert_int_equal(kh_spool_list(spool, entries, 8), 3);
        assert_event(&entries[0], "first");
        assert_event(&entries[1], "second");
        assert_event(&entries[2], "third");
        assert_int_equal(kh_spool_take_dropped(spool), 0);
}

static void numbers_give_the_order_not_names(void **state)
{
        struct kh_spool_entry entries[8];

        (void)state;
        put_at(1000, 1);
        put_at(999, 1);
        put_at(20, 1);
        assert_int_equal(kh_spool_list(spool, entries, 8), 3);
        assert_int_equal(entries[0].boottime_ns, 20);
        assert_int_equal(entries[1].boottime_ns, 999);
        assert_int_equal(entries[2].boottime_ns, 1000);
}

static void a_listing_has_the_size_of_its_buffer(void **state)
{
        struct kh_spool_entry entries[2];

        (void)state;
        for (uint64_t i = 1; i <= 5; i++)
                put_at(i, 1);
        assert_int_equal(kh_spool_list(spool, entries, 2), 2);
        assert_true(entries[0].boottime_ns < entries[1].boottime_ns);
}

static void other_files_are_none_of_its_business(void **state)
{
        static const char *const others[] = { "dropped", "x", "1-2", "1-2-3-4", "01-2-3", "-1-2-3",
                "1--3", "1-2-", "18446744073709551616-1-1", "1-4294967296-1", "1-2-3.tmp" };
        struct kh_spool_entry entries[8];

        (void)state;
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                close(openat(spool, others[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        assert_int_equal(kh_spool_list(spool, entries, 8), 0);
}

static void the_oldest_go_first_when_there_are_too_many(void **state)
{
        static struct kh_spool_entry entries[KH_SPOOL_FILES_MAX + 8];

        (void)state;
        for (uint64_t i = 1; i <= KH_SPOOL_FILES_MAX; i++)
                put_at(i, 1);
        put("newest");
        assert_int_equal(kh_spool_list(spool, entries, KH_SPOOL_FILES_MAX + 8), KH_SPOOL_FILES_MAX);
        assert_int_equal(entries[0].boottime_ns, 2);
        assert_event(&entries[KH_SPOOL_FILES_MAX - 1], "newest");
        assert_int_equal(kh_spool_take_dropped(spool), 1);
        assert_int_equal(kh_spool_take_dropped(spool), 0);
}

static void the_oldest_go_first_when_they_are_too_large(void **state)
{
        struct kh_spool_entry entries[8];

        (void)state;
        put_at(1, KH_SPOOL_BYTES_MAX / 2);
        put_at(2, KH_SPOOL_BYTES_MAX / 2);
        put("newest");
        assert_int_equal(kh_spool_list(spool, entries, 8), 2);
        assert_int_equal(entries[0].boottime_ns, 2);
        assert_event(&entries[1], "newest");
        assert_int_equal(kh_spool_take_dropped(spool), 1);
}

static void names_are_canonical(void **state)
{
        const struct kh_spool_entry last = { UINT64_MAX, UINT32_MAX, UINT32_MAX };
        struct kh_spool_entry entry = { 1, 2, 3 };
        char name[KH_SPOOL_NAME_MAX];

        (void)state;
        kh_spool_format_name(&last, name);
        assert_string_equal(name, "18446744073709551615-4294967295-4294967295");
        assert_false(kh_spool_parse_name(KH_SPAN("9-9-09"), &entry));
        assert_int_equal(entry.boottime_ns, 1);
        assert_true(kh_spool_parse_name(kh_span_of(name), &entry));
        assert_int_equal(entry.boottime_ns, UINT64_MAX);
        assert_int_equal(entry.pid, UINT32_MAX);
        assert_int_equal(entry.seq, UINT32_MAX);
}

static void it_is_made_for_its_owner_alone(void **state)
{
        struct kh_err err;
        struct stat st;

        (void)state;
        assert_int_equal(fstat(spool, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        assert_int_equal(chmod(spool_path, 0770), 0);
        assert_int_equal(kh_spool_open(spool_path, &err), -EPERM);
        assert_int_equal(chmod(spool_path, 0700), 0);
        if (geteuid() == 0) {
                assert_int_equal(chown(spool_path, 1000, 0), 0);
                assert_int_equal(kh_spool_open(spool_path, &err), -EPERM);
        }
}

static void what_is_no_directory(void **state)
{
        char path[160];
        struct kh_err err;

        (void)state;
        (void)snprintf(path, sizeof(path), "%s/link", directory);
        assert_int_equal(symlink(spool_path, path), 0);
        assert_int_equal(kh_spool_open(path, &err), -ENOTDIR);
        (void)snprintf(path, sizeof(path), "%s/file", directory);
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        assert_int_equal(kh_spool_open(path, &err), -ENOTDIR);
        (void)snprintf(path, sizeof(path), "%s/a/b/c", directory);
        assert_int_equal(kh_spool_open(path, &err), -ENOENT);
        assert_int_equal(kh_spool_open("", &err), -ENOENT);
}

/* Many hooks at once: each event is there whole, under a name of its own. */
static void many_writers(void **state)
{
        enum { WRITERS = 8, EVENTS = 50 };
        struct kh_spool_entry entries[WRITERS * EVENTS + 1];
        int status;

        (void)state;
        for (int i = 0; i < WRITERS; i++) {
                if (fork() == 0) {
                        for (int k = 0; k < EVENTS; k++) {
                                if (kh_spool_put(spool, KH_SPAN("event"), NULL) < 0)
                                        _exit(1);
                        }
                        _exit(0);
                }
        }
        for (int i = 0; i < WRITERS; i++) {
                assert_true(wait(&status) > 0);
                assert_int_equal(status, 0);
        }
        assert_int_equal(kh_spool_list(spool, entries, WRITERS * EVENTS + 1), WRITERS * EVENTS);
        for (int i = 0; i < WRITERS * EVENTS; i++)
                assert_event(&entries[i], "event");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define spool_test(f) cmocka_unit_test_setup_teardown(f, make_spool, remove_spool)
                spool_test(what_is_put_is_listed_in_order),
                spool_test(numbers_give_the_order_not_names),
                spool_test(a_listing_has_the_size_of_its_buffer),
                spool_test(other_files_are_none_of_its_business),
                spool_test(the_oldest_go_first_when_there_are_too_many),
                spool_test(the_oldest_go_first_when_they_are_too_large),
                spool_test(names_are_canonical),
                spool_test(it_is_made_for_its_owner_alone),
                spool_test(what_is_no_directory),
                spool_test(many_writers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
