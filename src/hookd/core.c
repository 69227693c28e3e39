/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/core.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "hookd/log.h"
#include "hookd/sources/snapshot.h"
#include "hookd/timestamp.h"
#include "proc/proc.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>

/* PROC_PID_INIT_INO and PROC_CGROUP_INIT_INO of the kernel's linux/proc_ns.h. */
#define HOST_PID_NS    0xEFFFFFFCU
#define HOST_CGROUP_NS 0xEFFFFFFBU

static void log_change(const struct kh_change *change)
{
        const struct kh_entry *e = change->entry;
        char id[KH_LOG_VALUE], name[KH_LOG_VALUE], pod[KH_LOG_VALUE], ns[KH_LOG_VALUE];

        if (change->type == KH_UPDATED || !kh_log_wants(LOG_INFO))
                return;
        kh_log(LOG_INFO,
                "container %s id=%s name=%s pod=%s namespace=%s pid=%u pidns=%llu mntns=%llu "
                "source=%s%s%s",
                change->type == KH_CREATED ? "created" : "removed",
                kh_log_value(id, kh_entry_piece(e, e->id)),
                kh_log_value(name, kh_entry_piece(e, e->name)),
                kh_log_value(pod, kh_entry_piece(e, e->pod)),
                kh_log_value(ns, kh_entry_piece(e, e->pod_namespace)), e->pid,
                (unsigned long long)e->ns[KH_NS_PID], (unsigned long long)e->ns[KH_NS_MNT],
                kh_source_name[change->source].p, change->type == KH_REMOVED ? " reason=" : "",
                change->type == KH_REMOVED ? kh_reason_name[change->reason].p : "");
}

static void mend_journal(void *arg)
{
        struct kh_core *core = arg;

        kh_journal_mend(&core->journal);
        if (kh_journal_is_broken(&core->journal))
                kh_timer_set(&core->journal_timer, core->journal.retry_ns);
}

static void changed(void *arg, const struct kh_change *change)
{
        struct kh_core *core = arg;

        if (change->was != change->entry)
                kh_pidfds_moved(&core->pidfds, change->entry);
        kh_journal_write(&core->journal, change);
        if (kh_journal_is_broken(&core->journal))
                kh_timer_advance(&core->journal_timer, core->journal.retry_ns);
        core->seq++;
        core->counters.events[change->type][change->source]++;
        kh_subscribers_tell(&core->subscribers, change, core->seq, kh_realtime_ns());
        kh_relay_tell(&core->relay, change);
        log_change(change);
        if (change->type == KH_REMOVED)
                kh_pidfds_forget(&core->pidfds, change->entry);
        else
                kh_sweep_notice(&core->sweep, change->entry);
}

/* The place of a host's directory in our own tree. */
static bool below(char buf[PATH_MAX], const char *root, const char *path)
{
        struct kh_buf b = kh_buf_of(buf, PATH_MAX);

        kh_buf_span(&b, kh_span_of(root ? root : ""));
        kh_buf_span(&b, kh_span_of(path));
        return kh_buf_terminate(&b);
}

static bool is_ours(int proc)
{
        char target[24], pid[24];
        struct kh_buf b = kh_buf_of(pid, sizeof(pid));
        ssize_t n = readlinkat(proc, "self", target, sizeof(target));

        kh_buf_u64(&b, (uint64_t)getpid());
        return n > 0 && kh_span_eq(kh_buf_view(&b), (struct kh_span){ target, (size_t)n });
}

static int open_host(struct kh_core *core, const char *host_root, struct kh_err *err)
{
        static char cgroupfs[PATH_MAX];
        char proc[PATH_MAX];
        struct stat st;

        if (!below(proc, host_root, "/proc") || !below(cgroupfs, host_root, "/sys/fs/cgroup"))
                return kh_fail(err, -ENAMETOOLONG, "the path of --host-root is too long");
        core->proc = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (core->proc < 0)
                return kh_fail(err, -errno, "open '%s': %s", proc, kh_strerror(errno));
        core->proc_is_ours = is_ours(core->proc);
        core->sees_host =
                host_root || (stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == HOST_PID_NS);
        if (host_root || (stat("/proc/self/ns/cgroup", &st) == 0 && st.st_ino == HOST_CGROUP_NS))
                core->cgroupfs = cgroupfs;
        return 0;
}

