/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a busy node's hooks do to a listener:
 *
 *         load SOCKET pairs COUNT           create and delete, with a connection each
 *         load SOCKET latency COUNT EVENTS  the same; when a subscriber of EVENTS hears of each
 * create load SOCKET hold COUNT            COUNT containers, alive at once
 *
 * Prints lines of a name and a number: nanoseconds, or bytes of the listener's memory. Containers
 * have facts of a usual size; all but those of `pairs` have a process of their own, which only
 * sleeps. Their namespaces and cgroups are numbers that nothing has.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/number.h"
#include "proc/proc.h"
#include "wire/request.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { COUNT_MAX = 100000, WARM_UP = 100, HEARD_MAX = 65536 };

struct load {
        struct sockaddr_un address;
        pid_t listener;
        int proc;
        pid_t children[COUNT_MAX];
        uint64_t waits[COUNT_MAX];
};

static struct load load;

__attribute__((noreturn)) static void die(const char *what)
{
        perror(what);
        exit(1);
}

static int connect_to(const struct sockaddr_un *address)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
                die("load: connect");
        return fd;
}

static struct sockaddr_un address_of(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t n = strlen(path);

        if (n >= sizeof(address.sun_path)) {
                errno = ENAMETOOLONG;
                die("load: socket");
        }
        memcpy(address.sun_path, path, n);
        return address;
}

static pid_t peer_of(int fd)
{
        struct ucred peer = { 0 };
        socklen_t n = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
                die("load: SO_PEERCRED");
        return peer.pid;
}

/* The WHICHth number of a file of the listener's. */
static uint64_t listener_number(const char *file, unsigned which)
{
        kh_cleanup(kh_closep) int process = kh_proc_open(load.proc, load.listener);
        char buf[256];
        ssize_t n =
                process < 0 ? process : kh_read_kernel_file(process, file, buf, sizeof(buf) - 1);
        char *word, *rest = buf;
        uint64_t number;

        buf[n < 0 ? 0 : n] = '\0';
        do
                word = strsep(&rest, " \n");
        while (word && which--);
        if (!kh_parse_u64(kh_span_of(word), UINT64_MAX, &number)) {
                fprintf(stderr, "load: cannot read the listener's %s\n", file);
                exit(1);
        }
        return number;
}

static uint64_t listener_cpu_ns(void)
{
        return listener_number("schedstat", 0);
}

static uint64_t listener_bytes(void)
{
        return listener_number("statm", 1) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static pid_t start_child(void)
{
        pid_t parent = getpid(), pid = fork();

        if (pid < 0)
                die("load: fork");
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                while (getppid() == parent)
                        pause();
                _exit(0);
        }
        return pid;
}

static void stop_child(pid_t pid)
{
        kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
}

static uint64_t start_time_of(pid_t pid)
{
        kh_cleanup(kh_closep) int process = kh_proc_open(load.proc, pid);
        struct kh_proc_stat stat;

        if (process < 0 || kh_proc_stat(process, &stat) < 0)
                die("load: read a child's start time");
        return stat.start_time;
}

static void fill_container(struct kh_container *c, unsigned number, pid_t pid, char id[32])
{
        kh_container_init(c);
        (void)snprintf(id, 32, "bench-%u", number);
        c->id = kh_span_of(id);
        c->name = KH_SPAN("web");
        c->image = KH_SPAN("registry.example/shop/web:1.2");
        c->type = KH_TYPE_CONTAINER;
        c->pod_name = KH_SPAN("web-7d4b9c6f5b-x2x7k");
        c->pod_namespace = KH_SPAN("shop");
        c->pod_uid = KH_SPAN("0e5a8f0c-61d4-4a5e-8f9b-2f6f2f0c9a11");
        c->sandbox_id = KH_SPAN("3f1c0e5a9b7d46e28c51f0aa7de9b34c6c1d2e8f70914ab5c3d6e7f809a1b2c3");
        c->runtime = KH_SPAN("runc");
        c->stage = KH_SPAN("createRuntime");
        c->bundle =
                KH_SPAN("/run/containerd/io.containerd.runtime.v2.task/k8s.io/9ad7c2f1e0b34d5a");
        c->rootfs = KH_SPAN(
                "/run/containerd/io.containerd.runtime.v2.task/k8s.io/9ad7c2f1e0b34d5a/rootfs");
        c->pid = (uint32_t)pid;
        c->start_time = pid ? start_time_of(pid) : 0;
        for (unsigned i = 0; i < KH_NS_COUNT; i++)
                c->ns[i] = 8000000000 + number * KH_NS_COUNT + i;
        c->cgroup_path =
                KH_SPAN("/kubepods.slice/kubepods-pod0e5a8f0c.slice/cri-containerd-9ad7c2");
        c->cgroup_spec_path = KH_SPAN("kubepods-pod0e5a8f0c.slice:cri-containerd:9ad7c2f1e0b34d5a");
        c->cgroup_id = 8000000000 + number;
        c->command = KH_SPAN("/usr/bin/web");
        c->uid = c->gid = 1000;
        c->apparmor_profile = KH_SPAN("cri-containerd.apparmor.d");
        c->privileged = KH_NO;
        c->seccomp = KH_YES;
        kh_pairs_add(&c->labels, KH_SPAN("app.kubernetes.io/name"), KH_SPAN("web"));
        kh_pairs_add(&c->labels, KH_SPAN("pod-template-hash"), KH_SPAN("7d4b9c6f5b"));
        kh_pairs_add(
                &c->annotations, KH_SPAN("io.kubernetes.cri.container-type"), KH_SPAN("container"));
}

