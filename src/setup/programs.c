/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/programs.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "setup/command.h"
#include "setup/detect.h"
#include "setup/file.h"
#include "setup/runtime/runtime.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

/* The last is for nodes of GKE, where nothing else can be both written to and executed from. */
static const char *const directories[] = { "/usr/local/lib/kubearmor", "/opt/kubearmor",
        "/home/kubernetes/bin/kubearmor" };

/* The nearest of the path and what it lies in that exists. */
static void cut_to_existing(const struct kh_host *root, char *path)
{
        while (*path && !kh_host_exists(root, path))
                *strrchr(path, '/') = '\0';
        if (!*path)
                (void)snprintf(path, PATH_MAX, "/");
}

/* Whoever can write to a directory on the way can replace what root executes. */
static int check_ways(const struct kh_host *root, const char *path, struct kh_err *err)
{
        char way[PATH_MAX];

        (void)snprintf(way, sizeof(way), "%s", path);
        for (;;) {
                struct stat st;
                int r = kh_host_stat(root, *way ? way : "/", &st);

                if (r < 0)
                        return kh_fail(err, r, "'%s': %s", way, kh_strerror(r));
                if (st.st_uid != 0 || (st.st_mode & 022 && !(st.st_mode & S_ISVTX)))
                        return kh_fail(
                                err, -EPERM, "'%s' can be written to by others than root", way);
                if (!*way)
                        return 0;
                *strrchr(way, '/') = '\0';
        }
}

static int check_directory(const struct kh_host *root, const char *path, struct kh_err *err)
{
        char existing[PATH_MAX];
        struct statvfs vfs;
        kh_cleanup(kh_closep) int fd = -EBADF;

        if (kh_host_resolve(root, path, existing, err) < 0)
                return err->code;
        cut_to_existing(root, existing);
        fd = kh_host_openat(root, existing, O_PATH | O_DIRECTORY);
        if (fd < 0 || fstatvfs(fd, &vfs) < 0)
                return kh_fail(err, fd < 0 ? fd : -errno, "'%s': %s", existing,
                        kh_strerror(fd < 0 ? fd : errno));
        if (vfs.f_flag & ST_RDONLY)
                return kh_fail(err, -EROFS, "'%s' is on a read-only file system", existing);
        if (vfs.f_flag & ST_NOEXEC)
                return kh_fail(err, -EACCES, "'%s' is on a file system without exec", existing);
        return check_ways(root, strcmp(existing, "/") == 0 ? "" : existing, err);
}

static bool is_program(const struct kh_record *r, const char *name)
{
        return r->kind == KH_RECORD_PROGRAM && strcmp(strrchr(r->path, '/') + 1, name) == 0;
}

/* Where an earlier install put them. */
static bool recall_directory(struct kh_setup *s)
{
        for (const struct kh_record *r = s->journal.records; r; r = r->next) {
                if (!is_program(r, KH_HOOK_NAME))
                        continue;
                kh_path_directory(s->bin_dir, r->path);
                return true;
        }
        return false;
}

int kh_programs_choose_directory(struct kh_setup *s, struct kh_err *err)
{
        struct kh_err why;

        if (s->options.bin_dir) {
                if (check_directory(&s->root, s->options.bin_dir, &why) < 0)
                        return kh_fail(err, why.code, "--bin-dir: %.150s", why.msg);
                return kh_host_resolve(&s->root, s->options.bin_dir, s->bin_dir, err);
        }
        if (recall_directory(s))
                return 0;
        for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
                if (check_directory(&s->root, directories[i], &why) == 0)
                        return kh_host_resolve(&s->root, directories[i], s->bin_dir, err);
        }
        return kh_fail(
                err, why.code, "no place for the hook: %.120s (name one with --bin-dir)", why.msg);
}

int kh_programs_find_directory(struct kh_setup *s, struct kh_err *err)
{
        const char *path = s->options.bin_dir ? s->options.bin_dir : KH_PROGRAM_DIRECTORY;

        if (!s->options.bin_dir && recall_directory(s))
                return 0;
        return kh_host_resolve(&s->root, path, s->bin_dir, err);
}

/* From this process's own root: a container brings the programs that its host shall have. */
static int read_source(
        const struct kh_setup *s, const char *name, struct kh_text *ret, struct kh_err *err)
{
        struct kh_host own;
        char path[PATH_MAX];
        int r = kh_host_open(&own, NULL, err);

        if (r < 0)
                return r;
        (void)kh_path_join(
                path, s->options.source_dir ? s->options.source_dir : KH_PROGRAM_DIRECTORY, name);
        r = kh_host_read(&own, path, ret, err);
        kh_host_close(&own);
        if (r == 0 && !ret->p)
                r = kh_fail(err, -ENOENT,
                        "there is no '%s': install the package, or name its directory with "
                        "--source-dir",
                        path);
        return r;
}

