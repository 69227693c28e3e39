/* SPDX-License-Identifier: Apache-2.0 */
#include "base/root.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <sys/stat.h>
#include <sys/syscall.h>

/* Of linux/openat2.h, which is not where musl's compiler looks. */
struct open_how {
        uint64_t flags, mode, resolve;
};
enum {
        RESOLVE_NO_MAGICLINKS = 0x02,
        RESOLVE_NO_SYMLINKS = 0x04,
        RESOLVE_BENEATH = 0x08,
        RESOLVE_IN_ROOT = 0x10, /* magic links are refused with it */
};

/* The kernel gives up with EAGAIN when something is renamed while it walks; it is told to go on. */
enum { WALKS_MAX = 32 };

static int resolve(int dir, const char *path, int flags, uint64_t how_to)
{
        struct open_how how = {
                .flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
                .resolve = how_to,
        };
        long fd = -1;

        for (int i = 0; i < WALKS_MAX; i++) {
                fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
                if (fd >= 0 || errno != EAGAIN)
                        break;
        }
        return fd < 0 ? -errno : (int)fd;
}

int kh_root_open(struct kh_root root, const char *path, int flags)
{
        uint64_t how_to = root.dir == AT_FDCWD ? 0 : RESOLVE_IN_ROOT;
        int fd;

        if (root.user)
                how_to |= RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
        if (how_to)
                return resolve(root.dir, path, flags, how_to);
        fd = open(path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int kh_root_open_below(struct kh_root root, int dir, const char *path, int flags)
{
        int fd = resolve(
                dir, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

        /* In one's own root a link of root's leads to what is there anyway. */
        if (fd == -ENOSYS && root.dir == AT_FDCWD && !root.user) {
                fd = openat(dir, path, flags | O_NOFOLLOW | O_CLOEXEC);
                return fd < 0 ? -errno : fd;
        }
        return fd;
}

/* O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever. */
enum { READ_FLAGS = O_RDONLY | O_NOCTTY | O_NONBLOCK };

static int read_checked(struct kh_root root, int fd, char *buf, size_t cap, size_t *ret_n)
{
        struct stat st;

        if (!root.user)
                return kh_read_open_file(fd, buf, cap, ret_n);
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != root.user) /* another's, by a hard link */
                return -EPERM;
        return kh_read_open_file(fd, buf, cap < KH_USER_FILE_MAX ? cap : KH_USER_FILE_MAX, ret_n);
}

int kh_root_read_file(struct kh_root root, const char *path, char *buf, size_t cap, size_t *ret_n)
{
        kh_cleanup(kh_closep) int fd = kh_root_open(root, path, READ_FLAGS);

        return fd < 0 ? fd : read_checked(root, fd, buf, cap, ret_n);
}

int kh_root_read_below(
        struct kh_root root, int dir, const char *path, char *buf, size_t cap, size_t *ret_n)
{
        kh_cleanup(kh_closep) int fd = kh_root_open_below(root, dir, path, READ_FLAGS);

        return fd < 0 ? fd : read_checked(root, fd, buf, cap, ret_n);
}
