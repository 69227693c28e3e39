/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <sys/stat.h>

ssize_t kh_read_kernel_file(int dir, const char *name, char *buf, size_t cap)
{
        kh_cleanup(kh_closep) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        ssize_t n;

        if (fd < 0)
                return -errno;
        do
                n = read(fd, buf, cap);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return (size_t)n < cap ? n : -EFBIG;
}

static int read_to_end(int fd, char *buf, size_t cap, size_t *ret_n)
{
        size_t n = 0;

        for (;;) {
                ssize_t got = read(fd, buf + n, cap - n);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                n += (size_t)got;
                if (got == 0 || n == cap)
                        break;
        }
        *ret_n = n;
        return 0;
}

static int check_file(int fd, size_t cap, size_t *ret_size)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size < 0 || (uint64_t)st.st_size > cap)
                return -EFBIG;
        *ret_size = (size_t)st.st_size;
        return 0;
}

int kh_open_file(int dir, const char *name, size_t cap, size_t *ret_size)
{
        /* O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever. */
        kh_cleanup(kh_closep) int fd =
                openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        int r = fd < 0 ? -errno : check_file(fd, cap, ret_size);

        return r < 0 ? r : kh_take_fd(&fd);
}

int kh_read_open_file(int fd, char *buf, size_t cap, size_t *ret_n)
{
        size_t size;
        int r = check_file(fd, cap, &size);

        /* What grows while it is read is taken as it was when it was looked at. */
        return r < 0 ? r : read_to_end(fd, buf, size, ret_n);
}

int kh_read_file(int dir, const char *name, char *buf, size_t cap, size_t *ret_n)
{
        size_t size;
        kh_cleanup(kh_closep) int fd = kh_open_file(dir, name, cap, &size);

        return fd < 0 ? fd : read_to_end(fd, buf, size, ret_n);
}

int kh_write_all(int fd, const char *p, size_t n)
{
        while (n) {
                ssize_t put = write(fd, p, n);

                if (put < 0 && errno == EINTR)
                        continue;
                if (put < 0)
                        return -errno;
                p += put;
                n -= (size_t)put;
        }
        return 0;
}
