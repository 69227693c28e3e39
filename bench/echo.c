/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a listener can do: echo SOCKET [SUBSCRIBERS] accepts a connection, reads requests,
 * passes each on to the newest peer of SUBSCRIBERS, answers "ok", closes; one at a time.
 */
#include "base/cleanup.h"
#include "base/err.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static int listen_at(const char *path, int flags)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

        if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
                return -1;
        memcpy(address.sun_path, path, strlen(path) + 1);
        (void)unlink(path);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0)
                return -1;
        return fd;
}

/* What came, without the descriptors that came with it; as recv(). */
static ssize_t receive(int fd, char *buf, size_t cap)
{
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
        struct iovec iov = { buf, cap };
        struct msghdr m = { .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
        struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

        if (c && c->cmsg_type == SCM_RIGHTS) {
                int fds[2];
                size_t bytes = c->cmsg_len - CMSG_LEN(0);

                memcpy(fds, CMSG_DATA(c), bytes);
                for (size_t i = 0; i < bytes / sizeof(int); i++)
                        kh_close(fds[i]);
        }
        return n;
}

static void serve(int peer, int subscriber)
{
        char buf[65536];
        ssize_t n;

        while ((n = receive(peer, buf, sizeof(buf))) > 0) {
                if (subscriber >= 0)
                        (void)send(subscriber, buf, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
                (void)send(peer, "ok", 2, MSG_NOSIGNAL);
        }
}

int main(int argc, char **argv)
{
        int hooks = argc > 1 ? listen_at(argv[1], 0) : -1;
        int readers = argc > 2 ? listen_at(argv[2], SOCK_NONBLOCK) : -1;
        int subscriber = -EBADF;

        if (hooks < 0 || (argc > 2 && readers < 0)) {
                fprintf(stderr, "echo: cannot listen: %s\n", kh_strerror(errno));
                return 1;
        }
        for (;;) {
                kh_cleanup(kh_closep) int peer = accept4(hooks, NULL, NULL, SOCK_CLOEXEC);
                int reader = readers < 0 ? -1 : accept4(readers, NULL, NULL, SOCK_CLOEXEC);

                if (reader >= 0) {
                        kh_close(subscriber);
                        subscriber = reader;
                }
                if (peer >= 0)
                        serve(peer, subscriber);
        }
}
