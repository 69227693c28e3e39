/* SPDX-License-Identifier: Apache-2.0 */
#include "base/root.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <stdint.h>
#include <sys/syscall.h>

/* Of linux/openat2.h, which is not where musl's compiler looks. */
struct open_how {
        uint64_t flags, mode, resolve;
};
enum {
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

int kh_root_open(int root, const char *path, int flags)
{
        int fd;

        if (root != KH_OWN_ROOT)
                return resolve(root, path, flags, RESOLVE_IN_ROOT);
        fd = open(path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int kh_root_open_below(int root, int dir, const char *path, int flags)
{
        int fd = resolve(dir, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);

        /* In one's own root a link leads to what is there anyway. */
        if (fd == -ENOSYS && root == KH_OWN_ROOT) {
                fd = openat(dir, path, flags | O_NOFOLLOW | O_CLOEXEC);
                return fd < 0 ? -errno : fd;
        }
        return fd;
}

int kh_root_read_file(int root, const char *path, char *buf, size_t cap, size_t *ret_n)
{
        /* O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever. */
        kh_cleanup(kh_closep) int fd = kh_root_open(root, path, O_RDONLY | O_NOCTTY | O_NONBLOCK);

        return fd < 0 ? fd : kh_read_open_file(fd, buf, cap, ret_n);
}
