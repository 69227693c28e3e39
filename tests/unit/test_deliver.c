/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery to listeners of every kind; each is a process that the test starts. */
#include "fixture.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "hook/deliver.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static char directory[64], socket_path[128];
static int listener = -EBADF;

static int make_socket(void **state)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        (void)state;
        (void)snprintf(directory, sizeof(directory), "/tmp/test-deliver-XXXXXX");
        if (!mkdtemp(directory))
                return -1;
        (void)snprintf(socket_path, sizeof(socket_path), "%s/sock", directory);
        memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -1;
        return listen(listener, 1);
}

static int remove_socket(void **state)
{
        (void)state;
        kh_closep(&listener);
        (void)unlink(socket_path);
        return rmdir(directory);
}

struct received {
        char text[KH_REQUEST_STREAM_MAX + 1];
        ssize_t n;
        int fds[2];
        size_t fds_n;
};

static void receive(int peer, struct received *r)
{
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(r->fds))];
        struct iovec iov = { r->text, sizeof(r->text) };
        struct msghdr m = { .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control) };
        struct cmsghdr *c;

        r->fds_n = 0;
        r->n = recvmsg(peer, &m, MSG_CMSG_CLOEXEC);
        c = r->n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
        if (c) {
                r->fds_n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                memcpy(r->fds, CMSG_DATA(c), r->fds_n * sizeof(int));
        }
}

/* Starts a listener that accepts one connection and behaves as SERVE does; it exits with what that
 * returns. */
static pid_t serve_by(int (*serve)(int peer))
{
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                int peer = accept(listener, NULL, NULL);

                _exit(peer < 0 ? 99 : serve(peer));
        }
        return pid;
}

