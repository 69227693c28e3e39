/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/deliver.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

struct message {
        struct kh_span stream;
        struct kh_span whole; /* what the stream holds less than; else the same */
        int memfd;            /* the whole request, where the stream holds less; else -EBADF */
};

struct kh_span kh_whole_request(const struct kh_request *request)
{
        static char text[KH_REQUEST_MAX];
        struct kh_buf b = kh_buf_of(text, sizeof(text));

        kh_request_write(&b, request, KH_REQUEST_WHOLE);
        if (b.over) {
                b = kh_buf_of(text, sizeof(text));
                kh_request_write(&b, request, KH_REQUEST_BOUNDED);
        }
        return kh_buf_view(&b);
}

/* A memfd that nobody can change any more; -EBADF when there is none to be had. */
static int sealed_memfd(struct kh_span text)
{
        kh_cleanup(kh_closep) int fd =
                memfd_create("kubearmor-hook-request", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0 || kh_write_all(fd, text.p, text.n) < 0 ||
                fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) <
                        0)
                return -EBADF;
        return kh_take_fd(&fd);
}

/* The most that fits into the stream, in BUF. */
static struct kh_span write_shorter(const struct kh_request *request, char *buf)
{
        struct kh_buf b;

        for (enum kh_request_detail d = KH_REQUEST_BOUNDED; d <= KH_REQUEST_SHORT; d++) {
                b = kh_buf_of(buf, KH_REQUEST_STREAM_MAX);
                kh_request_write(&b, request, d);
                if (!b.over)
                        break;
        }
        return kh_buf_view(&b);
}

static struct message compose(const struct kh_request *request)
{
        static char buf[KH_REQUEST_STREAM_MAX];
        struct kh_buf b = kh_buf_of(buf, sizeof(buf));
        struct kh_span whole;

        kh_request_write(&b, request, KH_REQUEST_WHOLE);
        if (!b.over)
                return (struct message){ kh_buf_view(&b), kh_buf_view(&b), -EBADF };
        whole = kh_whole_request(request);
        return (struct message){ write_shorter(request, buf), whole, sealed_memfd(whole) };
}

/* For a listener whose backlog is full: waits as long as the deadline lets it. */
static int connect_waiting(int fd, const struct sockaddr_un *address, uint64_t deadline_ns)
{
        uint64_t left = kh_left_ns(deadline_ns);
        const struct timeval timeout = {
                .tv_sec = (time_t)(left / KH_NS_PER_S),
                .tv_usec = (suseconds_t)(left % KH_NS_PER_S / 1000),
        };
        int flags = fcntl(fd, F_GETFL), r;

        if (left < KH_NS_PER_MS)
                return -ETIMEDOUT;
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
                fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
                return -errno;
        r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
        (void)fcntl(fd, F_SETFL, flags);
        return r == -EAGAIN ? -ETIMEDOUT : r;
}

static int connect_in_time(const char *path, uint64_t deadline_ns)
{
        kh_cleanup(kh_closep) int fd = -EBADF;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t n = strlen(path);
        int r;

        if (n >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, n);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
                if (errno != EAGAIN) /* which only means that the backlog is full */
                        return -errno;
                r = connect_waiting(fd, &address, deadline_ns);
                if (r < 0)
                        return r;
        }
        return kh_take_fd(&fd);
}

/* What is longer than a socket holds takes as many calls as its reader needs. */
static int send_stream(int fd, struct kh_span text, uint64_t deadline_ns)
{
        while (text.n) {
                struct pollfd wait = { .fd = fd, .events = POLLOUT };
                ssize_t sent = send(fd, text.p, text.n, MSG_NOSIGNAL);

                if (sent > 0)
                        text = kh_span_from(text, (size_t)sent);
                else if (errno != EAGAIN && errno != EINTR)
                        return -errno;
                else if (poll(&wait, 1, kh_left_ms(deadline_ns)) == 0)
                        return -ETIMEDOUT;
        }
        return 0;
}

/*
 * The message with its descriptors, in one call: KubeArmor's listener parses what one read gives.
 * EPERM is the kernel's word that this listener takes no descriptors; so it is ours, which takes a
 * stream of any length.
 */
static int send_message(int fd, const struct message *m, int pidfd, uint64_t deadline_ns)
{
        union {
                struct cmsghdr align;
                char room[CMSG_SPACE(2 * sizeof(int))];
        } control;
        struct iovec text = { (void *)m->stream.p, m->stream.n };
        struct msghdr msg = { .msg_iov = &text, .msg_iovlen = 1 };
        int fds[2];
        size_t n = 0;
        ssize_t sent;

        if (pidfd >= 0)
                fds[n++] = pidfd;
        if (m->memfd >= 0)
                fds[n++] = m->memfd;
        if (n) {
                struct cmsghdr *c = &control.align;

                *c = (struct cmsghdr){
                        .cmsg_len = (socklen_t)CMSG_LEN(n * sizeof(int)),
                        .cmsg_level = SOL_SOCKET,
                        .cmsg_type = SCM_RIGHTS,
                };
                memcpy(CMSG_DATA(c), fds, n * sizeof(int));
                msg.msg_control = &control;
                msg.msg_controllen = (socklen_t)CMSG_SPACE(n * sizeof(int));
        }
        sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
        if (sent < 0 && errno == EPERM && n)
                return send_stream(fd, m->whole, deadline_ns);
        if (sent < 0)
                return -errno;
        return (size_t)sent == m->stream.n ? 0 : -EPROTO;
}

