/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/stage.h"

#include "base/cleanup.h"
#include "base/number.h"
#include "proc/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

static const struct kh_span stage_names[] = {
        [KH_STAGE_PRESTART] = { "prestart", 8 },
        [KH_STAGE_CREATE_RUNTIME] = { "createRuntime", 13 },
        [KH_STAGE_CREATE_CONTAINER] = { "createContainer", 15 },
        [KH_STAGE_START_CONTAINER] = { "startContainer", 14 },
        [KH_STAGE_POSTSTART] = { "poststart", 9 },
        [KH_STAGE_POSTSTOP] = { "poststop", 8 },
};

struct kh_span kh_stage_name(enum kh_stage stage)
{
        return stage_names[stage];
}

enum kh_stage kh_stage_of(struct kh_span name)
{
        for (size_t i = KH_STAGE_PRESTART; i <= KH_STAGE_POSTSTOP; i++) {
                if (kh_span_eq(name, stage_names[i]))
                        return (enum kh_stage)i;
        }
        return KH_STAGE_UNKNOWN;
}

/* The hook's own pid as procfs numbers it; 0 when there is no procfs. */
static pid_t self_in_procfs(int proc)
{
        char digits[16];
        ssize_t n = readlinkat(proc, "self", digits, sizeof(digits));
        uint64_t pid;

        if (n <= 0 || !kh_parse_u64((struct kh_span){ digits, (size_t)n }, INT_MAX, &pid))
                return 0;
        return (pid_t)pid;
}

