/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sources/pidfds.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/number.h"
#include "hookd/timestamp.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

enum {
        FDINFO_MAX = 1024, /* five lines, the longest being the list of nested pids */
        DEATHS_A_TURN = 64,
};

/* How long deaths gather; far below what a runtime takes from a death to its poststop hooks. */
#define GATHER_NS (5 * KH_NS_PER_MS)

/*
 * Before Linux 6.13: "Pid:" of the descriptor's fdinfo; 0 for a foreign process, -1 for a dead one.
 */
static int fdinfo_pid(int fd)
{
        char name[40], text[FDINFO_MAX];
        struct kh_buf b = kh_buf_of(name, sizeof(name));
        const char *at, *end;
        uint64_t pid;
        ssize_t n;

        kh_buf_lit(&b, "/proc/self/fdinfo/");
        kh_buf_u64(&b, (uint64_t)fd);
        kh_buf_terminate(&b);
        n = kh_read_kernel_file(AT_FDCWD, name, text, sizeof(text));
        at = n > 0 ? memmem(text, (size_t)n, "\nPid:\t", 6) : NULL;
        if (!at)
                return -ENOTTY;
        at += 6;
        end = memchr(at, '\n', (size_t)(text + n - at));
        if (!end || !kh_parse_u64((struct kh_span){ at, (size_t)(end - at) }, INT32_MAX, &pid))
                return -ESRCH;
        return (int)pid;
}

/* linux/pidfd.h of Linux 6.13; older headers lack it. */
struct pidfd_info {
        uint64_t mask;
        uint64_t cgroup_id;
        uint32_t pid, tgid, ppid, ids[8];
        int32_t exit_code;
};
#define PIDFD_INFO_PID (1ULL << 0)
#define PIDFD_GET_INFO _IOWR(0xff, 11, struct pidfd_info)

int kh_pidfd_pid(int fd)
{
        struct pidfd_info info = { .mask = PIDFD_INFO_PID };

        if (ioctl(fd, PIDFD_GET_INFO, &info) == 0)
                return (int)info.pid;
        if (errno == EREMOTE)
                return 0;
        if (errno == ESRCH)
                return -ESRCH;
        return fdinfo_pid(fd);
}

/* linux/pidfd.h of Linux 6.11: _IO(0xff, N). */
static const unsigned get_namespace[KH_NS_COUNT] = {
        [KH_NS_CGROUP] = _IO(0xff, 1),
        [KH_NS_IPC] = _IO(0xff, 2),
        [KH_NS_MNT] = _IO(0xff, 3),
        [KH_NS_NET] = _IO(0xff, 4),
        [KH_NS_PID] = _IO(0xff, 5),
        [KH_NS_TIME] = _IO(0xff, 7),
        [KH_NS_USER] = _IO(0xff, 9),
        [KH_NS_UTS] = _IO(0xff, 10),
};

uint64_t kh_pidfd_namespace(int pidfd, enum kh_ns which)
{
        kh_cleanup(kh_closep) int ns = ioctl(pidfd, get_namespace[which], 0);
        struct stat st;

        return ns >= 0 && fstat(ns, &st) == 0 ? st.st_ino : 0;
}

bool kh_pidfd_is_dead(int pidfd)
{
        struct pollfd p = { .fd = pidfd, .events = POLLIN };

        return poll(&p, 1, 0) == 1;
}

static void on_deaths(void *arg, uint32_t events)
{
        struct kh_pidfds *p = arg;
        struct epoll_event deaths[DEATHS_A_TURN];
        int n = epoll_wait(p->epoll, deaths, DEATHS_A_TURN, 0);

        (void)events;
        /* A death removes no entry but its own, so that all the pointers stay good. */
        for (int i = 0; i < n; i++)
                kh_pidfds_died(p, deaths[i].data.ptr);
        if (n == DEATHS_A_TURN)
                return; /* there may be more */
        if (kh_loop_change(p->loop, p->slot, 0) == 0)
                kh_timer_set(&p->timer, kh_clock_ns() + GATHER_NS);
}

static void look_again(void *arg)
{
        struct kh_pidfds *p = arg;

        (void)kh_loop_change(p->loop, p->slot, EPOLLIN);
}

int kh_pidfds_init(struct kh_pidfds *p, struct kh_loop *loop, struct kh_inventory *inventory,
        unsigned max, struct kh_err *err)
{
        *p = (struct kh_pidfds){ .loop = loop, .inventory = inventory, .max = max };
        kh_timer_init(loop, &p->timer, look_again, p);
        p->epoll = epoll_create1(EPOLL_CLOEXEC);
        p->slot = p->epoll < 0 ? -EBADF : kh_loop_add(loop, p->epoll, EPOLLIN, on_deaths, p);
        if (p->slot < 0)
                return kh_fail(err, -errno, "create an epoll instance: %s", kh_strerror(errno));
        return 0;
}

void kh_pidfds_done(struct kh_pidfds *p)
{
        kh_loop_del(p->loop, p->slot);
        kh_closep(&p->epoll);
}

void kh_pidfds_watch(struct kh_pidfds *p, struct kh_entry *e, int pidfd)
{
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = e };

        if (e->pidfd >= 0) {
                kh_close(pidfd);
                return;
        }
        if (p->count < p->max && epoll_ctl(p->epoll, EPOLL_CTL_ADD, pidfd, &event) == 0) {
                p->count++;
                e->pidfd = pidfd;
                return;
        }
        kh_close(pidfd);
        e->alive = KH_UNKNOWN;
        if (e->pid_is_ours)
                kh_inventory_poll(p->inventory, e);
}

void kh_pidfds_moved(struct kh_pidfds *p, struct kh_entry *e)
{
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = e };

        if (e->pidfd >= 0)
                (void)epoll_ctl(p->epoll, EPOLL_CTL_MOD, e->pidfd, &event);
}

void kh_pidfds_forget(struct kh_pidfds *p, struct kh_entry *e)
{
        if (e->pidfd < 0)
                return;
        /* Not left to close(): the hook that sent it may still hold the open file. */
        (void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, e->pidfd, NULL);
        kh_closep(&e->pidfd);
        p->count--;
}

void kh_pidfds_died(struct kh_pidfds *p, struct kh_entry *e)
{
        kh_pidfds_forget(p, e);
        kh_inventory_init_died(p->inventory, e, kh_now());
}

void kh_pidfds_check(struct kh_pidfds *p, struct kh_entry *e)
{
        if (e->pidfd >= 0 && kh_pidfd_is_dead(e->pidfd))
                kh_pidfds_died(p, e);
}