static bool has_other_cpu(void)
{
        cpu_set_t set;

        return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 1;
}

/* One step of an answer: how many bytes, or a negative errno. */
static ssize_t receive(int fd, char *p, size_t n)
{
        ssize_t got = recv(fd, p, n, MSG_DONTWAIT);

        if (got == 0)
                return -ECONNRESET;
        return got < 0 ? -errno : got;
}

static ssize_t receive_waiting(int fd, char *p, size_t n, uint64_t deadline_ns)
{
        for (;;) {
                struct pollfd wait = { .fd = fd, .events = POLLIN };
                ssize_t got = receive(fd, p, n);
                int left = kh_left_ms(deadline_ns);

                if (got != -EAGAIN && got != -EINTR)
                        return got;
                if (left == 0)
                        return -ETIMEDOUT;
                if (poll(&wait, 1, left) < 0 && errno != EINTR)
                        return -errno;
        }
}

/*
 * A listener that runs on another CPU answers sooner than this one could fall asleep and be woken.
 * How many looks, and how far apart, bounds the spin to some 50 microseconds.
 */
enum { SPIN_LOOKS = 60, SPIN_PAUSES = 16 };

static void relax_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
}

static ssize_t receive_spinning(int fd, char *p, size_t n)
{
        ssize_t got = -EAGAIN;

        for (int look = 0; look < SPIN_LOOKS && got == -EAGAIN; look++) {
                for (int i = 0; i < SPIN_PAUSES; i++)
                        relax_cpu();
                got = receive(fd, p, n);
        }
        return got;
}

enum answer { ANSWER_OK, ANSWER_NOT_READY, ANSWER_UNKNOWN };

/* The listener's answer, byte by byte if it likes; an enum answer or a negative errno. */
static int read_answer(int fd, uint64_t deadline_ns)
{
        static const char ok[] = "ok", err[] = "err";
        char text[sizeof(err) - 1];
        size_t n = 0;
        ssize_t got = has_other_cpu() ? receive_spinning(fd, text, sizeof(text)) : -EAGAIN;

        for (;;) {
                if (got == -EAGAIN)
                        got = receive_waiting(fd, text + n, sizeof(text) - n, deadline_ns);
                if (got < 0)
                        return (int)got;
                n += (size_t)got;
                if (n == sizeof(ok) - 1 && memcmp(text, ok, n) == 0)
                        return ANSWER_OK;
                if (n == sizeof(err) - 1 && memcmp(text, err, n) == 0)
                        return ANSWER_NOT_READY;
                if (n == sizeof(text) || (memcmp(text, ok, n) != 0 && memcmp(text, err, n) != 0))
                        return ANSWER_UNKNOWN;
                got = -EAGAIN;
        }
}

/* How long the protocol asks to wait after "err". */
enum { NOT_READY_PAUSE_MS = 50 };

/* Sends it until the listener is ready for it. */
static int converse(int fd, const struct message *m, int pidfd, uint64_t deadline_ns)
{
        for (;;) {
                int r = send_message(fd, m, pidfd, deadline_ns);

                if (r < 0)
                        return r;
                r = read_answer(fd, deadline_ns);
                if (r == ANSWER_OK || r < 0)
                        return r;
                if (r == ANSWER_UNKNOWN)
                        return -EPROTO;
                if (kh_left_ms(deadline_ns) <= NOT_READY_PAUSE_MS)
                        return -ETIMEDOUT;
                kh_pause_ms(NOT_READY_PAUSE_MS);
        }
}

int kh_deliver_connect(const char *socket_path, uint64_t deadline_ns, struct kh_err *err)
{
        int fd = connect_in_time(socket_path, deadline_ns);

        if (fd < 0)
                return kh_fail(err, fd, "connect to '%s': %s", socket_path, kh_strerror(fd));
        return fd;
}

int kh_deliver_on(int fd, const char *socket_path, const struct kh_request *request, int pidfd,
        uint64_t deadline_ns, struct kh_err *err)
{
        struct message m = compose(request);
        int r = converse(fd, &m, pidfd, deadline_ns);

        kh_close(m.memfd);
        switch (r) {
        case 0:
                return 0;
        case -ETIMEDOUT:
                return kh_fail(err, r, "the listener at '%s' did not answer in time", socket_path);
        case -EPROTO:
                return kh_fail(err, r, "the listener at '%s' gave no answer of the protocol's",
                        socket_path);
        case -ECONNRESET:
        case -EPIPE:
                return kh_fail(err, -ECONNRESET, "the listener at '%s' hung up", socket_path);
        default:
                return kh_fail(err, r, "send to '%s': %s", socket_path, kh_strerror(r));
        }
}

int kh_deliver(const char *socket_path, const struct kh_request *request, int pidfd,
        uint64_t deadline_ns, struct kh_err *err)
{
        kh_cleanup(kh_closep) int fd = kh_deliver_connect(socket_path, deadline_ns, err);

        return fd < 0 ? fd : kh_deliver_on(fd, socket_path, request, pidfd, deadline_ns, err);
}
