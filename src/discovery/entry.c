/* SPDX-License-Identifier: Apache-2.0 */
#include "discovery/entry.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/root.h"
#include "discovery/match.h"
#include "proc/proc.h"
#include "wire/request.h"

#include <limits.h>
#include <sys/stat.h>
#include <time.h>

/*
 * How long an entry may lie there without the file that makes it a container's: its runtime waits
 * for hooks meanwhile, and for slow disks. What is older was left by a runtime that died.
 */
enum { YOUNG_S = 60 };

/*
 * Where a shim's runtime keeps its state unless it was told otherwise: a constant of containerd's.
 */
#define SHIM_ROOT KH_SPAN("/run/containerd/runc")

/* A directory of files of one container. */
struct files {
        int dir;
        struct kh_span below; /* of DIR: "", or a path that ends with a slash */
};

struct look {
        struct kh_discovery *d;
        struct kh_discovery_room *room;
        struct kh_root root; /* on the place's owner's word */
        struct kh_record *record;
        struct kh_found *found;
        struct kh_buf scratch;
        struct kh_seen *seen; /* NULL: nobody asks */
        struct files config;  /* where config.json is; dir is -EBADF: in the bundle */
};

/* The name of a file in its directory. */
struct name {
        char text[KH_ID_MAX + 64];
};

static bool put_name(struct name *ret, const struct files *files, const char *file)
{
        struct kh_buf b = kh_buf_of(ret->text, sizeof(ret->text));

        kh_buf_span(&b, files->below);
        kh_buf_span(&b, kh_span_of(file));
        return kh_buf_terminate(&b);
}

static int read_file(struct look *l, const struct files *files, const char *file, char *buf,
        size_t cap, size_t *ret_n)
{
        struct name name;

        if (!put_name(&name, files, file))
                return -ENAMETOOLONG;
        return kh_root_read_below(l->root, files->dir, name.text, buf, cap, ret_n);
}

static bool is_there(const struct look *l, const struct files *files, const char *file)
{
        kh_cleanup(kh_closep) int fd = -EBADF;
        struct name name;

        if (put_name(&name, files, file))
                fd = kh_root_open_below(l->root, files->dir, name.text, O_PATH);
        return fd >= 0;
}

/*
 * 1 with the record, 0 when there is no such file, or a negative errno. What is not whole at first
 * is read once more: its writer may have been at it.
 */
static int read_record(struct look *l, const struct files *files, const char *file,
        int (*reader)(char *text, size_t n, struct kh_record *record))
{
        char *text = l->room->state;
        int r = 0;

        for (int tries = 0; tries < 2; tries++) {
                size_t n;

                r = read_file(l, files, file, text, sizeof(l->room->state), &n);
                if (r < 0)
                        return r == -ENOENT ? 0 : r;
                r = reader(text, n, l->record);
                if (r == 0)
                        return 1;
        }
        return r;
}

/* The same of runc's record or crun's. */
static int read_runtime_record(struct look *l, const struct files *files)
{
        int r = read_record(l, files, "state.json", kh_record_read_runc);

        return r ? r : read_record(l, files, "status", kh_record_read_crun);
}

/* A path of these parts in the scratch, terminated; absent when there is no room. */
static struct kh_span keep_path(struct look *l, const struct kh_span *parts, size_t n)
{
        size_t start = l->scratch.len;

        for (size_t i = 0; i < n; i++) {
                if (i)
                        kh_buf_char(&l->scratch, '/');
                kh_buf_span(&l->scratch, parts[i]);
        }
        kh_buf_char(&l->scratch, '\0');
        if (l->scratch.over)
                return (struct kh_span){ 0 };
        return (struct kh_span){ l->scratch.p + start, l->scratch.len - start - 1 };
}

#define KEEP_PATH(l, ...)                                                                          \
        keep_path(l, (const struct kh_span[]){ __VA_ARGS__ },                                      \
                sizeof((const struct kh_span[]){ __VA_ARGS__ }) / sizeof(struct kh_span))

/* What an entry is that lacks its file, or has one that cannot be read (R < 0). */
static enum kh_finding without_record(struct look *l, int dir, const char *file, int r)
{
        struct kh_span id = l->found->container.id, place = l->found->place->path;
        struct kh_span name = KEEP_PATH(l, id);
        struct timespec now;
        struct stat st;