/* Sends it on a connection of its own, as a hook does, and waits for the answer. */
static void tell(const struct kh_request *r, int pidfd)
{
        kh_cleanup(kh_closep) int fd = connect_to(&load.address);
        char text[KH_REQUEST_STREAM_MAX], answer[8];
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        struct kh_buf b = kh_buf_of(text, sizeof(text));
        struct iovec iov = { text, 0 };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

        kh_request_write(&b, r, KH_REQUEST_WHOLE);
        iov.iov_len = b.len;
        if (pidfd >= 0) {
                m.msg_control = control;
                m.msg_controllen = sizeof(control);
                *CMSG_FIRSTHDR(&m) = (struct cmsghdr){
                        .cmsg_len = CMSG_LEN(sizeof(int)),
                        .cmsg_level = SOL_SOCKET,
                        .cmsg_type = SCM_RIGHTS,
                };
                memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &pidfd, sizeof(int));
        }
        if (sendmsg(fd, &m, MSG_NOSIGNAL) != (ssize_t)b.len ||
                recv(fd, answer, sizeof(answer), 0) != 2 || memcmp(answer, "ok", 2) != 0)
                die("load: the listener took no request");
}

static void create(unsigned number, pid_t pid)
{
        static struct kh_request r;
        kh_cleanup(kh_closep) int pidfd = pid ? kh_pidfd_open(pid) : -EBADF;
        static char id[32];

        r.operation = KH_OP_CREATE;
        fill_container(&r.container, number, pid, id);
        tell(&r, pidfd);
}

static void delete (unsigned number)
{
        static struct kh_request r;
        static char id[32];

        r.operation = KH_OP_DELETE;
        kh_container_init(&r.container);
        (void)snprintf(id, sizeof(id), "bench-%u", number);
        r.container.id = kh_span_of(id);
        tell(&r, -EBADF);
}

/* Reads until the stream has told of that container. */
static void hear_of(int subscriber, unsigned number)
{
        static char heard[HEARD_MAX];
        size_t n = 0;
        static char id[32];
        int length = snprintf(id, sizeof(id), "\"bench-%u\"", number);

        while (!memmem(heard, n, id, (size_t)length)) {
                size_t keep = n < (size_t)length ? n : (size_t)length;
                ssize_t got;

                memmove(heard, heard + n - keep, keep);
                got = recv(subscriber, heard + keep, sizeof(heard) - keep, 0);
                if (got <= 0)
                        die("load: the subscriber was cut off");
                n = keep + (size_t)got;
        }
}

static int compare(const void *a, const void *b)
{
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static void print(const char *name, uint64_t value)
{
        printf("%s\t%llu\n", name, (unsigned long long)value);
}

static void pairs(unsigned count, bool with_process)
{
        uint64_t cpu_ns = 0, wall_ns = 0;

        for (unsigned i = 0; i < WARM_UP + count; i++) {
                pid_t pid = with_process ? start_child() : 0;
                uint64_t cpu = listener_cpu_ns(), wall = kh_boottime_ns();

                create(i, pid);
                wall_ns += i < WARM_UP ? 0 : kh_boottime_ns() - wall;
                if (pid)
                        stop_child(pid);
                wall = kh_boottime_ns();
                delete (i);
                wall_ns += i < WARM_UP ? 0 : kh_boottime_ns() - wall;
                cpu_ns += i < WARM_UP ? 0 : listener_cpu_ns() - cpu;
        }
        print("cpu", cpu_ns / count);
        print("wall", wall_ns / count);
}

static void latency(unsigned count, const char *events)
{
        const struct sockaddr_un address = address_of(events);
        static const char subscribe[] = "{\"request\":\"subscribe\"}\n";
        int subscriber = connect_to(&address);

        if (send(subscriber, subscribe, sizeof(subscribe) - 1, MSG_NOSIGNAL) < 0)
                die("load: subscribe");
        for (unsigned i = 0; i < WARM_UP + count; i++) {
                pid_t pid = start_child();
                uint64_t start = kh_boottime_ns();

                create(i, pid);
                hear_of(subscriber, i);
                if (i >= WARM_UP)
                        load.waits[i - WARM_UP] = kh_boottime_ns() - start;
                stop_child(pid);
                delete (i);
        }
        qsort(load.waits, count, sizeof(load.waits[0]), compare);
        print("p50", load.waits[count / 2]);
        print("p99", load.waits[count * 99 / 100]);
}

static void hold(unsigned count)
{
        for (unsigned i = 0; i < count; i++) {
                load.children[i] = start_child();
                create(i, load.children[i]);
        }
        print("bytes", listener_bytes());
        for (unsigned i = 0; i < count; i++) {
                stop_child(load.children[i]);
                delete (i);
        }
}

int main(int argc, char **argv)
{
        const char *mode = argc >= 4 ? argv[2] : "";
        uint64_t count = 0;
        int fd;

        if (argc < 4 || !kh_parse_u64(kh_span_of(argv[3]), COUNT_MAX - WARM_UP, &count)) {
                fputs("usage: load SOCKET pairs|lives|latency|hold COUNT [EVENTS]\n", stderr);
                return 2;
        }
        load.address = address_of(argv[1]);
        load.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        fd = connect_to(&load.address);
        load.listener = peer_of(fd);
        close(fd);
        if (strcmp(mode, "pairs") == 0)
                pairs((unsigned)count, false);
        else if (strcmp(mode, "lives") == 0)
                pairs((unsigned)count, true);
        else if (strcmp(mode, "hold") == 0)
                hold((unsigned)count);
        else if (strcmp(mode, "latency") == 0 && argc == 5)
                latency((unsigned)count, argv[4]);
        else
                return 2;
        return 0;
}