static int open_self(int proc)
{
        return openat(proc, "self", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool same_mount_ns(int proc, int process)
{
        kh_cleanup(kh_closep) int self = open_self(proc);
        uint64_t mine, its;

        return self >= 0 && kh_proc_namespace(self, KH_NS_MNT, &mine) == 0 &&
               kh_proc_namespace(process, KH_NS_MNT, &its) == 0 && mine == its;
}

static bool open_init(int proc, pid_t pid, struct kh_init *init)
{
        int process = kh_proc_open(proc, pid);

        if (process < 0)
                return false;
        if (kh_proc_stat(process, &init->stat) < 0) {
                kh_close(process);
                return false;
        }
        init->process = process;
        init->pid = pid;
        return true;
}

static void close_init(struct kh_init *init)
{
        kh_closep(&init->process);
        init->pid = init->pid_here = 0;
}

enum place { PLACE_UNKNOWN, PLACE_HOST, PLACE_CONTAINER };

/*
 * Whose namespaces the hook runs in, for a state of a create stage. runc gives the init's pid as
 * the container sees it, which there is the hook's parent; crun gives 0. A pid namespace of the
 * container's shows in procfs, whose numbers are the host's.
 */
static enum place find_place(int proc, const struct kh_oci_state *state, struct kh_init *init)
{
        pid_t self;

        if (state->pid == 0 || state->pid == getppid())
                return PLACE_CONTAINER;
        self = self_in_procfs(proc);
        if (self == 0)
                return PLACE_UNKNOWN;
        if (self != getpid())
                return PLACE_CONTAINER;
        if (state->pid < 0 || state->pid > INT_MAX || !open_init(proc, (pid_t)state->pid, init))
                return PLACE_HOST;
        init->pid_here = init->pid;
        /* On the host the runtime is the parent of both. Something between it and the hook, a shell
           say, hides that; then the hook's mount namespace is asked. */
        if (init->stat.ppid == getppid() || !same_mount_ns(proc, init->process))
                return PLACE_HOST;
        close_init(init);
        return PLACE_CONTAINER;
}

/*
 * The hook's ancestor that is the container's init, in a mount namespace of the container's own:
 * the nearest with the name of one, or else the topmost in that namespace, for init's parent, the
 * runtime, is outside. In a user namespace the kernel hides which one an ancestor is in; then the
 * name alone counts. Deeper chains than any wrapper makes are nobody's.
 */
static void climb_to_init(int proc, int self, pid_t parent, struct kh_init *init)
{
        uint64_t mine, its;

        if (kh_proc_namespace(self, KH_NS_MNT, &mine) < 0)
                return;
        for (int i = 0; i < 8; i++) {
                struct kh_init next = { .process = -EBADF };
                bool hidden;

                /*
                 * Neither the procfs's own init nor what it adopted is a container made just now.
                 */
                if (parent <= 1 || !open_init(proc, parent, &next))
                        break;
                hidden = kh_proc_namespace(next.process, KH_NS_MNT, &its) < 0;
                if (!hidden && its != mine) {
                        kh_close(next.process);
                        return;
                }
                close_init(init);
                init->process = next.process;
                init->pid = next.pid;
                init->pid_here = i == 0 ? getppid() : 0;
                init->stat = next.stat;
                if (kh_runtime_process(next.stat.comm).is_init)
                        return;
                if (hidden)
                        break;
                parent = next.stat.ppid;
        }
        close_init(init);
}

/* Without such a namespace only what runs the hook itself can be told: its parent. */
static void take_parent(
        int proc, pid_t parent, const struct kh_oci_state *state, struct kh_init *init)
{
        if (!open_init(proc, parent, init))
                return;
        init->pid_here = getppid();
        if (state->pid != init->pid_here && !kh_runtime_process(init->stat.comm).is_init)
                close_init(init);
}

static void find_ancestor(
        int proc, const struct kh_oci_state *state, bool own_mount_ns, struct kh_init *init)
{
        kh_cleanup(kh_closep) int self = open_self(proc);
        struct kh_proc_stat stat;

        if (self < 0 || kh_proc_stat(self, &stat) < 0)
                return;
        if (own_mount_ns)
                climb_to_init(proc, self, stat.ppid, init);
        else
                take_parent(proc, stat.ppid, state, init);
}

static enum kh_stage stage_in_container(const struct kh_oci_state *state)
{
        /* runc says "creating" at createContainer and "created" at startContainer; crun says
           "created" at the first, without a pid, and "starting" at the second. */
        if (state->status == KH_STATUS_CREATED && state->pid != 0)
                return KH_STAGE_START_CONTAINER;
        return KH_STAGE_CREATE_CONTAINER;
}

static enum kh_stage stage_on_host(const struct kh_oci_state *state, const struct kh_init *init)
{
        /* crun's createRuntime and runc's poststart are both "created". */
        struct kh_runtime_process process = kh_runtime_process(init->stat.comm);

        if (state->status == KH_STATUS_CREATED && process.is_init &&
                !kh_span_eq(process.runtime, KH_SPAN("crun")))
                return KH_STAGE_POSTSTART;
        return KH_STAGE_CREATE_RUNTIME;
}

/* ASKED where it may be: a stage of the container's side is not taken on the host's, nor vice
 * versa. */
static enum kh_stage settle(enum kh_stage asked, enum kh_stage found)
{
        bool found_inside = found == KH_STAGE_CREATE_CONTAINER || found == KH_STAGE_START_CONTAINER;
        bool asked_inside = asked == KH_STAGE_CREATE_CONTAINER || asked == KH_STAGE_START_CONTAINER;

        if (asked == KH_STAGE_UNKNOWN || asked == KH_STAGE_POSTSTOP || asked_inside != found_inside)
                return found;
        return asked;
}

void kh_find_init(int proc, const struct kh_oci_state *state, enum kh_stage asked,
        enum kh_known mount_ns, struct kh_init *ret)
{
        *ret = (struct kh_init){ .process = -EBADF };
        if (state->status == KH_STATUS_STOPPED ||
                (state->status == KH_STATUS_OTHER && asked == KH_STAGE_POSTSTOP)) {
                ret->stage = KH_STAGE_POSTSTOP;
                return;
        }
        if (state->status == KH_STATUS_STARTING) {
                ret->stage = KH_STAGE_START_CONTAINER;
                return;
        }
        if (state->status == KH_STATUS_RUNNING) { /* crun's poststart: its create is long over */
                ret->stage = settle(asked, KH_STAGE_POSTSTART);
                if (state->pid > 0 && state->pid <= INT_MAX &&
                        open_init(proc, (pid_t)state->pid, ret))
                        ret->pid_here = ret->pid;
                return;
        }
        switch (find_place(proc, state, ret)) {
        case PLACE_UNKNOWN: /* without procfs nothing can be found out */
                ret->stage = asked;
                return;
        case PLACE_HOST:
                ret->stage = settle(asked, stage_on_host(state, ret));
                return;
        case PLACE_CONTAINER:
                break;
        }
        ret->in_container = true;
        ret->stage = settle(asked, stage_in_container(state));
        if (ret->stage == KH_STAGE_START_CONTAINER)
                return;
        find_ancestor(proc, state, mount_ns == KH_YES, ret);
}
