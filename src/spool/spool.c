/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/spool.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/number.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

void kh_spool_format_name(const struct kh_spool_entry *entry, char ret[KH_SPOOL_NAME_MAX])
{
        struct kh_buf b = kh_buf_of(ret, KH_SPOOL_NAME_MAX);

        kh_buf_u64(&b, entry->boottime_ns);
        kh_buf_char(&b, '-');
        kh_buf_u64(&b, entry->pid);
        kh_buf_char(&b, '-');
        kh_buf_u64(&b, entry->seq);
        kh_buf_terminate(&b);
}

bool kh_spool_parse_name(struct kh_span name, struct kh_spool_entry *ret)
{
        const char *first = name.n ? memchr(name.p, '-', name.n) : NULL;
        const char *last = name.n ? memrchr(name.p, '-', name.n) : NULL;
        uint64_t boottime_ns, pid, seq;
        char canonical[KH_SPOOL_NAME_MAX];
        struct kh_spool_entry entry;

        if (!first || first == last ||
                !kh_parse_u64((struct kh_span){ name.p, (size_t)(first - name.p) }, UINT64_MAX,
                        &boottime_ns) ||
                !kh_parse_u64((struct kh_span){ first + 1, (size_t)(last - first) - 1 }, UINT32_MAX,
                        &pid) ||
                !kh_parse_u64(kh_span_from(name, (size_t)(last - name.p) + 1), UINT32_MAX, &seq))
                return false;
        entry = (struct kh_spool_entry){ boottime_ns, (uint32_t)pid, (uint32_t)seq };
        /* "007" is 7 as well, but the file of an entry is found by its name alone. */
        kh_spool_format_name(&entry, canonical);
        if (!kh_span_eq(name, kh_span_of(canonical)))
                return false;
        *ret = entry;
        return true;
}

static int make_directory(const char *path)
{
        struct kh_span parent = kh_span_of(path);
        char name[4096]; /* PATH_MAX */
        struct kh_buf b = kh_buf_of(name, sizeof(name));

        if (mkdir(path, 0700) == 0 || errno == EEXIST)
                return 0;
        while (parent.n > 1 && parent.p[parent.n - 1] != '/')
                parent.n--;
        if (errno != ENOENT || parent.n <= 1)
                return -errno;
        kh_buf_put(&b, parent.p, parent.n - 1);
        if (!kh_buf_terminate(&b))
                return -ENAMETOOLONG;
        /* Readers pass through it to the events socket; what is in it guards itself. */
        if (mkdir(name, 0711) < 0 && errno != EEXIST)
                return -errno;
        return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

int kh_spool_open(const char *path, struct kh_err *err)
{
        kh_cleanup(kh_closep) int dir = -EBADF;
        struct stat st;
        int r = make_directory(path);

        if (r < 0)
                return kh_fail(err, r, "create spool '%s': %s", path, kh_strerror(r));
        dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0 || fstat(dir, &st) < 0)
                return kh_fail(err, -errno, "open spool '%s': %s", path, kh_strerror(errno));
        if (st.st_uid != geteuid() || (st.st_mode & 022))
                return kh_fail(err, -EPERM,
                        "spool '%s' must belong to uid %u and be writable to it alone", path,
                        (unsigned)geteuid());
        return kh_take_fd(&dir);
}

struct linux_dirent64 {
        uint64_t d_ino;
        int64_t d_off;
        uint16_t d_reclen;
        uint8_t d_type;
        char d_name[];
};

/* Calls FN for each event's name until it returns false; readdir() would allocate. */
static int for_each(int dir, bool (*fn)(void *arg, const struct kh_spool_entry *e), void *arg)
{
        /* A struct linux_dirent64 needs its alignment. */
        _Alignas(uint64_t) char buf[16384];

        if (lseek(dir, 0, SEEK_SET) < 0)
                return -errno;
        for (;;) {
                long n = syscall(SYS_getdents64, dir, buf, sizeof(buf));

                if (n <= 0)
                        return n < 0 ? -errno : 0;
                for (long at = 0; at < n;) {
                        const struct linux_dirent64 *d = (const void *)(buf + at);
                        struct kh_spool_entry entry;

                        at += d->d_reclen;
                        if (kh_spool_parse_name(kh_span_of(d->d_name), &entry) && !fn(arg, &entry))
                                return 0;
                }
        }
}