int kh_core_init(struct kh_core *core, struct kh_loop *loop, const struct kh_options *options,
        const struct kh_budget *budget, struct kh_err *err)
{
        struct kh_hash_seed seed;
        int r;

        *core = (struct kh_core){ .options = options,
                .started = kh_now(),
                .loop = loop,
                .proc = -EBADF,
                .spool_dir = -EBADF };
        core->journal.dir = core->journal.fd = -EBADF;
        if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
                return kh_fail(err, -errno, "get random bytes: %s", kh_strerror(errno));
        if (kh_inventory_init(&core->inventory, seed, changed, core) < 0)
                return kh_fail(err, -ENOMEM, "no memory for the inventory");
        r = kh_pidfds_init(&core->pidfds, loop, &core->inventory, budget->pidfds, err);
        if (r < 0)
                return r;
        kh_sweep_init(&core->sweep, core);
        kh_timer_init(loop, &core->journal_timer, mend_journal, core);
        kh_relay_init(&core->relay, core, options->relay);
        r = kh_subscribers_init(&core->subscribers, core, budget->clients, err);
        if (r < 0)
                return r;
        return open_host(core, options->host_root, err);
}

void kh_core_done(struct kh_core *core)
{
        kh_subscribers_done(&core->subscribers);
        kh_relay_done(&core->relay);
        kh_list_for_each(node, next, &core->inventory.all)
                kh_pidfds_forget(&core->pidfds, kh_container_of(node, struct kh_entry, all));
        kh_pidfds_done(&core->pidfds);
        kh_inventory_done(&core->inventory);
        kh_journal_close(&core->journal);
        kh_closep(&core->proc);
}

/*
 * The init of a container that came without a pidfd, found by its pid: its directory below /proc,
 * or a negative errno when there is none or it is another process.
 */
static int open_init(const struct kh_core *core, const struct kh_container *c)
{
        kh_cleanup(kh_closep) int process = kh_proc_open(core->proc, (pid_t)c->pid);
        struct kh_proc_stat stat;
        uint64_t mnt = 0;
        int r;

        if (process < 0)
                return process;
        r = kh_proc_stat(process, &stat);
        if (r < 0)
                return r;
        if (c->start_time && c->start_time != stat.start_time)
                return -ESRCH;
        /* No start time, no proof: then the namespace at least has to be the one that was told. */
        if (!c->start_time && c->ns[KH_NS_MNT] &&
                kh_proc_namespace(process, KH_NS_MNT, &mnt) == 0 && mnt != c->ns[KH_NS_MNT])
                return -ESRCH;
        return kh_take_fd(&process);
}

/* A pidfd of the process whose directory below /proc is PROCESS; -EBADF when there is none. */
static int open_pidfd(const struct kh_core *core, const struct kh_container *c, int process)
{
        kh_cleanup(kh_closep) int pidfd = -EBADF;
        struct kh_proc_stat stat;

        if (!core->proc_is_ours)
                return -EBADF;
        pidfd = kh_pidfd_open((pid_t)c->pid);
        /* While the directory can be read its process is there, so the pid was not used again. */
        if (pidfd < 0 || kh_proc_stat(process, &stat) < 0)
                return -EBADF;
        return kh_take_fd(&pidfd);
}

/*
 * What a hook within the container's namespaces cannot see, and KubeArmor's own does not tell. The
 * cgroup's path is read into ROOM.
 */
static void add_facts(const struct kh_core *core, struct kh_container *c, int process,
        char room[KH_CGROUP_FILE_MAX])
{
        struct kh_proc_stat stat;
        struct kh_cgroup cgroup;
        uint64_t ns[KH_NS_COUNT];

        if (!c->start_time && kh_proc_stat(process, &stat) == 0)
                c->start_time = stat.start_time;
        kh_proc_namespaces(process, ns);
        for (int i = 0; i < KH_NS_COUNT; i++) {
                if (!c->ns[i])
                        c->ns[i] = ns[i];
        }
        if (c->cgroup_path.p || !core->cgroupfs ||
                kh_proc_cgroup(process, core->cgroupfs, room, &cgroup) < 0)
                return;
        c->cgroup_path = cgroup.path;
        c->cgroup_id = cgroup.id;
}

/* Who sees the host, and says nothing of a cgroup, has seen that it is none of the container's. */
static bool lacks_facts(const struct kh_told *told)
{
        const struct kh_container *c = &told->request->container;

        return !c->start_time || !c->ns[KH_NS_MNT] || !c->ns[KH_NS_PID] ||
               (!c->cgroup_path.p && told->source != KH_SOURCE_DISCOVERY &&
                       !kh_span_eq(c->stage, KH_SPAN("createRuntime")));
}