/* Root's, executable, and of a label that runtimes may execute. */
static int set_attributes(const struct kh_host *root, const char *path, struct kh_err *err)
{
        static const char label[] = "system_u:object_r:bin_t:s0";
        kh_cleanup(kh_closep) int fd = kh_host_openat(root, path, O_RDONLY | O_NOFOLLOW);

        if (fd < 0 || fchown(fd, 0, 0) < 0 || fchmod(fd, 0755) < 0)
                return kh_fail(err, fd < 0 ? fd : -errno, "'%s': %s", path,
                        kh_strerror(fd < 0 ? fd : errno));
        if (kh_host_exists(root, "/sys/fs/selinux/enforce") &&
                fsetxattr(fd, "security.selinux", label, sizeof(label), 0) < 0 &&
                errno != ENOTSUP && errno != EINVAL)
                return kh_fail(err, -errno, "label '%s': %s", path, kh_strerror(errno));
        return 0;
}

/*
 * By executing it: that also finds what no mode tells, such as a policy or another machine's code.
 */
static int try_program(const struct kh_host *root, const char *path, struct kh_err *err)
{
        const char *const argv[] = { path, "--version", NULL };
        int r = kh_command_run(
                root, argv, KH_SPAN(""), kh_boottime_ns() + KH_COMMAND_NS, NULL, NULL, err);

        if (r <= 0)
                return r;
        return kh_fail(err, -ENOEXEC, "'%s' cannot be executed there (exit status %d)", path, r);
}

int kh_programs_check(struct kh_setup *s, const char *name, struct kh_err *err)
{
        char path[PATH_MAX];
        struct stat st;
        int r;

        if (!*s->bin_dir || !kh_path_join(path, s->bin_dir, name))
                return kh_fail(err, -ENOENT, "there is no '%s'", name);
        r = kh_host_stat(&s->root, path, &st);
        if (r < 0)
                return kh_fail(err, r, "'%s': %s", path, kh_strerror(r));
        if (!S_ISREG(st.st_mode) || (st.st_mode & 07777) != 0755 || st.st_uid != 0)
                return kh_fail(err, -EPERM, "'%s' is not root's, or its mode is not 0755", path);
        r = check_directory(&s->root, s->bin_dir, err);
        return r < 0 ? r : try_program(&s->root, path, err);
}

int kh_programs_place(struct kh_setup *s, const char *name, unsigned owners, struct kh_err *err)
{
        const struct kh_identity root = { 0 };
        struct kh_text wanted = { 0 }, present = { 0 };
        struct kh_record *record;
        char path[PATH_MAX];
        bool changed = false;
        int r;

        if (!kh_path_join(path, s->bin_dir, name))
                return kh_fail(err, -ENAMETOOLONG, "the path of '%s' is too long", name);
        r = kh_journal_make_directory(&s->journal, owners, root, s->bin_dir, err);
        record = r == 0 ? kh_journal_get(&s->journal, KH_RECORD_PROGRAM, path) : NULL;
        if (r == 0 && !record)
                r = kh_fail(err, -ENOMEM, "out of memory");
        if (r == 0 && (record->owners & owners) != owners) {
                record->owners |= owners;
                record->awaits &= ~owners;
                r = kh_journal_write(&s->journal, record, err);
        }
        if (r == 0)
                r = read_source(s, name, &wanted, err);
        if (r == 0)
                r = kh_host_read(&s->root, path, &present, err);
        kh_file_tidy(&s->root, path);
        changed = !kh_text_eq(&wanted, &present);
        if (r == 0 && changed)
                r = kh_file_set(&s->root, path, kh_text_view(&wanted), 0755, NULL, err);
        if (r == 0)
                r = set_attributes(&s->root, path, err);
        if (r == 0)
                r = try_program(&s->root, path, err);
        kh_text_done(&wanted);
        kh_text_done(&present);
        return r < 0 ? r : changed;
}

/* Whether a file that PATTERN (in the root) names holds TEXT. */
static bool is_in_files(const struct kh_host *root, const char *pattern, struct kh_span text)
{
        char full[2 * PATH_MAX];
        glob_t found;
        bool is_in = false;

        (void)snprintf(full, sizeof(full), "%s%s", root->prefix, pattern);
        if (glob(full, GLOB_NOSORT, NULL, &found) != 0)
                return false;
        for (size_t i = 0; i < found.gl_pathc && !is_in; i++) {
                struct kh_text content = { 0 };

                if (kh_host_read(root, found.gl_pathv[i] + strlen(root->prefix), &content, NULL) ==
                                0 &&
                        content.p)
                        is_in = memmem(content.p, content.n, text.p, text.n) != NULL;
                kh_text_done(&content);
        }
        globfree(&found);
        return is_in;
}