        if (!name.n || fstatat(dir, name.p, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
                return KH_FOUND_NOTHING;
        if (r < 0) {
                kh_fail(&l->found->err, r, "%s of container '%.*s' in '%.*s': %s", file, (int)id.n,
                        id.p, (int)place.n, place.p, kh_strerror(r));
                return KH_FOUND_UNKNOWN;
        }
        if (clock_gettime(CLOCK_REALTIME, &now) < 0)
                return KH_FOUND_NOTHING;
        return st.st_mtim.tv_sec + YOUNG_S > now.tv_sec ? KH_FOUND_YOUNG : KH_FOUND_NOTHING;
}

static struct kh_span last_part(struct kh_span path)
{
        const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;

        return slash ? kh_span_from(path, (size_t)(slash - path.p) + 1) : path;
}

/* A directory by a path of keep_path()'s. */
static int open_directory(const struct look *l, struct kh_span path)
{
        return path.n ? kh_root_open(l->root, path.p, O_PATH | O_DIRECTORY) : -ENOENT;
}

static struct kh_span pid_key(const uint32_t *pid)
{
        return (struct kh_span){ (const char *)pid, sizeof(*pid) };
}

static bool is_seen(const struct look *l, uint32_t pid)
{
        return l->seen && kh_seen_has(l->seen, pid_key(&pid));
}

static bool is_bundle_seen(const struct look *l, struct kh_span bundle)
{
        return l->seen && bundle.n && kh_seen_has(l->seen, bundle);
}

static void mark_seen(struct look *l)
{
        if (!l->seen)
                return;
        kh_seen_add(l->seen, pid_key(&l->record->pid));
        kh_seen_add(l->seen, l->record->bundle);
}

static int read_config_text(struct look *l, size_t *ret_n)
{
        char path[PATH_MAX], *text = l->room->config;
        struct kh_buf b = kh_buf_of(path, sizeof(path));

        if (l->config.dir >= 0)
                return read_file(
                        l, &l->config, "config.json", text, sizeof(l->room->config), ret_n);
        kh_buf_span(&b, l->record->bundle);
        kh_buf_lit(&b, "/config.json");
        if (!l->record->bundle.n || !kh_buf_terminate(&b))
                return -ENOENT;
        return kh_root_read_file(l->root, path, text, sizeof(l->room->config), ret_n);
}

/* config.json into the container; without it what the runtime's own state repeats of it. */
static bool read_config(struct look *l)
{
        static const struct kh_oci_config_options as_written = { .resolve = NULL };
        struct kh_container *c = &l->found->container;
        size_t n;

        for (int tries = 0; tries < 2 && read_config_text(l, &n) == 0; tries++) {
                if (kh_oci_read_config(l->room->config, n, l->record->bundle, &l->scratch,
                            &as_written, c, NULL) == 0)
                        return true;
        }
        c->rootfs = l->record->rootfs;
        c->annotations = l->record->annotations;
        return false;
}

/* Whether the record speaks of a process that lives and began when it says. */
static bool is_recorded_one(const struct kh_record *record, const struct kh_proc_stat *stat)
{
        return stat->state != 'Z' && stat->state != 'X' &&
               (!record->start_time || record->start_time == stat->start_time);
}

static bool is_its_owners(const struct look *l, int process)
{
        uid_t its;

        return !l->root.user || (kh_proc_user_ns_owner(process, &its) == 0 && its == l->root.user);
}

/*
 * The cgroup of the container, which may be none of its own: then it stays in the runtime's, and
 * there is no way to know it by that. A path that was asked for, or has the id in its name as
 * runtimes' defaults do, is its own. A user may ask for any: his own are those that he was given.
 */
static void read_cgroup(struct look *l, int process)
{
        struct kh_container *c = &l->found->container;
        struct kh_cgroup cgroup;

        if (!l->d->host.cgroupfs)
                return;
        kh_proc_cgroup_kept(process, l->d->host.cgroupfs, &l->scratch, &cgroup);
        if (!cgroup.path.p ||
                (!c->cgroup_spec_path.n && !memmem(cgroup.path.p, cgroup.path.n, c->id.p, c->id.n)))
                return;
        if (l->root.user && cgroup.owner != l->root.user)
                return;
        c->cgroup_path = cgroup.path;
        c->cgroup_id = cgroup.id;
}

/* Whether a process of a pid without a start time is the container's: numbers are used again. */
static bool is_in_its_cgroup(const struct look *l)
{
        const struct kh_container *c = &l->found->container;

        return l->record->start_time || kh_cgroup_is_of(c->cgroup_path, c->cgroup_spec_path, c->id);
}

static void mark_host_namespaces(const struct kh_discovery *d, uint8_t mask, struct kh_container *c)
{
        for (int i = 0; i < KH_NS_COUNT; i++) {
                if ((mask >> i & 1) && c->ns[i] && c->ns[i] == d->host_ns[i])
                        c->ns_host |= (uint8_t)(1 << i);
        }
        c->ns_joined &= (uint8_t)~c->ns_host;
}

/* The container that the record speaks of, if its init lives: PROCESS, with STAT. */
static enum kh_finding describe(struct look *l, int process, const struct kh_proc_stat *stat)
{
        struct kh_container *c = &l->found->container;
        const struct kh_metadata metadata = {
                .text = l->room->metadata,
                /* A user might make up a file whose index takes long to make. */
                .storage = l->seen && !l->root.user ? &l->room->storage : NULL,
        };
        bool configured = read_config(l);

        read_cgroup(l, process);
        if (!is_in_its_cgroup(l))
                return KH_FOUND_NOTHING;
        c->bundle = l->record->bundle;
        c->runtime = l->record->runtime;
        c->pid = l->record->pid;
        c->start_time = stat->start_time;
        kh_proc_namespaces(process, c->ns);
        if (l->root.user) {
                /* Those that he does not list are his runtime's, and his word is no proof. */
                configured = false;
                c->ns_host = 0;
        }
        mark_host_namespaces(l->d, configured ? c->ns_joined : 0xff, c);
        (void)kh_oci_complete(l->root, c, &metadata, &l->scratch);
        return KH_FOUND_CONTAINER;
}

/* What a user says of others' containers is nothing that was seen. */
static bool is_known(const struct look *l)
{
        kh_cleanup(kh_closep) int process = -EBADF;

        if (!l->d->knows || !l->record->start_time ||
                !l->d->knows(l->d->knows_arg, l->record->pid, l->record->start_time))
                return false;
        process = l->root.user ? kh_proc_open(l->d->host.proc, (pid_t)l->record->pid) : -EBADF;
        return is_its_owners(l, process);
}

static enum kh_finding settle(struct look *l)
{
        kh_cleanup(kh_closep) int process = kh_proc_open(l->d->host.proc, (pid_t)l->record->pid);
        struct kh_proc_stat stat;
        struct stat there;

        if (process < 0 || kh_proc_stat(process, &stat) < 0 || !is_recorded_one(l->record, &stat) ||
                !is_its_owners(l, process) || describe(l, process, &stat) != KH_FOUND_CONTAINER)
                return KH_FOUND_NOTHING;
        if (l->d->pids_are_ours)
                l->found->pidfd = kh_pidfd_open((pid_t)l->record->pid);
        /*
         * While this directory stands, its number was nobody else's: the pidfd is of its process.
         */
        if (fstatat(process, "stat", &there, 0) < 0)
                return KH_FOUND_NOTHING;
        mark_seen(l);
        return KH_FOUND_CONTAINER;
}

/* Both runtimes' `create` leaves a FIFO that `start` opens and removes. */
static enum kh_known is_started(const struct look *l, const struct files *files)
{
        return is_there(l, files, "exec.fifo") ? KH_NO : KH_YES;
}

static enum kh_finding look_runtime(struct look *l, const struct files *files)
{
        int r = read_runtime_record(l, files);

        if (r <= 0)
                return without_record(l, files->dir, "the state", r);
        if (!l->record->pid || is_seen(l, l->record->pid))
                return KH_FOUND_NOTHING;
        if (is_known(l)) {
                mark_seen(l);
                return KH_FOUND_NOTHING;
        }
        l->found->started = is_started(l, files);
        /* crun keeps a copy of the configuration that it was given, which nobody edits. */
        if (kh_span_eq(l->record->runtime, KH_SPAN("crun")) && is_there(l, files, "config.json"))
                l->config = *files;
        return settle(l);
}

/* The directory of the runtime's own state of a container that a shim runs. */
static int open_runtime_state(struct look *l, const struct files *files)
{
        struct kh_span root = { 0 };
        size_t n;

        if (read_file(l, files, "options.json", l->room->state, sizeof(l->room->state), &n) == 0)
                (void)kh_record_read_shim_root(l->room->state, n, &root);
        return open_directory(l, KEEP_PATH(l, root.n ? root : SHIM_ROOT,
                                         last_part(l->found->place->path), l->found->container.id));
}

/* A record of no more than a pid. */
static void keep_pid(struct kh_record *record, uint32_t pid)
{
        kh_record_init(record);
        record->pid = pid;
}

static enum kh_finding look_shim(struct look *l, const struct files *files)
{
        struct kh_span bundle = KEEP_PATH(l, l->found->place->path, l->found->container.id);
        kh_cleanup(kh_closep) int state = -EBADF;
        struct files runtime = { 0 };
        uint32_t pid;
        int r;

        if (is_bundle_seen(l, bundle))
                return KH_FOUND_NOTHING;
        r = read_record(l, files, "init.pid", kh_record_read_pid);
        if (r <= 0)
                return without_record(l, files->dir, "init.pid", r);
        pid = l->record->pid;
        if (!pid || is_seen(l, pid))
                return KH_FOUND_NOTHING;
        runtime.dir = state = open_runtime_state(l, files);
        if (state >= 0 && read_runtime_record(l, &runtime) > 0 && l->record->pid == pid)
                l->found->started = is_started(l, &runtime);
        else
                keep_pid(l->record, pid);
        if (!l->record->bundle.n)
                l->record->bundle = bundle;
        l->config = *files;
        return settle(l);
}

static enum kh_finding look_storage(struct look *l, const struct files *files)
{
        struct kh_span id = l->found->container.id, place = l->found->place->path;
        struct kh_span graph_root = kh_span_of(l->found->place->graph_root);
        struct kh_span bundle = KEEP_PATH(l, place, id, KH_SPAN("userdata"));
        struct kh_span twin = { 0 };
        const struct files here = { files->dir, KEEP_PATH(l, id, KH_SPAN("userdata/")) };
        kh_cleanup(kh_closep) int twin_dir = -EBADF;
        struct files there = { 0 };
        uint32_t pid;
        int r;

        if (graph_root.n)
                twin = KEEP_PATH(l, graph_root, last_part(place), id, KH_SPAN("userdata"));
        if (is_bundle_seen(l, bundle) || is_bundle_seen(l, twin))
                return KH_FOUND_NOTHING;
        r = read_record(l, &here, "pidfile", kh_record_read_pid);
        if (r <= 0)
                return without_record(l, files->dir, "pidfile", r);
        pid = l->record->pid;
        if (!pid || is_seen(l, pid))
                return KH_FOUND_NOTHING;
        there.dir = twin_dir = open_directory(l, twin);
        /* CRI-O's is there and has the start time; Podman keeps such things in its database. */
        if (twin_dir < 0 || read_record(l, &there, "state.json", kh_record_read_crio) <= 0 ||
                l->record->pid != pid)
                keep_pid(l->record, pid);
        /* CRI-O's bundle is this directory, Podman's its twin. */
        l->config = is_there(l, &here, "config.json") ? here : there;
        l->record->bundle = l->config.dir == there.dir ? twin : bundle;
        return settle(l);
}

static enum kh_finding look(struct look *l, const struct files *files)
{
        switch (l->found->place->kind) {
        case KH_PLACE_RUNTIME:
                return look_runtime(l, files);
        case KH_PLACE_SHIM:
                return look_shim(l, files);
        case KH_PLACE_STORAGE:
                return look_storage(l, files);
        }
        return KH_FOUND_NOTHING;
}

void kh_entry_look(struct kh_discovery *d, const struct kh_place *place, int dir, struct kh_span id,
        struct kh_seen *seen, kh_found_fn fn, void *arg)
{
        struct kh_found *found = &d->room->found;
        struct look l = {
                .d = d,
                .room = d->room,
                .root = { d->host.root.dir, place->owner },
                .record = &d->room->record,
                .found = found,
                .scratch = kh_buf_of(d->room->scratch, sizeof(d->room->scratch)),
                .seen = seen,
                .config = { .dir = -EBADF },
        };
        struct files files = { .dir = dir };

        if (!kh_container_id_is_valid(id))
                return;
        kh_container_init(&found->container);
        found->container.id = id;
        found->place = place;
        found->started = KH_UNKNOWN;
        found->pidfd = -EBADF;
        found->err.code = 0;
        files.below = KEEP_PATH(&l, id, KH_SPAN(""));
        found->finding = dir >= 0 ? look(&l, &files) : KH_FOUND_NOTHING;
        if (found->finding != KH_FOUND_CONTAINER) {
                kh_container_init(&found->container);
                found->container.id = id;
        }
        fn(arg, found);
        kh_closep(&found->pidfd);
}
