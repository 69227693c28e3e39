/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sources/descriptors.h"

#include "base/cleanup.h"
#include "hookd/sources/pidfds.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum {
        /* More than a request has; when a peer sends more, the kernel closes the rest. */
        RECEIVED_MAX = 4,
        SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW,
};

static void take(struct kh_descriptors *d, int fd)
{
        int pid = kh_pidfd_pid(fd);

        if (pid != -ENOTTY && d->pidfd < 0) {
                d->pidfd = fd;
                d->pidfd_pid = pid;
        } else if (pid == -ENOTTY && d->memfd < 0 && fcntl(fd, F_GET_SEALS) >= 0) {
                d->memfd = fd;
        } else {
                kh_close(fd);
        }
}

static void take_all(struct kh_descriptors *d, struct msghdr *message)
{
        struct cmsghdr *c;

        for (c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
                        int fd;

                        memcpy(&fd, (const char *)c + at, sizeof(fd));
                        take(d, fd);
                }
        }
}

ssize_t kh_descriptors_receive(struct kh_descriptors *d, int fd, char *buf, size_t cap)
{
        union {
                struct cmsghdr align;
                char room[CMSG_SPACE(RECEIVED_MAX * sizeof(int))];
        } control;
        struct iovec iov = { buf, cap };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.room,
                .msg_controllen = sizeof(control.room),
        };
        ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n < 0)
                return -errno;
        if (message.msg_controllen)
                take_all(d, &message);
        return n;
}

void kh_descriptors_close(struct kh_descriptors *d)
{
        kh_closep(&d->pidfd);
        kh_closep(&d->memfd);
}

ssize_t kh_descriptors_read_memfd(int memfd, char *buf, size_t cap)
{
        int seals = fcntl(memfd, F_GET_SEALS);
        struct stat st;
        ssize_t n;

        if (seals < 0 || (seals & SEALS) != SEALS || fstat(memfd, &st) < 0)
                return -EPERM;
        if (st.st_size <= 0 || (uint64_t)st.st_size > cap)
                return -EFBIG;
        n = pread(memfd, buf, (size_t)st.st_size, 0);
        return n == st.st_size ? n : -EIO;
}
