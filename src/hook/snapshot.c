/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/snapshot.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/root.h"
#include "discovery/discovery.h"
#include "hook/deliver.h"
#include "hook/report.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

/*
 * For everything, a turn's wait as well: an image is already there when its container is created, so
 * what takes longer has failed.
 */
#define SNAPSHOT_NS (60 * KH_NS_PER_S)

enum {
        LISTENER_PAUSE_MS = 50, /* hooks wait as well for a listener that waits for its snapshot */
        SCAN_PAUSE_MS = 1000,   /* after a scan for nothing, which costs more than a connect */
};

static void close_inherited(void)
{
        struct rlimit limit;

        if (syscall(SYS_close_range, STDERR_FILENO + 1, UINT_MAX, 0) == 0 ||
                getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        for (int fd = STDERR_FILENO + 1; (rlim_t)fd < limit.rlim_cur; fd++) /* before Linux 5.9 */
                (void)close(fd);
}

/*
 * Nothing of the runtime's stays: it waits for whoever holds its pipes, cannot remove a directory
 * that is somebody's, and crun blocks every signal.
 */
static int leave_runtime(void)
{
        sigset_t none;
        int null;

        (void)sigemptyset(&none);
        if (setsid() < 0 || chdir("/") < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
                return -errno;
        null = open("/dev/null", O_RDWR | O_NOCTTY);
        if (null < 0)
                return -errno;
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
                if (dup2(null, fd) < 0)
                        return -errno;
        }
        close_inherited();
        return 0;
}

void kh_snapshot_start(const struct kh_hook_options *options, uint64_t since)
{
        char number[21];
        struct kh_buf b = kh_buf_of(number, sizeof(number));
        const char *argv[10 + 2 * KH_STATE_ROOTS_MAX] = {
                "kubearmor-hook",
                "--snapshot",
                number,
                "--socket",
                options->socket,
                "--spool",
                options->spool ? options->spool : "",
        };
        size_t n = 7;
        char *const environment[] = { NULL };
        pid_t pid;
        int r;

        for (size_t i = 0; i < options->state_roots_n; i++) {
                argv[n++] = "--state-root";
                argv[n++] = options->state_roots[i];
        }
        if (options->log) {
                argv[n++] = "--log";
                argv[n++] = options->log;
        }
        kh_buf_u64(&b, since);
        kh_buf_terminate(&b);
        pid = fork();
        if (pid > 0)
                return;
        r = pid < 0 ? -errno : leave_runtime();
        if (r == 0)
                r = execve("/proc/self/exe", (char *const *)argv, environment) < 0 ? -errno : 0;
        kh_report(options, "the listener gets no snapshot: its process did not start: %s",
                kh_strerror(r));
        if (pid == 0)
                _exit(EXIT_FAILURE);
}

/* The lock's file, beside the socket, in a directory that only root can write to. */
static int open_turns(const char *socket_path)
{
        char path[PATH_MAX];
        struct kh_buf b = kh_buf_of(path, sizeof(path));
        char *slash;
        int fd;

        kh_buf_span(&b, kh_span_of(socket_path));
        kh_buf_lit(&b, ".snapshot");
        if (!kh_buf_terminate(&b))
                return -ENAMETOOLONG;
        slash = strrchr(path, '/');
        if (slash && slash != path) {
                *slash = '\0';
                (void)mkdir(path, 0711); /* as the spool's parent, for whoever is first */
                *slash = '/';
        }
        fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
        return fd < 0 ? -errno : fd;
}

enum turn { TURN_NOW, TURN_NEXT };

static bool lock_turn(int fd, enum turn turn, short type)
{
        struct flock lock = {
                .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)turn, .l_len = 1
        };

        return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/*
 * Many may ask at once, a container that only has the listener's command as often as it likes. One
 * works and one waits: who comes while both do is told of by the second, which begins later.
 */
static bool wait_for_turn(int fd, uint64_t deadline_ns)
{
        if (!lock_turn(fd, TURN_NEXT, F_WRLCK))
                return false;
        while (!lock_turn(fd, TURN_NOW, F_WRLCK)) {
                if (kh_left_ms(deadline_ns) == 0)
                        return false;
                kh_pause_ms(LISTENER_PAUSE_MS);
        }
        return lock_turn(fd, TURN_NEXT, F_UNLCK);
}

/*
 * Whether the process that listens began at SINCE or later: while a listener's container is being
 * replaced, its predecessor may still answer. What cannot be looked at is taken for a new one.
 */
static bool listens_since(int fd, int proc, uint64_t since)
{
        struct ucred peer;
        socklen_t size = sizeof(peer);
        kh_cleanup(kh_closep) int process = -EBADF;
        struct kh_proc_stat stat;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
                process = kh_proc_open(proc, peer.pid);
        return process < 0 || kh_proc_stat(process, &stat) < 0 || stat.start_time >= since;
}

struct snapshot {
        const struct kh_hook_options *options;
        uint64_t deadline_ns;
        struct kh_discovery discovery;
        struct utsname node;
        struct kh_request request;
        int fd;            /* the connection */
        bool sent;         /* something was */
        bool partial;      /* there is state that cannot be understood */
        struct kh_err err; /* its code is 0 as long as all goes well */
};

static int tell(struct snapshot *s, int pidfd)
{
        return kh_deliver_on(
                s->fd, s->options->socket, &s->request, pidfd, s->deadline_ns, &s->err);
}

static void send_found(void *arg, struct kh_found *found)
{
        struct snapshot *s = arg;
        kh_cleanup(kh_closep) int pidfd = kh_take_fd(&found->pidfd);

        if (found->finding == KH_FOUND_UNKNOWN)
                s->partial = true;
        if (s->err.code < 0 || found->finding != KH_FOUND_CONTAINER)
                return;
        s->request.operation = KH_OP_CREATE;
        s->request.running = found->started == KH_YES;
        s->request.container = found->container;
        s->sent |= tell(s, pidfd) == 0;
}

/*
 * Also on a node where nothing runs, for KubeArmor takes nothing in before a detached message; to
 * our own listener it says that what was not told of is not there.
 */
static void send_end(struct snapshot *s)
{
        s->request.operation = KH_OP_DELETE;
        kh_container_init(&s->request.container);
        s->request.container.id = KH_RESERVED_ID;
        (void)tell(s, -EBADF);
}

/* One attempt: 0, or how many milliseconds to wait before the next one, and why in s->err. */
static int send_all(struct snapshot *s)
{
        kh_cleanup(kh_closep) int fd =
                kh_deliver_connect(s->options->socket, s->deadline_ns, &s->err);

        if (fd < 0)
                return LISTENER_PAUSE_MS;
        if (!listens_since(fd, s->discovery.host.proc, s->options->listener_since)) {
                kh_fail(&s->err, -EAGAIN, "only its predecessor listens at '%s'",
                        s->options->socket);
                return LISTENER_PAUSE_MS;
        }
        s->err.code = 0;
        s->fd = fd;
        s->sent = s->partial = false;
        kh_discovery_scan(&s->discovery, send_found, s);
        if (s->err.code == 0 && (!s->partial || !s->sent))
                send_end(s);
        return s->err.code < 0 ? SCAN_PAUSE_MS : 0;
}

static int send_in_time(
        const struct kh_hook_options *options, uint64_t deadline_ns, struct kh_err *err)
{
        static struct snapshot s;
        static struct kh_place_pattern
                places[KH_DEFAULT_PLACES + KH_STATE_ROOT_PLACES * KH_STATE_ROOTS_MAX];
        static char paths[KH_STATE_ROOT_PLACES * KH_STATE_ROOTS_MAX * PATH_MAX];
        struct kh_buf text = kh_buf_of(paths, sizeof(paths));
        const struct kh_host host = {
                .root = KH_OWN_ROOT,
                .proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC),
                .cgroupfs = "/sys/fs/cgroup",
        };
        struct kh_discovery_room *room = mmap(NULL, sizeof(*room), PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        int pause;

        if (host.proc < 0)
                return kh_fail(err, -errno, "open '/proc': %s", kh_strerror(errno));
        if (room == MAP_FAILED)
                return kh_fail(err, -errno, "no memory for discovery");
        s.options = options;
        s.request.detached = true;
        if (uname(&s.node) == 0)
                s.request.node_name = kh_span_of(s.node.nodename);
        s.deadline_ns = deadline_ns;
        kh_discovery_init(&s.discovery, &host, places,
                kh_places_with(places, options->state_roots, options->state_roots_n, &text), room);
        while ((pause = send_all(&s))) {
                if (kh_left_ms(s.deadline_ns) <= pause) {
                        *err = s.err;
                        return s.err.code;
                }
                kh_pause_ms((unsigned)pause);
        }
        return 0;
}

int kh_snapshot_run(const struct kh_hook_options *options)
{
        uint64_t deadline_ns = kh_boottime_ns() + SNAPSHOT_NS;
        kh_cleanup(kh_closep) int turns = open_turns(options->socket);
        struct kh_err err;

        (void)prctl(PR_SET_NAME, "kubearmor-hook"); /* by /proc/self/exe it would be "exe" */
        if (turns < 0)
                kh_fail(&err, turns, "lock '%s.snapshot': %s", options->socket, kh_strerror(turns));
        else if (!wait_for_turn(turns, deadline_ns) ||
                 send_in_time(options, deadline_ns, &err) == 0)
                return EXIT_SUCCESS;
        kh_report(options, "the listener got no snapshot: %s", err.msg);
        kh_tell_user("kubearmor-hook: the listener got no snapshot: %s", err.msg);
        return EXIT_FAILURE;
}
