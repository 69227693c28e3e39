/* SPDX-License-Identifier: Apache-2.0 */
#include "client/stream.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static int watch(struct kh_stream *s, int fd)
{
        struct epoll_event event = { .events = EPOLLIN };

        return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int kh_stream_init(struct kh_stream *s, struct kh_err *err)
{
        int rc = 0;

        *s = (struct kh_stream){ .sock = -EBADF, .timer = -EBADF };
        s->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (s->epoll < 0)
                return kh_fail(err, -errno, "epoll: %s", kh_strerror(errno));
        s->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        if (s->timer < 0)
                rc = -errno;
        else
                rc = watch(s, s->timer);
        if (rc < 0) {
                kh_stream_done(s);
                return kh_fail(err, rc, "timer: %s", kh_strerror(rc));
        }
        return 0;
}

void kh_stream_done(struct kh_stream *s)
{
        kh_closep(&s->sock);
        kh_closep(&s->timer);
        kh_closep(&s->epoll);
        free(s->buf);
        s->buf = NULL;
}

void kh_stream_disconnect(struct kh_stream *s)
{
        kh_closep(&s->sock); /* leaves the epoll set by that: no other descriptor refers to it */
        s->start = s->scanned = s->end = 0;
}

static int fail_connect(struct kh_err *err, int rc, const char *path)
{
        if (rc == -ENOENT || rc == -ECONNREFUSED)
                return kh_fail(err, rc, "no listener at %s", path);
        return kh_fail(err, rc, "connect to %s: %s", path, kh_strerror(rc));
}

int kh_stream_connect(struct kh_stream *s, const struct sockaddr_un *address, struct kh_err *err)
{
        kh_cleanup(kh_closep) int sock =
                socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int rc;

        kh_stream_disconnect(s);
        if (sock < 0)
                return kh_fail(err, -errno, "socket: %s", kh_strerror(errno));
        if (connect(sock, (const struct sockaddr *)address, sizeof(*address)) < 0)
                return fail_connect(err, -errno, address->sun_path);
        rc = watch(s, sock);
        if (rc < 0)
                return kh_fail(err, rc, "epoll: %s", kh_strerror(rc));
        s->sock = kh_take_fd(&sock);
        return 0;
}

int kh_stream_send(struct kh_stream *s, struct kh_span text, struct kh_err *err)
{
        ssize_t n = send(s->sock, text.p, text.n, MSG_NOSIGNAL);

        if (n < 0 || (size_t)n < text.n)
                return kh_fail(err, -ECONNRESET, "the listener hung up");
        return 0;
}

/* Makes place behind `end`: by moving what is there to the front, else by growing. */
static int make_room(struct kh_stream *s, struct kh_err *err)
{
        enum { FIRST = 64 * 1024 };
        size_t cap = s->cap ? 2 * s->cap : FIRST;
        char *buf;

        if (s->end < s->cap)
                return 0;
        if (s->start > 0) {
                memmove(s->buf, s->buf + s->start, s->end - s->start);
                s->end -= s->start;
                s->scanned -= s->start;
                s->start = 0;
                return 0;
        }
        if (cap > KH_LINE_MAX)
                return kh_fail(err, -EMSGSIZE, "a line of the listener's is longer than 8 MiB");
        buf = realloc(s->buf, cap);
        if (!buf)
                return kh_fail(err, -ENOMEM, "out of memory");
        s->buf = buf;
        s->cap = cap;
        return 0;
}

static bool find_line(struct kh_stream *s, struct kh_span *ret)
{
        size_t fresh = s->end - s->scanned;
        char *newline = fresh ? memchr(s->buf + s->scanned, '\n', fresh) : NULL;

        if (!newline) {
                s->scanned = s->end;
                return false;
        }
        *newline = '\0';
        *ret = (struct kh_span){ s->buf + s->start, (size_t)(newline - s->buf) - s->start };
        s->start = s->scanned = (size_t)(newline - s->buf) + 1;
        return true;
}

int kh_stream_line(struct kh_stream *s, struct kh_span *ret, struct kh_err *err)
{
        while (!find_line(s, ret)) {
                int rc = make_room(s, err);
                ssize_t n;

                if (rc < 0)
                        return rc;
                n = recv(s->sock, s->buf + s->end, s->cap - s->end, 0);
                if (n < 0 && errno == EAGAIN)
                        return 0;
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return kh_fail(err, -ECONNRESET, "the listener hung up");
                s->end += (size_t)n;
        }
        return 1;
}

void kh_stream_wake_at(struct kh_stream *s, uint64_t deadline_ns)
{
        struct itimerspec when = { .it_value = {
                                           .tv_sec = (time_t)(deadline_ns / KH_NS_PER_S),
                                           .tv_nsec = (long)(deadline_ns % KH_NS_PER_S),
                                   } };

        /* Fails only for arguments that these are not. */
        (void)timerfd_settime(s->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

int kh_stream_wait(struct kh_stream *s, uint64_t deadline_ns, struct kh_err *err)
{
        struct pollfd ready = { .fd = s->epoll, .events = POLLIN };

        if (poll(&ready, 1, kh_left_ms(deadline_ns)) < 0)
                return kh_fail(err, -errno, "poll: %s", kh_strerror(errno));
        return 0;
}