static int exit_of(pid_t pid)
{
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct kh_request *request(void)
{
        static struct kh_request r;

        r.operation = KH_OP_CREATE;
        kh_container_init(&r.container);
        r.container.id = KH_SPAN("web-1");
        r.container.bundle = KH_SPAN("/run/b");
        return &r;
}

/* Enough for any listener here; what should end earlier does not wait for it. */
static uint64_t ample(void)
{
        return kh_boottime_ns() + 60 * KH_NS_PER_S;
}

static uint64_t scant(void)
{
        return kh_boottime_ns() + 60 * KH_NS_PER_MS;
}

static int serve_ok(int peer)
{
        static struct received r;

        receive(peer, &r);
        return r.n > 0 && r.fds_n == 0 && send(peer, "ok", 2, 0) == 2 ? 0 : 1;
}

static void a_listener_that_takes_it(void **state)
{
        pid_t pid = serve_by(serve_ok);
        struct kh_err err;

        (void)state;
        assert_int_equal(kh_deliver(socket_path, request(), -EBADF, ample(), &err), 0);
        assert_int_equal(exit_of(pid), 0);
}

static int serve_bytes(int peer)
{
        static struct received r;

        receive(peer, &r);
        if (send(peer, "o", 1, 0) != 1)
                return 1;
        usleep(2000);
        return send(peer, "k", 1, 0) == 1 ? 0 : 1;
}

static void an_answer_in_pieces(void **state)
{
        pid_t pid = serve_by(serve_bytes);
        struct kh_err err;

        (void)state;
        assert_int_equal(kh_deliver(socket_path, request(), -EBADF, ample(), &err), 0);
        assert_int_equal(exit_of(pid), 0);
}

static int serve_err_first(int peer)
{
        static struct received first, second;

        receive(peer, &first);
        if (send(peer, "err", 3, 0) != 3)
                return 1;
        receive(peer, &second);
        if (second.n != first.n || memcmp(first.text, second.text, (size_t)first.n) != 0)
                return 2;
        return send(peer, "ok", 2, 0) == 2 ? 0 : 3;
}

static void a_listener_that_is_not_ready_is_asked_again(void **state)
{
        pid_t pid = serve_by(serve_err_first);
        struct kh_err err;

        (void)state;
        assert_int_equal(kh_deliver(socket_path, request(), -EBADF, ample(), &err), 0);
        assert_int_equal(exit_of(pid), 0);
}

static int serve_err_always(int peer)
{
        static struct received r;

        for (;;) {
                receive(peer, &r);
                if (r.n <= 0)
                        return 0;
                (void)send(peer, "err", 3, MSG_NOSIGNAL);
        }
}

static void a_listener_that_never_is_ready(void **state)
{
        pid_t pid = serve_by(serve_err_always);
        struct kh_err err;

        (void)state;
        assert_int_equal(kh_deliver(socket_path, request(), -EBADF, scant(), &err), -ETIMEDOUT);
        assert_int_equal(exit_of(pid), 0);
}

static int serve_silence(int peer)
{
        static struct received r;

        receive(peer, &r);
        receive(peer, &r); /* until the hook gives up */
        return r.n == 0 ? 0 : 1;
}

static void a_listener_that_says_nothing(void **state)
{
        pid_t pid = serve_by(serve_silence);
        struct kh_err err;

        (void)state;
        assert_int_equal(kh_deliver(socket_path, request(), -EBADF, scant(), &err), -ETIMEDOUT);
        assert_int_equal(err.code, -ETIMEDOUT);
        assert_int_equal(exit_of(pid), 0);
}

static int serve_half(int peer)
{
        static struct received r;

        receive(peer, &r);
        (void)send(peer, "o", 1, 0);
        receive(peer, &r);
        return r.n == 0 ? 0 : 1;
}

static void half_an_answer(void **state)
{
        pid_t pid = serve_by(serve_half);
        struct kh_err err;

        (void)state;
        assert_int_equal(kh_deliver(socket_path, request(), -EBADF, scant(), &err), -ETIMEDOUT);
        assert_int_equal(exit_of(pid), 0);
}

static int serve_garbage(int peer)
{
        static struct received r;

        receive(peer, &r);
        (void)send(peer, "HTTP/1.1 400", 12, MSG_NOSIGNAL);
        return 0;
}

static void an_answer_that_is_none(void **state)
{
        pid_t pid = serve_by(serve_garbage);
        struct kh_err err;

        (void)state;
        assert_int_equal(kh_deliver(socket_path, request(), -EBADF, ample(), &err), -EPROTO);
        assert_int_equal(exit_of(pid), 0);
}

static int hang_up(int peer)
{
        close(peer);
        return 0;
}

static void a_listener_that_hangs_up(void **state)
{
        pid_t pid = serve_by(hang_up);
        struct kh_err err;

        (void)state;
        assert_int_equal(kh_deliver(socket_path, request(), -EBADF, ample(), &err), -ECONNRESET);
        assert_int_equal(exit_of(pid), 0);
}

/* Nobody accepts, and the backlog of one is full: connect() itself would wait for ever. */
static void a_listener_that_never_accepts(void **state)
{
        struct kh_err err;
        int r = 0;

        (void)state;
        for (int i = 0; i < 4; i++) {
                r = kh_deliver(socket_path, request(), -EBADF, scant(), &err);
                assert_int_equal(r, -ETIMEDOUT);
        }
}

static void nobody_listens(void **state)
{
        char path[160], longest[256];
        struct kh_err err;

        (void)state;
        (void)snprintf(path, sizeof(path), "%s/none", directory);
        assert_int_equal(kh_deliver(path, request(), -EBADF, ample(), &err), -ENOENT);
        kh_closep(&listener);
        assert_int_equal(kh_deliver(socket_path, request(), -EBADF, ample(), &err), -ECONNREFUSED);
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        assert_int_equal(kh_deliver(path, request(), -EBADF, ample(), &err), -ECONNREFUSED);
        (void)unlink(path);
        memset(longest, 'x', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = '\0';
        assert_int_equal(kh_deliver(longest, request(), -EBADF, ample(), &err), -ENAMETOOLONG);
}

/* The whole of a request that is too long for the stream is in a memfd that nobody can change. */
static bool is_whole_memfd(int fd)
{
        static char text[KH_REQUEST_MAX];
        static struct kh_request r;
        struct kh_err err;
        ssize_t n = pread(fd, text, sizeof(text), 0);
        const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;

        return (fcntl(fd, F_GET_SEALS) & seals) == seals && n > KH_REQUEST_STREAM_MAX &&
               kh_request_read(text, (size_t)n, &r, &err) == 0 && r.container.annotations.n == 200;
}

static int serve_long(int peer)
{
        static struct received r;
        static struct kh_request short_one;
        struct kh_err err;
        struct stat st;

        receive(peer, &r);
        if (r.n <= 0 || r.n > KH_REQUEST_STREAM_MAX || r.fds_n != 2)
                return 1;
        /* Told apart by what they are: the first is no regular file. */
        if (fstat(r.fds[0], &st) < 0 || !is_whole_memfd(r.fds[1]))
                return 2;
        if (kh_request_read(r.text, (size_t)r.n, &short_one, &err) < 0 ||
                short_one.container.annotations.n || !short_one.container.bundle.p)
                return 3;
        return send(peer, "ok", 2, 0) == 2 ? 0 : 4;
}

static void a_request_that_is_too_long_for_the_stream(void **state)
{
        kh_cleanup(kh_closep) int pidfd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        pid_t pid = serve_by(serve_long);
        struct kh_request *r = request();
        struct kh_err err;

        (void)state;
        for (int i = 0; i < 200; i++)
                kh_pairs_add(&r->container.annotations, KH_SPAN("a-key-of-some-length"),
                        KH_SPAN("and a value that is longer than it"));
        assert_int_equal(kh_deliver(socket_path, r, pidfd, ample(), &err), 0);
        assert_int_equal(exit_of(pid), 0);
}

static int serve_longest(int peer)
{
        static struct received r;
        static struct kh_request got;
        struct kh_err err;

        receive(peer, &r);
        if (r.n <= 0 || r.n > KH_REQUEST_STREAM_MAX ||
                kh_request_read(r.text, (size_t)r.n, &got, &err) < 0)
                return 1;
        return kh_span_eq(got.container.id, KH_SPAN("web-1")) && send(peer, "ok", 2, 0) == 2 ? 0
                                                                                             : 2;
}

/* Whatever is in the other members, the identity reaches KubeArmor's listener. */
static void members_that_are_too_long_for_the_stream(void **state)
{
        static char name[8192], path[8192];
        struct kh_request *r = request();
        struct kh_err err;
        pid_t pid;

        (void)state;
        memset(name, 'n', sizeof(name));
        memset(path, '/', sizeof(path));
        for (int i = 0; i < 3; i++) {
                pid = serve_by(serve_longest);
                if (i > 0)
                        r->container.bundle = (struct kh_span){ path, sizeof(path) };
                if (i > 1)
                        r->container.pod_name = r->container.image =
                                (struct kh_span){ name, sizeof(name) };
                assert_int_equal(kh_deliver(socket_path, r, -EBADF, ample(), &err), 0);
                assert_int_equal(exit_of(pid), 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define deliver_test(f) cmocka_unit_test_setup_teardown(f, make_socket, remove_socket)
                deliver_test(a_listener_that_takes_it),
                deliver_test(an_answer_in_pieces),
                deliver_test(a_listener_that_is_not_ready_is_asked_again),
                deliver_test(a_listener_that_never_is_ready),
                deliver_test(a_listener_that_says_nothing),
                deliver_test(half_an_answer),
                deliver_test(an_answer_that_is_none),
                deliver_test(a_listener_that_hangs_up),
                deliver_test(a_listener_that_never_accepts),
                deliver_test(nobody_listens),
                deliver_test(a_request_that_is_too_long_for_the_stream),
                deliver_test(members_that_are_too_long_for_the_stream),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
