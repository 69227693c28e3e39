/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What any hook costs that waits for its answer: floor SOCKET SPIN_US MESSAGE connects, sends the
 * message, waits for "ok" and exits. It spins for SPIN_US microseconds before it sleeps.
 *
 * With a CONFIG behind these it also asks the kernel for everything that our hook reports, and
 * makes nothing of it: it reads its standard input to the end, touches each page of that file,
 * reads the files and links in /proc of the process that the input names, and sends a pidfd of it
 * along.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/number.h"
#include "proc/proc.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The number behind "pid": on standard input, as far as it was written already; 0: none. */
static pid_t read_state(void)
{
        static char text[4096];
        struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
        ssize_t n = 0, got;
        uint64_t pid = 0;
        const char *at;
        size_t digits = 0;

        do {
                (void)poll(&input, 1, -1);
                got = read(STDIN_FILENO, text + n, sizeof(text) - (size_t)n);
                n += got > 0 ? got : 0;
        } while (got > 0);
        at = memmem(text, (size_t)n, "\"pid\":", 6);
        if (!at)
                return 0;
        for (at += 6; at[digits] >= '0' && at[digits] <= '9'; digits++)
                ;
        (void)kh_parse_u64((struct kh_span){ at, digits }, INT_MAX, &pid);
        return (pid_t)pid;
}

static void touch_file(const char *path)
{
        size_t n;
        kh_cleanup(kh_closep) int fd = kh_open_file(AT_FDCWD, path, 1 << 20, &n);
        const volatile char *p =
                fd < 0 ? MAP_FAILED : mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

        for (size_t i = 0; p != MAP_FAILED && i < n; i += 4096)
                (void)p[i];
}

/* A pidfd of PID. */
static int read_process(pid_t pid)
{
        static char text[KH_CGROUP_FILE_MAX];
        kh_cleanup(kh_closep) int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        kh_cleanup(kh_closep) int process = kh_proc_open(proc, pid);
        kh_cleanup(kh_closep) int self = openat(proc, "self", O_PATH | O_CLOEXEC);
        static const enum kh_ns joined[] = { KH_NS_NET, KH_NS_IPC, KH_NS_UTS };
        uint64_t ns[KH_NS_COUNT];
        struct kh_proc_stat stat;
        struct kh_cgroup cgroup;

        (void)kh_proc_stat(process, &stat);
        kh_proc_namespaces(process, ns);
        (void)kh_proc_cgroup(process, "/sys/fs/cgroup", text, &cgroup);
        for (size_t i = 0; i < sizeof(joined) / sizeof(joined[0]); i++)
                (void)kh_proc_namespace(self, joined[i], &ns[joined[i]]);
        return kh_pidfd_open(pid);
}

static bool send_message(int fd, struct kh_span text, int pidfd)
{
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        struct iovec iov = { (void *)text.p, text.n };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

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
        return sendmsg(fd, &m, MSG_NOSIGNAL) == (ssize_t)text.n;
}

static ssize_t spin(int fd, char *answer, size_t cap, uint64_t until_ns)
{
        ssize_t n;

        do
                n = recv(fd, answer, cap, MSG_DONTWAIT);
        while (n < 0 && kh_boottime_ns() < until_ns);
        return n;
}

int main(int argc, char **argv)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char answer[8];
        uint64_t spin_us;
        int fd, pidfd = -EBADF;
        ssize_t n = -1;

        if (argc < 4 || !kh_parse_u64(kh_span_of(argv[2]), 1000000, &spin_us) ||
                strlen(argv[1]) >= sizeof(address.sun_path))
                return 2;
        if (argc > 4) {
                pid_t pid = read_state();

                touch_file(argv[4]);
                pidfd = pid ? read_process(pid) : -EBADF;
        }
        memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
                !send_message(fd, kh_span_of(argv[3]), pidfd))
                return 1;
        if (spin_us)
                n = spin(fd, answer, sizeof(answer), kh_boottime_ns() + spin_us * 1000);
        if (n < 0)
                n = recv(fd, answer, sizeof(answer), 0);
        return n == 2 && memcmp(answer, "ok", 2) == 0 ? 0 : 1;
}