struct init {
        enum kh_known alive;
        bool pid_is_ours;
        int pidfd; /* -EBADF: none */
};

/*
 * Where we cannot look at those who tell, their claims are held against the kernel's word: through
 * the pidfd, which may be of any pid namespace, as far as we have rights over its process.
 */
static void correct_namespaces(const struct kh_core *core, struct kh_container *c, int pidfd)
{
        char id[KH_LOG_VALUE];
        bool wrong = false;

        for (int i = 0; i < KH_NS_COUNT && !core->sees_host; i++) {
                uint64_t ns = kh_pidfd_namespace(pidfd, (enum kh_ns)i);

                if (ns == 0)
                        continue;
                wrong |= c->ns[i] && c->ns[i] != ns;
                c->ns[i] = ns;
        }
        if (wrong)
                kh_log(LOG_WARNING, "namespaces corrected id=%s pid=%u", kh_log_value(id, c->id),
                        c->pid);
}

/* Whether the init whose pidfd is foreign to our pid namespace is in the host's procfs, mounted. */
static bool is_in_hosts_proc(const struct kh_core *core, const struct kh_told *told)
{
        const struct kh_container *c = &told->request->container;
        kh_cleanup(kh_closep) int process = -EBADF;

        if (told->pidfd_pid != 0 || !core->sees_host || core->proc_is_ours || !c->start_time)
                return false;
        process = open_init(core, c);
        return process >= 0;
}

/* False when what was told contradicts the kernel. */
static bool find_init(
        struct kh_core *core, struct kh_told *told, char room[KH_CGROUP_FILE_MAX], struct init *ret)
{
        struct kh_container *c = &told->request->container;
        kh_cleanup(kh_closep) int pidfd = kh_take_fd(&told->pidfd);
        kh_cleanup(kh_closep) int process = -EBADF;

        *ret = (struct init){ .alive = KH_UNKNOWN, .pidfd = -EBADF };
        if (pidfd >= 0) {
                /* In a pod, its number for our own container is not the host's. */
                bool is_our_number = told->pidfd_pid > 0 && told->pids_are_ours;

                if (is_our_number && !c->pid && core->sees_host)
                        c->pid = (uint32_t)told->pidfd_pid;
                if (is_our_number && c->pid && told->pidfd_pid != (int)c->pid)
                        return false;
                ret->pid_is_ours = (is_our_number && c->pid && core->proc_is_ours) ||
                                   is_in_hosts_proc(core, told);
                correct_namespaces(core, c, pidfd);
                ret->alive = told->pidfd_pid == -ESRCH || kh_pidfd_is_dead(pidfd) ? KH_NO : KH_YES;
                if (ret->pid_is_ours && ret->alive == KH_YES && lacks_facts(told))
                        process = kh_proc_open(core->proc, (pid_t)c->pid);
        } else if (c->pid) {
                process = open_init(core, c);
                if (process >= 0 && (told->pids_are_ours || c->start_time)) {
                        ret->pid_is_ours = true;
                        ret->alive = KH_YES;
                        pidfd = open_pidfd(core, c, process);
                } else if ((process == -ENOENT || process == -ESRCH) && told->pids_are_ours) {
                        ret->alive = KH_NO;
                }
        }
        if (process >= 0 && ret->alive == KH_YES && lacks_facts(told))
                add_facts(core, c, process, room);
        ret->pidfd = kh_take_fd(&pidfd);
        return true;
}

static void check_death(void *arg, struct kh_entry *e)
{
        struct kh_core *core = arg;

        kh_pidfds_check(&core->pidfds, e);
}

void kh_core_check_deaths(struct kh_core *core, const struct kh_container *container)
{
        kh_inventory_concerned(&core->inventory, container, check_death, core);
}

static enum kh_outcome take_create(
        struct kh_core *core, struct kh_told *told, enum kh_rejection *ret_rejection)
{
        static char cgroup_room[KH_CGROUP_FILE_MAX];
        static const enum kh_outcome outcome[] = {
                [KH_BORN] = KH_OUTCOME_CREATED,
                [KH_KNOWN] = KH_OUTCOME_KNOWN,
                [KH_GONE] = KH_OUTCOME_GONE,
                [KH_FULL] = KH_OUTCOME_REFUSED,
        };
        struct kh_container *c = &told->request->container;
        struct kh_arrival arrival = {
                .container = c, .source = told->source, .told_by = told->uid
        };
        struct kh_entry *e;
        struct init init;
        enum kh_verdict verdict;