static int compare(const void *a, const void *b)
{
        const struct kh_spool_entry *x = a, *y = b;

        if (x->boottime_ns != y->boottime_ns)
                return x->boottime_ns < y->boottime_ns ? -1 : 1;
        if (x->pid != y->pid)
                return x->pid < y->pid ? -1 : 1;
        return x->seq < y->seq ? -1 : x->seq > y->seq;
}

struct list {
        struct kh_spool_entry *v;
        size_t n, cap;
};

static bool list_add(void *arg, const struct kh_spool_entry *e)
{
        struct list *list = arg;

        if (list->n == list->cap)
                return false;
        list->v[list->n++] = *e;
        return true;
}

ssize_t kh_spool_list(int dir, struct kh_spool_entry *ret, size_t cap)
{
        struct list list = { .v = ret, .cap = cap };
        int r = for_each(dir, list_add, &list);

        if (r < 0)
                return r;
        qsort(ret, list.n, sizeof(*ret), compare);
        return (ssize_t)list.n;
}

static off_t size_of(int dir, const struct kh_spool_entry *e)
{
        char name[KH_SPOOL_NAME_MAX];
        struct stat st;

        kh_spool_format_name(e, name);
        return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : 0;
}

static void drop(int dir, const struct kh_spool_entry *e)
{
        kh_cleanup(kh_closep) int count = -EBADF;
        char name[KH_SPOOL_NAME_MAX];

        kh_spool_format_name(e, name);
        if (unlinkat(dir, name, 0) < 0)
                return; /* another hook was faster, or the listener took it */
        count = openat(
                dir, "dropped", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (count >= 0)
                (void)kh_write_all(count, ".", 1);
}

static int make_room(int dir, size_t n)
{
        static struct kh_spool_entry entries[KH_SPOOL_FILES_MAX];
        ssize_t files = kh_spool_list(dir, entries, KH_SPOOL_FILES_MAX);
        uint64_t bytes = n;

        if (files < 0)
                return (int)files;
        for (ssize_t i = 0; i < files; i++)
                bytes += (uint64_t)size_of(dir, &entries[i]);
        for (ssize_t i = 0;
                i < files && (files - i >= KH_SPOOL_FILES_MAX || bytes > KH_SPOOL_BYTES_MAX); i++) {
                bytes -= (uint64_t)size_of(dir, &entries[i]);
                drop(dir, &entries[i]);
        }
        return 0;
}

/* Gives the nameless file its name: no reader sees it before it is whole. */
static int link_into(int file, int dir, const char *name)
{
        char path[32];
        struct kh_buf b = kh_buf_of(path, sizeof(path));

        if (linkat(file, "", dir, name, AT_EMPTY_PATH) == 0)
                return 0;
        if (errno != ENOENT) /* what a process without CAP_DAC_READ_SEARCH gets before Linux 6.10 */
                return -errno;
        kh_buf_lit(&b, "/proc/self/fd/");
        kh_buf_u64(&b, (uint64_t)file);
        kh_buf_terminate(&b);
        return linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : -errno;
}

int kh_spool_put(int dir, struct kh_span event, struct kh_err *err)
{
        static uint32_t seq;
        kh_cleanup(kh_closep) int file = -EBADF;
        struct kh_spool_entry entry = { kh_boottime_ns(), (uint32_t)getpid(), seq++ };
        char name[KH_SPOOL_NAME_MAX];
        int r = make_room(dir, event.n);

        if (r < 0)
                return kh_fail(err, r, "make room in the spool: %s", kh_strerror(r));
        file = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
        if (file < 0)
                return kh_fail(err, -errno, "create a spool file: %s", kh_strerror(errno));
        r = kh_write_all(file, event.p, event.n);
        if (r < 0)
                return kh_fail(err, r, "write a spool file: %s", kh_strerror(r));
        kh_spool_format_name(&entry, name);
        r = link_into(file, dir, name);
        if (r < 0)
                return kh_fail(err, r, "name a spool file: %s", kh_strerror(r));
        return 0;
}

uint64_t kh_spool_take_dropped(int dir)
{
        struct stat st;

        /* Moved aside first: a hook that drops one meanwhile starts a new count. */
        if (renameat(dir, "dropped", dir, "dropped.taken") < 0 ||
                fstatat(dir, "dropped.taken", &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        (void)unlinkat(dir, "dropped.taken", 0);
        return (uint64_t)st.st_size;
}
