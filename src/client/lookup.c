/* SPDX-License-Identifier: Apache-2.0 */
/* Whose is this: by the listener's indexes, and from any process to one of them. */
#include "client/client.h"

#include "base/cleanup.h"
#include "base/utf8.h"
#include "proc/proc.h"
#include "json/writer.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

int kubearmor_hook_lookup_id(struct kubearmor_hook *hook, const char *id)
{
        struct kh_span value = kh_span_of(id);
        struct kh_buf b;

        if (value.n == 0 || !kh_utf8_is_text(value))
                return kh_fail(&hook->err, -EINVAL, "no container's id");
        kh_ask_begin(hook, &b, KH_SPAN("lookup"));
        kh_json_put_str_member(&b, KH_SPAN("id"), value);
        return kh_ask(hook, &b, KH_ASK_LOOKUP);
}

static int lookup_number(struct kubearmor_hook *hook, struct kh_span key, uint64_t value)
{
        struct kh_buf b;

        if (value == 0)
                return kh_fail(&hook->err, -EINVAL, "0 is no container's %.*s", (int)key.n, key.p);
        kh_ask_begin(hook, &b, KH_SPAN("lookup"));
        kh_json_put_u64_member(&b, key, value);
        return kh_ask(hook, &b, KH_ASK_LOOKUP);
}

int kubearmor_hook_lookup_init(struct kubearmor_hook *hook, pid_t pid)
{
        return lookup_number(hook, KH_SPAN("pid"), pid > 0 ? (uint64_t)pid : 0);
}

int kubearmor_hook_lookup_cgroup(struct kubearmor_hook *hook, uint64_t id)
{
        return lookup_number(hook, KH_SPAN("cgroupId"), id);
}

int kubearmor_hook_lookup_namespace(
        struct kubearmor_hook *hook, enum kubearmor_hook_namespace_type type, uint64_t inode)
{
        struct kh_buf b;

        if ((unsigned)type >= KH_NS_COUNT || inode == 0)
                return kh_fail(&hook->err, -EINVAL, "no namespace's type and inode number");
        kh_ask_begin(hook, &b, KH_SPAN("lookup"));
        kh_json_put_key(&b, KH_SPAN("namespace"));
        kh_json_open(&b, '{');
        kh_json_put_str_member(&b, KH_SPAN("type"), kh_ns_name[type]);
        kh_json_put_u64_member(&b, KH_SPAN("inode"), inode);
        kh_json_close(&b, '}');
        return kh_ask(hook, &b, KH_ASK_LOOKUP);
}

/* Of a process: what can be looked up. */
struct traces {
        char buf[KH_CGROUP_FILE_MAX];
        struct kh_cgroup cgroup;
        uint64_t mnt, pid;
};

static int read_traces(struct kubearmor_hook *hook, pid_t pid, struct traces *t)
{
        kh_cleanup(kh_closep) int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        kh_cleanup(kh_closep) int process = proc < 0 ? -errno : kh_proc_open(proc, pid);
        int rc;

        if (process == -ENOENT)
                process = -ESRCH;
        if (process < 0)
                return kh_fail(&hook->err, process, "process %d: %s", pid, kh_strerror(process));
        rc = kh_proc_cgroup(process, "/sys/fs/cgroup", t->buf, &t->cgroup);
        if (rc < 0)
                return kh_fail(&hook->err, rc, "cgroup of process %d: %s", pid, kh_strerror(rc));
        /* The namespaces of another user's process are hidden; its cgroup may still be enough. */
        rc = kh_proc_namespace(process, KH_NS_MNT, &t->mnt);
        if (rc == 0)
                rc = kh_proc_namespace(process, KH_NS_PID, &t->pid);
        if (rc < 0 && t->cgroup.id == 0)
                return kh_fail(
                        &hook->err, rc, "namespaces of process %d: %s", pid, kh_strerror(rc));
        return 0;
}

/*
 * Inode number of the cgroup PATH (terminated) in the hierarchy below ROOT; 0 when there is none.
 */
static uint64_t cgroup_id_below(const char *root, const char *path)
{
        char full[PATH_MAX];
        struct kh_buf b = kh_buf_of(full, sizeof(full));
        struct stat st;

        kh_buf_span(&b, kh_span_of(root));
        kh_buf_span(&b, kh_span_of(path));
        return kh_buf_terminate(&b) && stat(full, &st) == 0 ? st.st_ino : 0;
}

/* Its cgroup first, then those above it but the root: a container may make cgroups of its own. */
static int by_cgroup(struct kubearmor_hook *hook, const struct kh_cgroup *leaf)
{
        const char *root = "/sys/fs/cgroup";
        char path[PATH_MAX];
        struct kh_buf b = kh_buf_of(path, sizeof(path));
        uint64_t id = leaf->id;

        kh_buf_span(&b, leaf->path);
        if (!kh_buf_terminate(&b))
                return -ESRCH;
        if (cgroup_id_below(root, path) != id)
                root = "/sys/fs/cgroup/unified";
        while (id) {
                int rc = kubearmor_hook_lookup_cgroup(hook, id);

                if (rc == 0)
                        rc = kh_look_ahead(hook);
                if (rc != -ESRCH)
                        return rc;
                *strrchr(path, '/') = '\0';
                id = path[0] ? cgroup_id_below(root, path) : 0;
        }
        return -ESRCH;
}

static int by_namespace(
        struct kubearmor_hook *hook, enum kubearmor_hook_namespace_type type, uint64_t inode)
{
        int rc = inode ? kubearmor_hook_lookup_namespace(hook, type, inode) : -ESRCH;

        if (rc == 0)
                rc = kh_look_ahead(hook);
        /* Half of the host runs in the host's, so a container that does too owns nothing by it. */
        if (rc > 0 && hook->room.container.host_namespaces & 1U << type) {
                kh_hang_up(hook);
                return -ESRCH;
        }
        return rc;
}

int kubearmor_hook_lookup_process(
        struct kubearmor_hook *hook, pid_t pid, enum kubearmor_hook_match *ret_match)
{
        enum kubearmor_hook_match match = KUBEARMOR_HOOK_BY_CGROUP;
        struct traces t = { 0 };
        int rc = read_traces(hook, pid, &t);

        if (rc < 0)
                return rc;
        rc = t.cgroup.id ? by_cgroup(hook, &t.cgroup) : -ESRCH;
        if (rc == -ESRCH) {
                match = KUBEARMOR_HOOK_BY_MNT;
                rc = by_namespace(hook, KUBEARMOR_HOOK_NS_MNT, t.mnt);
        }
        if (rc == -ESRCH) {
                match = KUBEARMOR_HOOK_BY_PID;
                rc = by_namespace(hook, KUBEARMOR_HOOK_NS_PID, t.pid);
        }
        if (rc == -ESRCH)
                return kh_fail(&hook->err, rc, "process %d is in no container", pid);
        if (rc < 0)
                return rc;
        if (ret_match)
                *ret_match = match;
        return 0;
}
