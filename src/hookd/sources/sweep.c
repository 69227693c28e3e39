/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sources/sweep.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "hookd/core.h"
#include "hookd/timestamp.h"
#include "proc/proc.h"
#include "proc/runtime.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

/* Most containers run for good some ten milliseconds after their hooks. */
#define FIRST_LOOK_NS (50 * KH_NS_PER_MS)
#define LAST_LOOK_NS  (5 * KH_NS_PER_S)
/* Of an init of whose death nothing else tells. */
#define LAST_LOOK_POLLED_NS (1 * KH_NS_PER_S)
/* Looks that are due within this are done at once, so that a burst of starts is one wake-up. */
#define SLACK_NS (20 * KH_NS_PER_MS)
/* How long a container is `exited` whose cgroup cannot be looked at, should poststop never come. */
#define UNSEEN_GRACE_NS (60 * KH_NS_PER_S)

static void sweep(void *arg);

void kh_sweep_init(struct kh_sweep *s, struct kh_core *core)
{
        s->core = core;
        kh_timer_init(core->loop, &s->timer, sweep, s);
}

void kh_sweep_notice(struct kh_sweep *s, const struct kh_entry *e)
{
        bool is_new = e->state == KH_STATE_CREATED && !e->looks;

        if (!kh_list_is_empty(&e->unquiet))
                kh_timer_advance(&s->timer, kh_clock_ns() + (is_new ? FIRST_LOOK_NS : 0));
}

static enum kh_known cgroup_is_empty_at(
        const char *root, const char *hierarchy, struct kh_span path)
{
        char name[PATH_MAX], text[4096];
        kh_cleanup(kh_closep) int dir = -EBADF;
        struct kh_buf b = kh_buf_of(name, sizeof(name));
        struct stat st;
        ssize_t n;

        kh_buf_span(&b, kh_span_of(root));
        kh_buf_span(&b, kh_span_of(hierarchy));
        kh_buf_span(&b, path);
        if (!kh_buf_terminate(&b))
                return KH_UNKNOWN;
        dir = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return errno == ENOENT ? KH_YES : KH_UNKNOWN;
        n = kh_read_kernel_file(dir, "cgroup.events", text, sizeof(text));
        if (n >= 0)
                return memmem(text, (size_t)n, "populated 0", 11) ? KH_YES : KH_NO;
        /* v1 says nothing of what is below: a child directory may hold processes. */
        n = kh_read_kernel_file(dir, "cgroup.procs", text, sizeof(text));
        return n == 0 && fstat(dir, &st) == 0 && st.st_nlink == 2 ? KH_YES : KH_NO;
}

/*
 * In every hierarchy that has it: its path may be one of v2's or, on a hybrid host, of one of v1's.
 */
static enum kh_known cgroup_is_empty(const struct kh_core *core, const struct kh_entry *e)
{
        static const char *const hierarchies[] = {
                "",
                "/unified",
                "/pids",
                "/memory",
                "/systemd",
                "/devices",
                "/cpu",
        };
        struct kh_span path = kh_entry_piece(e, e->cgroup_path);

        if (!core->cgroupfs || !path.p)
                return KH_UNKNOWN;
        for (size_t i = 0; i < sizeof(hierarchies) / sizeof(hierarchies[0]); i++) {
                enum kh_known empty = cgroup_is_empty_at(core->cgroupfs, hierarchies[i], path);

                if (empty != KH_YES)
                        return empty;
        }
        return KH_YES;
}

static void look_at_exited(struct kh_core *core, struct kh_entry *e, uint64_t now)
{
        enum kh_known empty = cgroup_is_empty(core, e);

        if (empty == KH_UNKNOWN && !e->exited_ns)
                e->exited_ns = now;
        if (empty == KH_YES || (empty == KH_UNKNOWN && now - e->exited_ns > UNSEEN_GRACE_NS))
                kh_inventory_emptied(&core->inventory, e, kh_now());
}

static void look_at_init(struct kh_core *core, struct kh_entry *e)
{
        kh_cleanup(kh_closep) int process = kh_proc_open(core->proc, (pid_t)e->pid);
        struct kh_proc_stat stat;
        int r = process < 0 ? process : kh_proc_stat(process, &stat);

        if (r == -ENOENT || r == -ESRCH ||
                (r == 0 && e->start_time && stat.start_time != e->start_time))
                kh_pidfds_died(&core->pidfds, e);
        else if (r == 0 && e->state == KH_STATE_CREATED && !kh_runtime_process(stat.comm).runtime.p)
                kh_inventory_started(&core->inventory, e);
}

static void schedule(struct kh_entry *e, uint64_t now)
{
        uint64_t delay = FIRST_LOOK_NS << (e->looks < 8 ? e->looks : 8);
        uint64_t last = e->polled ? LAST_LOOK_POLLED_NS : LAST_LOOK_NS;

        if (e->looks < UINT8_MAX)
                e->looks++;
        e->look_at_ns = now + (delay < last ? delay : last);
}

static void look_at(struct kh_core *core, struct kh_entry *e, uint64_t now)
{
        schedule(e, now);
        if (e->state == KH_STATE_EXITED)
                look_at_exited(core, e, now);
        else if (e->pid_is_ours)
                look_at_init(core, e);
}

static void sweep(void *arg)
{
        struct kh_sweep *s = arg;
        struct kh_inventory *inv = &s->core->inventory;
        uint64_t now = kh_clock_ns(), next = 0;

        kh_list_for_each(node, following, &inv->unquiet) {
                struct kh_entry *e = kh_container_of(node, struct kh_entry, unquiet);

                if (e->look_at_ns <= now + SLACK_NS)
                        look_at(s->core, e, now);
        }
        kh_list_for_each(node, following, &inv->unquiet) {
                const struct kh_entry *e = kh_container_of(node, struct kh_entry, unquiet);

                if (!next || e->look_at_ns < next)
                        next = e->look_at_ns;
        }
        kh_timer_set(&s->timer, next);
}