/*
 * Where runtimes keep what a container was created with. They run its hooks from there for as long
 * as it lives, whatever their configuration says by then.
 */
static const char *const container_files[] = {
        "/run/runc/*/state.json",
        "/run/crun/*/config.json",
        "/run/containerd/runc/*/*/state.json",
        "/run/containerd/io.containerd.runtime.v2.task/*/*/config.json",
        "/run/docker/runtime-*/*/*/state.json",
        "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/*/*/config.json",
        "/run/k3s/containerd/io.containerd.runtime.v2.task/*/*/config.json",
        "/run/k0s/containerd/io.containerd.runtime.v2.task/*/*/config.json",
        "/var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task/*/*/config.json",
};

static bool is_hook_named(const struct kh_setup *s)
{
        for (size_t i = 0; i < sizeof(container_files) / sizeof(container_files[0]); i++) {
                if (is_in_files(&s->root, container_files[i], KH_SPAN("/" KH_HOOK_NAME "\"")))
                        return true;
        }
        return false;
}

/* A configuration that could not be undone, or had to be left in part, names the programs still. */
static bool is_configured(const struct kh_setup *s, bool is_wrapper)
{
        for (const struct kh_record *r = s->journal.records; r; r = r->next) {
                bool is_dockers = r->format == KH_FORMAT_DOCKER || r->format == KH_FORMAT_WRAPPER;

                if (r->kind == KH_RECORD_FILE && (is_wrapper ? is_dockers : r->owners != 0))
                        return true;
        }
        return false;
}

static const struct kh_record *find_wrapper(const struct kh_setup *s)
{
        for (const struct kh_record *r = s->journal.records; r; r = r->next) {
                if (is_program(r, KH_WRAPPER_NAME))
                        return r;
        }
        return NULL;
}

bool kh_programs_hold(const struct kh_setup *s, enum kh_format format)
{
        const struct kh_record *wrapper = find_wrapper(s);

        if (format != KH_FORMAT_DOCKER && format != KH_FORMAT_WRAPPER)
                return false;
        if (kh_docker_has_containers(s))
                return true;
        if (format != KH_FORMAT_WRAPPER || !wrapper)
                return false;
        for (unsigned i = 0; wrapper->owners && i < s->n_instances; i++) {
                if (s->instances[i].owner == KH_OWNER_DOCKER && s->instances[i].pid)
                        return true;
        }
        return kh_awaited(s, wrapper) != 0;
}

/* What needs the program of RECORD still, as -EBUSY; 0: nothing does. */
static int check_unneeded(
        const struct kh_setup *s, const struct kh_record *record, struct kh_err *err)
{
        bool is_wrapper = is_program(record, KH_WRAPPER_NAME);
        unsigned awaited = kh_awaited(s, record);

        if (is_wrapper && kh_docker_has_containers(s))
                return kh_fail(
                        err, -EBUSY, "containers of Docker's are started by it; remove them first");
        if (awaited)
                return kh_fail(err, -EBUSY,
                        "%s may call it, until 'uninstall --restart' or a restart of it",
                        kh_owner_name[__builtin_ctz(awaited)]);
        if (is_configured(s, is_wrapper))
                return kh_fail(err, -EBUSY, "a configuration names it");
        if (!is_wrapper && is_hook_named(s))
                return kh_fail(err, -EBUSY, "containers name it that were created with it");
        return 0;
}

int kh_programs_remove(struct kh_setup *s, struct kh_record *record, struct kh_err *err)
{
        char asked[PATH_MAX + sizeof(KH_ASKED_SUFFIX)];
        struct kh_err why;
        int r;

        if (check_unneeded(s, record, &why) < 0) {
                kh_text_printf(&s->kept, "%s stays: %s\n", record->path, why.msg);
                return 0;
        }
        kh_file_tidy(&s->root, record->path);
        r = kh_file_set(&s->root, record->path, (struct kh_span){ 0 }, 0, NULL, err);
        (void)snprintf(asked, sizeof(asked), "%s" KH_ASKED_SUFFIX, record->path);
        if (r == 0)
                r = kh_file_set(&s->root, asked, (struct kh_span){ 0 }, 0, NULL, err);
        return r < 0 ? r : kh_journal_forget(&s->journal, record, err);
}