        if (!find_init(core, told, cgroup_room, &init)) {
                *ret_rejection = KH_REJECT_PID;
                return KH_OUTCOME_REFUSED;
        }
        arrival.alive = init.alive;
        arrival.pid_is_ours = init.pid_is_ours;
        arrival.state = told->request->detached ? KH_STATE_RUNNING : KH_STATE_CREATED;
        kh_core_check_deaths(core, c);
        verdict = kh_inventory_arrive(&core->inventory, &arrival, kh_now(), &e);
        *ret_rejection = KH_REJECT_FULL;
        if (!e)
                kh_close(init.pidfd);
        else if (init.pidfd >= 0)
                kh_pidfds_watch(&core->pidfds, e, init.pidfd);
        else if (init.pid_is_ours && e->pidfd < 0)
                kh_inventory_poll(&core->inventory, e);
        if (e)
                kh_sweep_notice(&core->sweep, e);
        return outcome[verdict];
}

static enum kh_outcome take_delete(struct kh_core *core, struct kh_told *told)
{
        const struct kh_container *c = &told->request->container;

        if (kh_span_eq(c->id, KH_RESERVED_ID)) {
                if (told->request->detached)
                        kh_snapshot_ended(core);
                return KH_OUTCOME_NOTHING;
        }
        kh_core_check_deaths(core, c);
        return kh_inventory_depart(&core->inventory, c, told->source, kh_now())
                       ? KH_OUTCOME_DELETED
                       : KH_OUTCOME_NOTHING;
}

enum kh_outcome kh_core_take(
        struct kh_core *core, struct kh_told *told, enum kh_rejection *ret_rejection)
{
        struct kh_request *request = told->request;
        enum kh_outcome outcome;

        if (request->duration_us)
                kh_counters_duration(&core->counters, request->duration_us);
        if (request->test)
                outcome = KH_OUTCOME_TEST;
        else if (request->operation == KH_OP_CREATE)
                outcome = take_create(core, told, ret_rejection);
        else
                outcome = take_delete(core, told);
        kh_closep(&told->pidfd);
        if (told->source == KH_SOURCE_DISCOVERY) /* nobody's request */
                return outcome;
        core->counters.requests[request->operation][outcome]++;
        if (outcome == KH_OUTCOME_REFUSED)
                core->counters.rejected[*ret_rejection]++;
        return outcome;
}

/* Whether the init that the journal tells of still is the same process. */
static void check_restored(struct kh_core *core, struct kh_entry *e, bool same_pids)
{
        struct kh_container c = { .pid = e->pid, .start_time = e->start_time };
        kh_cleanup(kh_closep) int process = -EBADF;
        int pidfd;

        if (e->state == KH_STATE_EXITED || !e->pid_is_ours || !same_pids || !e->start_time)
                return;
        process = open_init(core, &c);
        if (process == -ENOENT || process == -ESRCH)
                kh_pidfds_died(&core->pidfds, e);
        if (process < 0)
                return;
        e->alive = KH_YES;
        pidfd = open_pidfd(core, &c, process);
        if (pidfd >= 0)
                kh_pidfds_watch(&core->pidfds, e, pidfd);
        else
                kh_inventory_poll(&core->inventory, e);
}

int kh_core_restore(struct kh_core *core, const char *dir, struct kh_err *err)
{
        bool same_pids;
        size_t before;
        int r = kh_journal_open(&core->journal, dir, &core->inventory, &same_pids, err);

        if (r < 0)
                return r;
        before = core->inventory.count;
        kh_list_for_each(node, next, &core->inventory.all)
                check_restored(core, kh_container_of(node, struct kh_entry, all), same_pids);
        kh_list_for_each(node, next, &core->inventory.unquiet)
                kh_sweep_notice(&core->sweep, kh_container_of(node, struct kh_entry, unquiet));
        if (before)
                kh_log(LOG_NOTICE, "inventory restored containers=%zu dead=%zu",
                        core->inventory.count, before - core->inventory.count);
        kh_relay_restore(&core->relay, core->journal.dir);
        return 0;
}
