/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/gather.h"

#include "base/cleanup.h"
#include "base/root.h"
#include "hook/mapped_file.h"
#include "oci/config.h"
#include "oci/metadata.h"
#include "proc/runtime.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/utsname.h>

/* Static and never cleared: a page that is not needed is never touched. */
static char scratch_text[256 * 1024]; /* paths, and the labels that an annotation holds */

/* What the kernel makes of a path; realpath() would bring an allocator into the program. */
static bool resolve_links(struct kh_span source, char *path)
{
        char name[PATH_MAX], link[32];
        struct kh_buf b = kh_buf_of(name, sizeof(name)), l = kh_buf_of(link, sizeof(link));
        kh_cleanup(kh_closep) int fd = -EBADF;
        ssize_t n;

        kh_buf_span(&b, source);
        if (!kh_buf_terminate(&b))
                return false;
        fd = openat(AT_FDCWD, name, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return false;
        kh_buf_lit(&l, "/proc/self/fd/");
        kh_buf_u64(&l, (uint64_t)fd);
        kh_buf_terminate(&l);
        n = readlink(link, path, PATH_MAX - 1);
        if (n < 0)
                return false;
        path[n] = '\0';
        return true;
}

/* config.json of the bundle into C, or the reason why not. */
static int read_config(const struct kh_oci_state *state, const struct kh_hook_options *options,
        struct kh_buf *scratch, struct kh_container *c, struct kh_err *err)
{
        const struct kh_oci_config_options how = {
                .resolve = resolve_links,
                .resolve_all = options->deny_runtime_sockets,
        };
        struct kh_buf path = kh_buf_of(scratch->p, PATH_MAX);
        char *text;
        size_t n;
        int r;

        kh_buf_span(&path, state->bundle);
        kh_buf_lit(&path, "/config.json");
        if (!state->bundle.n || !kh_buf_terminate(&path))
                return kh_fail(err, -EINVAL, "the OCI state has no usable bundle");
        r = kh_map_file(path.p, KH_OCI_CONFIG_MAX, &text, &n);
        if (r < 0)
                return kh_fail(err, r, "read '%s': %s", path.p, kh_strerror(r));
        return kh_oci_read_config(text, n, state->bundle, scratch, &how, c, err);
}

static enum kh_known has_own_mount_ns(const struct kh_container *c, bool configured)
{
        if (!configured)
                return KH_UNKNOWN;
        return (c->ns_host | c->ns_joined) >> KH_NS_MNT & 1 ? KH_NO : KH_YES;
}

/*
 * Which of the namespaces in MASK are the runtime's own. Only on the host's side can the hook see
 * those: they are its own there.
 */
static void mark_host_namespaces(int proc, uint8_t mask, struct kh_container *c)
{
        kh_cleanup(kh_closep) int self = mask ? openat(proc, "self", O_PATH | O_CLOEXEC) : -EBADF;
        uint64_t mine;

        for (int i = 0; i < KH_NS_COUNT && self >= 0; i++) {
                if ((mask >> i & 1) && c->ns[i] &&
                        kh_proc_namespace(self, (enum kh_ns)i, &mine) == 0 && mine == c->ns[i])
                        c->ns_host |= (uint8_t)(1 << i);
        }
        c->ns_joined &= (uint8_t)~c->ns_host;
}

/* Once the container's own program runs, the hook's parent still is the runtime. */
static struct kh_span runtime_of_parent(int proc)
{
        struct kh_proc_stat stat;
        kh_cleanup(kh_closep) int parent = kh_proc_open(proc, getppid());

        if (parent < 0 || kh_proc_stat(parent, &stat) < 0)
                return (struct kh_span){ 0 };
        return kh_runtime_process(stat.comm).runtime;
}

static bool is_alive(int pidfd)
{
        struct pollfd p = { .fd = pidfd, .events = POLLIN };

        return poll(&p, 1, 0) == 0;
}

/* The cgroup that the hook itself is in, on the host's side the runtime's. */
static bool is_hooks_own_cgroup(int proc, struct kh_span path)
{
        static char text[KH_CGROUP_FILE_MAX];
        kh_cleanup(kh_closep) int self = openat(proc, "self", O_PATH | O_CLOEXEC);
        struct kh_cgroup own;

        return self >= 0 && kh_proc_cgroup(self, "/sys/fs/cgroup", text, &own) == 0 &&
               kh_span_eq(own.path, path);
}

static void read_cgroup(int proc, int process, const struct kh_container *c, struct kh_buf *scratch,
        struct kh_cgroup *ret)
{
        kh_proc_cgroup_kept(process, "/sys/fs/cgroup", scratch, ret);
        if (!ret->path.p)
                return;
        /* A container without a cgroup of its own (Podman's --cgroups=disabled) stays in the
           runtime's: that is no way to know it by. Where one was asked for, or has the id in its
           name as runtimes' defaults do, there is no need to look. */
        if (!c->cgroup_spec_path.n && !memmem(ret->path.p, ret->path.n, c->id.p, c->id.n) &&
                is_hooks_own_cgroup(proc, ret->path))
                *ret = (struct kh_cgroup){ 0 };
}

/*
 * In the container the hook's own namespaces are the container's, and the only ones that the kernel
 * shows it in a user namespace.
 */
static void read_namespaces(int proc, const struct kh_init *init, uint64_t ret[KH_NS_COUNT])
{
        kh_cleanup(kh_closep) int self =
                init->in_container ? openat(proc, "self", O_PATH | O_CLOEXEC) : -EBADF;

        kh_proc_namespaces(init->in_container ? self : init->process, ret);
}

/*
 * The init's numbers. The pidfd comes first and is looked at again last: if its process lives then,
 * all that was read in between is of that process.
 */
static void read_init(int proc, const struct kh_init *init, bool configured, struct kh_buf *scratch,
        struct kh_gathered *g)
{
        struct kh_container *c = &g->request.container;
        kh_cleanup(kh_closep) int pidfd = init->pid_here ? kh_pidfd_open(init->pid_here) : -ENOSYS;
        struct kh_cgroup cgroup = { 0 };
        uint64_t ns[KH_NS_COUNT];

        if (pidfd < 0 && pidfd != -ENOSYS && pidfd != -EPERM)
                return; /* gone, or the number of a thread */
        read_namespaces(proc, init, ns);
        if (!init->in_container)
                read_cgroup(proc, init->process, c, scratch, &cgroup);
        if (pidfd >= 0 && !is_alive(pidfd))
                return;
        c->pid = (uint32_t)init->pid;
        c->start_time = init->stat.start_time;
        memcpy(c->ns, ns, sizeof(ns));
        c->cgroup_path = cgroup.path;
        c->cgroup_id = cgroup.id;
        if (!init->in_container)
                mark_host_namespaces(proc, configured ? c->ns_joined : 0xff, c);
        g->pidfd = kh_take_fd(&pidfd);
}

/*
 * Room for the file of an engine that keeps names in one; NULL for others. Not static: what a
 * program may come to need counts against its limits and its machine's from the start.
 */
static char *metadata_room(const struct kh_container *c)
{
        enum kh_dialect dialect = kh_oci_dialect(c->bundle, &c->annotations);
        void *room;

        if (dialect != KH_DIALECT_PODMAN && dialect != KH_DIALECT_DOCKER)
                return NULL;
        room = mmap(NULL, KH_METADATA_MAX, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return room == MAP_FAILED ? NULL : room;
}

/* The host's name; in the container's UTS namespace it is the container's, and absent. */
static struct kh_span node_name(bool in_container)
{
        static struct utsname name;

        if (in_container || uname(&name) < 0)
                return (struct kh_span){ 0 };
        return kh_span_of(name.nodename);
}

static void gather_create(struct kh_oci_state *state, const struct kh_hook_options *options,
        struct kh_gathered *g, struct kh_err *err)
{
        kh_cleanup(kh_closep) int proc =
                openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct kh_metadata metadata = { 0 };
        struct kh_init init;
        struct kh_container *c = &g->request.container;
        struct kh_buf scratch = kh_buf_of(scratch_text, sizeof(scratch_text));
        bool configured = read_config(state, options, &scratch, c, err) == 0;

        c->bundle = state->bundle;
        if (!configured)
                kh_oci_read_annotations_text(state->annotations, &c->annotations);
        kh_find_init(proc, state, options->stage, has_own_mount_ns(c, configured), &init);
        g->stage = init.stage;
        if (init.pid) {
                c->runtime = kh_runtime_process(init.stat.comm).runtime;
                read_init(proc, &init, configured, &scratch, g);
                kh_close(init.process);
        }
        if (!c->runtime.p && !init.in_container)
                c->runtime = runtime_of_parent(proc);
        g->request.node_name = node_name(init.in_container);
        g->request.running = state->status == KH_STATUS_RUNNING;
        g->in_user_ns = init.in_container && !(c->ns_host >> KH_NS_USER & 1);
        metadata.text = metadata_room(c);
        g->dialect = kh_oci_complete(KH_OWN_ROOT, c, &metadata, &scratch);
}

void kh_gather(struct kh_oci_state *state, const struct kh_hook_options *options,
        struct kh_gathered *ret, struct kh_err *err)
{
        struct kh_container *c = &ret->request.container;

        err->code = 0;
        kh_container_init(c);
        c->id = state->id;
        ret->request.detached = ret->request.running = false;
        ret->request.node_name = (struct kh_span){ 0 };
        ret->request.test = options->test;
        ret->pidfd = -EBADF;
        ret->in_user_ns = false;
        if (state->status == KH_STATUS_STOPPED) {
                ret->stage = KH_STAGE_POSTSTOP;
                c->bundle = state->bundle;
        } else {
                gather_create(state, options, ret, err);
        }
        ret->request.operation = ret->stage == KH_STAGE_POSTSTOP ? KH_OP_DELETE : KH_OP_CREATE;
        c->stage = kh_stage_name(ret->stage);
}
