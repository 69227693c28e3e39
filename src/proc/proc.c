/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/proc.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/number.h"
#include "base/utf8.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

int kh_proc_open(int proc, pid_t pid)
{
        char digits[21];
        struct kh_buf name = kh_buf_of(digits, sizeof(digits));
        int fd;

        if (pid <= 0)
                return -ESRCH;
        kh_buf_u64(&name, (uint64_t)pid);
        kh_buf_terminate(&name);
        fd = openat(proc, digits, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Behind the Nth blank of TEXT, up to the next one. */
static struct kh_span field(struct kh_span text, unsigned nth)
{
        while (nth--) {
                const char *blank = text.n ? memchr(text.p, ' ', text.n) : NULL;

                if (!blank)
                        return (struct kh_span){ 0 };
                text = kh_span_from(text, (size_t)(blank - text.p) + 1);
        }
        for (size_t i = 0; i < text.n; i++) {
                if (text.p[i] == ' ' || text.p[i] == '\n')
                        text.n = i;
        }
        return text;
}

int kh_proc_parse_stat(struct kh_span text, struct kh_proc_stat *ret)
{
        /* comm may hold anything, parentheses and blanks too: it ends at the last ')'. */
        const char *open = text.n ? memchr(text.p, '(', text.n) : NULL;
        const char *close = text.n ? memrchr(text.p, ')', text.n) : NULL;
        struct kh_span rest;
        uint64_t ppid, start_time;
        size_t n;

        if (!open || !close || close < open)
                return -EBADMSG;
        n = (size_t)(close - open) - 1;
        if (n >= sizeof(ret->comm))
                n = sizeof(ret->comm) - 1;
        rest = kh_span_from(text, (size_t)(close - text.p));
        /* In `rest` the state is field 1; ppid is field 4 and starttime 22 of the whole. */
        if (!kh_parse_u64(field(rest, 2), INT_MAX, &ppid) ||
                !kh_parse_u64(field(rest, 20), UINT64_MAX, &start_time))
                return -EBADMSG;
        memcpy(ret->comm, open + 1, n);
        ret->comm[n] = '\0';
        ret->state = field(rest, 1).p[0];
        ret->ppid = (pid_t)ppid;
        ret->start_time = start_time;
        return 0;
}

int kh_proc_stat(int process, struct kh_proc_stat *ret)
{
        char buf[1024]; /* 52 numbers of at most 20 digits, most of them short, and comm */
        ssize_t n = kh_read_kernel_file(process, "stat", buf, sizeof(buf));

        if (n < 0)
                return (int)n;
        return kh_proc_parse_stat((struct kh_span){ buf, (size_t)n }, ret);
}

static const char *const ns_file[KH_NS_COUNT] = {
        [KH_NS_PID] = "ns/pid",
        [KH_NS_MNT] = "ns/mnt",
        [KH_NS_NET] = "ns/net",
        [KH_NS_IPC] = "ns/ipc",
        [KH_NS_UTS] = "ns/uts",
        [KH_NS_USER] = "ns/user",
        [KH_NS_CGROUP] = "ns/cgroup",
        [KH_NS_TIME] = "ns/time",
};

/*
 * The number is what fstatat() would give as well, but that has the kernel make an inode of each
 * namespace, at twice the price; "mnt:[4026531841]" is only printed.
 */
int kh_proc_namespace(int process, enum kh_ns which, uint64_t *ret)
{
        char text[32];
        ssize_t n = readlinkat(process, ns_file[which], text, sizeof(text));
        const char *digits = n > 0 ? memchr(text, '[', (size_t)n) : NULL;

        if (n < 0)
                return -errno;
        if (!digits || text[n - 1] != ']' ||
                !kh_parse_u64((struct kh_span){ digits + 1, (size_t)(text + n - digits) - 2 },
                        UINT64_MAX, ret))
                return -EBADMSG;
        return 0;
}

void kh_proc_namespaces(int process, uint64_t ret[KH_NS_COUNT])
{
        for (int i = 0; i < KH_NS_COUNT; i++) {
                if (kh_proc_namespace(process, (enum kh_ns)i, &ret[i]) < 0)
                        ret[i] = 0;
        }
}

/* Of linux/nsfs.h, which is not where musl's compiler looks. */
#ifndef NS_GET_OWNER_UID
#define NS_GET_OWNER_UID _IO(0xb7, 0x4)
#endif

int kh_proc_user_ns_owner(int process, uid_t *ret)
{
        kh_cleanup(kh_closep) int ns = openat(process, ns_file[KH_NS_USER], O_RDONLY | O_CLOEXEC);

        if (ns < 0 || ioctl(ns, NS_GET_OWNER_UID, ret) < 0)
                return -errno;
        return 0;
}

/* The next line of TEXT, "hierarchy:controllers:path" (cgroups(7)), split. */
static bool next_cgroup(struct kh_span *text, bool *unified, struct kh_span *ret_path)
{
        const char *line_end, *first, *second;
        struct kh_span line = *text;

        if (text->n == 0)
                return false;
        line_end = memchr(text->p, '\n', text->n);
        if (line_end) {
                line.n = (size_t)(line_end - text->p);
                *text = kh_span_from(*text, line.n + 1);
        } else {
                text->n = 0;
        }
        first = memchr(line.p, ':', line.n);
        second = first ? memchr(first + 1, ':', (size_t)(line.p + line.n - first - 1)) : NULL;
        if (!second)
                return false;
        *unified = second == first + 1;
        *ret_path = kh_span_from(line, (size_t)(second - line.p) + 1);
        return true;
}

/* "/.." is how a path outside the reader's cgroup namespace begins; "/" is nobody's own cgroup. */
static bool is_own_cgroup(struct kh_span path)
{
        return path.n > 1 && kh_utf8_is_text(path) && path.p[0] == '/' &&
               !kh_span_starts(path, KH_SPAN("/.."));
}

enum { CGROUP2_MAGIC = 0x63677270 }; /* statfs(2); musl's compiler wrapper sees no kernel headers */

static bool look_below(
        const char *cgroupfs, const char *hierarchy, struct kh_span path, struct kh_cgroup *ret)
{
        char full[PATH_MAX];
        struct kh_buf b = kh_buf_of(full, sizeof(full));
        struct stat st;

        kh_buf_span(&b, kh_span_of(cgroupfs));
        kh_buf_span(&b, kh_span_of(hierarchy));
        kh_buf_span(&b, path);
        if (!kh_buf_terminate(&b) || stat(full, &st) < 0)
                return false;
        ret->id = st.st_ino;
        ret->owner = st.st_uid;
        return true;
}

/*
 * What a directory of the v2 hierarchy tells. Where there are v1 hierarchies too, that is usually
 * mounted as "unified" beside them; but they may as well be mounted nowhere.
 */
static void look_at_directory(
        const char *cgroupfs, bool v1_too, struct kh_span path, struct kh_cgroup *ret)
{
        struct statfs fs;

        if (v1_too && look_below(cgroupfs, "/unified", path, ret))
                return;
        if (!v1_too || (statfs(cgroupfs, &fs) == 0 && fs.f_type == CGROUP2_MAGIC))
                (void)look_below(cgroupfs, "", path, ret);
}

int kh_proc_cgroup(int process, const char *cgroupfs, char *buf, struct kh_cgroup *ret)
{
        ssize_t n = kh_read_kernel_file(process, "cgroup", buf, KH_CGROUP_FILE_MAX);
        struct kh_span text = { buf, n > 0 ? (size_t)n : 0 };
        struct kh_span path, v2 = { 0 }, v1 = { 0 };
        bool unified, v1_too = false;

        *ret = (struct kh_cgroup){ 0 };
        if (n < 0)
                return (int)n;
        while (next_cgroup(&text, &unified, &path)) {
                v1_too |= !unified;
                if (!is_own_cgroup(path))
                        continue;
                if (unified)
                        v2 = path;
                else if (!v1.p)
                        v1 = path;
        }
        ret->path = v2.p ? v2 : v1;
        if (v2.p)
                look_at_directory(cgroupfs, v1_too, v2, ret);
        return 0;
}

void kh_proc_cgroup_kept(
        int process, const char *cgroupfs, struct kh_buf *scratch, struct kh_cgroup *ret)
{
        *ret = (struct kh_cgroup){ 0 };
        if (scratch->cap - scratch->len < KH_CGROUP_FILE_MAX)
                return;
        (void)kh_proc_cgroup(process, cgroupfs, scratch->p + scratch->len, ret);
        if (ret->path.p)
                scratch->len = (size_t)(ret->path.p + ret->path.n - scratch->p);
}

int kh_pidfd_open(pid_t pid)
{
        long fd = syscall(SYS_pidfd_open, pid, 0);

        return fd < 0 ? -errno : (int)fd;
}
