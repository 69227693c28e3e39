/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sources/peer.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "hookd/sources/pidfds.h"
#include "proc/proc.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

enum { STATUS_MAX = 4096 };

static uint64_t inode_of(int proc, const char *name)
{
        struct stat st;

        return fstatat(proc, name, &st, 0) == 0 ? st.st_ino : 0;
}

int kh_peers_init(struct kh_peers *p, struct kh_err *err)
{
        *p = (struct kh_peers){ .proc = -EBADF, .last_pidfd = -EBADF };
        p->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (p->proc < 0)
                return kh_fail(err, -errno, "open '/proc': %s", kh_strerror(errno));
        p->mnt = inode_of(p->proc, "self/ns/mnt");
        p->pid_ns = inode_of(p->proc, "self/ns/pid");
        p->user_ns = inode_of(p->proc, "self/ns/user");
        p->init_mnt = inode_of(p->proc, "1/ns/mnt"); /* 0 where we are not allowed to see it */
        return 0;
}

void kh_peers_done(struct kh_peers *p)
{
        kh_closep(&p->proc);
        kh_closep(&p->last_pidfd);
}

/* What the peer is in, by the kernel's word. */
struct place {
        uint64_t mnt, pid_ns, user_ns;
        bool sys_admin;
};

static int peer_pidfd(int fd, pid_t pid)
{
        int pidfd;
        socklen_t size = sizeof(pidfd);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
                return pidfd;
        /* Of an older kernel; what had the pid at its connect may be gone already. */
        return errno == ENOPROTOOPT ? kh_pidfd_open(pid) : -errno;
}

static bool is_hosts_mnt(const struct kh_peers *p, uint64_t mnt)
{
        return mnt && (mnt == p->mnt || mnt == p->init_mnt);
}

/*
 * One pidfd is kept, since most that send several requests do so on connection after connection.
 */
static void remember(struct kh_peers *p, pid_t pid, int *pidfd)
{
        kh_closep(&p->last_pidfd);
        p->last_pidfd = kh_take_fd(pidfd);
        p->last_pid = pid;
}

static bool is_last(const struct kh_peers *p, pid_t pid)
{
        return pid == p->last_pid && p->last_pidfd >= 0 && !kh_pidfd_is_dead(p->last_pidfd);
}

struct kh_peer kh_peers_look_at(struct kh_peers *p, int fd)
{
        kh_cleanup(kh_closep) int pidfd = -EBADF;
        struct ucred cred;
        socklen_t size = sizeof(cred);
        struct kh_peer peer;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
                return (struct kh_peer){ .uid = (uid_t)-1 };
        peer = (struct kh_peer){ .pid = cred.pid, .uid = cred.uid };
        if (peer.uid != 0 || peer.pid == 0)
                return peer;
        peer.is_host = is_last(p, peer.pid);
        if (peer.is_host)
                return peer;
        pidfd = peer_pidfd(fd, peer.pid);
        /* In half the time that the way through procfs takes. */
        peer.is_host = pidfd >= 0 && is_hosts_mnt(p, kh_pidfd_namespace(pidfd, KH_NS_MNT));
        if (peer.is_host)
                remember(p, peer.pid, &pidfd);
        return peer;
}

static bool has_sys_admin(int process)
{
        char text[STATUS_MAX];
        ssize_t n = kh_read_kernel_file(process, "status", text, sizeof(text) - 1);
        const char *at = n > 0 ? memmem(text, (size_t)n, "\nCapEff:\t", 9) : NULL;

        if (!at)
                return false;
        text[n] = '\0';
        return strtoull(at + 9, NULL, 16) >> CAP_SYS_ADMIN & 1;
}

/*
 * Where the process behind PIDFD is. Its directory below /proc is opened before the pidfd is asked
 * whether it lives: if it does, the pid was not used again in between.
 */
static bool find_place(const struct kh_peers *p, int pidfd, pid_t pid, struct place *ret)
{
        kh_cleanup(kh_closep) int process = kh_proc_open(p->proc, pid);

        if (process < 0 || kh_proc_namespace(process, KH_NS_MNT, &ret->mnt) < 0 ||
                kh_proc_namespace(process, KH_NS_PID, &ret->pid_ns) < 0 ||
                kh_proc_namespace(process, KH_NS_USER, &ret->user_ns) < 0)
                return false;
        ret->sys_admin = has_sys_admin(process);
        return !kh_pidfd_is_dead(pidfd);
}

/* Root whose mount namespace alone is another one could enter the host's: a runtime, a manager. */
static bool is_host(
        const struct kh_peers *p, const struct place *place, const struct kh_inventory *inv)
{
        return is_hosts_mnt(p, place->mnt) ||
               (place->pid_ns == p->pid_ns && place->user_ns == p->user_ns && place->sys_admin &&
                       !kh_inventory_find(inv, KH_KEY_MNT, place->mnt, NULL));
}

/*
 * Numbers that others could hold are the kernel's to say, of the process that was looked at: its
 * start time says later on that the pid is still its own.
 */
static bool drop_claims(struct kh_container *c, int process)
{
        struct kh_proc_stat stat;

        if (kh_proc_stat(process, &stat) < 0)
                return false;
        c->start_time = stat.start_time;
        c->cgroup_path = (struct kh_span){ 0 };
        c->cgroup_id = 0;
        memset(c->ns, 0, sizeof(c->ns));
        return true;
}

/*
 * A hook within its container's namespaces: it may tell of that container, as long as nobody has.
 */
static enum kh_permission permit_own(struct kh_peers *p, const struct place *place,
        struct kh_request *request, const struct kh_inventory *inv)
{
        struct kh_container *c = &request->container;
        kh_cleanup(kh_closep) int init = -EBADF;
        const struct kh_entry *known = NULL;
        uint64_t mnt = 0;

        if (request->operation != KH_OP_CREATE || c->ns[KH_NS_MNT] != place->mnt ||
                (place->user_ns != p->user_ns && c->ns[KH_NS_USER] != place->user_ns))
                return KH_DENIED;
        known = kh_inventory_find(inv, KH_KEY_MNT, place->mnt, NULL);
        if (known)
                return kh_span_eq(kh_entry_piece(known, known->id), c->id) ? KH_PERMITTED_KNOWN
                                                                           : KH_DENIED;
        if (kh_inventory_find_id(inv, c->id, NULL))
                return KH_DENIED;
        init = kh_proc_open(p->proc, (pid_t)c->pid);
        if (init < 0 || kh_proc_namespace(init, KH_NS_MNT, &mnt) < 0 || mnt != place->mnt ||
                !drop_claims(c, init))
                return KH_DENIED;
        c->ns_host &= (uint8_t) ~(1 << KH_NS_MNT);
        c->ns_joined &= (uint8_t) ~(1 << KH_NS_MNT);
        c->ns[KH_NS_MNT] = place->mnt;
        return KH_PERMITTED;
}

/* A user who may tell: of containers in a user namespace that he has made. */
static enum kh_permission permit_user(const struct kh_peers *p, uid_t uid,
        struct kh_request *request, const struct kh_inventory *inv)
{
        struct kh_container *c = &request->container;
        kh_cleanup(kh_closep) int init = -EBADF;
        uid_t owner;

        if (request->operation == KH_OP_DELETE)
                return kh_inventory_is_his(inv, c->id, uid) ? KH_PERMITTED : KH_DENIED;
        init = kh_proc_open(p->proc, (pid_t)c->pid);
        if (init < 0 || kh_proc_user_ns_owner(init, &owner) < 0 || owner != uid ||
                !drop_claims(c, init) || !kh_inventory_may_tell(inv, c, uid))
                return KH_DENIED;
        c->ns_host &= (uint8_t) ~(1 << KH_NS_USER); /* his runtime's is not the host's */
        return KH_PERMITTED;
}

static bool is_allowed(const struct kh_peers *p, uid_t uid)
{
        for (size_t i = 0; i < p->allowed_n; i++) {
                if (p->allowed[i] == uid)
                        return true;
        }
        return false;
}

/*
 * A peer of another pid namespace. Often nobody may look at it, and then the directory's mode has
 * decided; where we may, it is no host's if it is in the mount namespace of a known container.
 */
static enum kh_permission permit_foreign(int fd, const struct kh_peer *peer,
        const struct kh_request *request, const struct kh_inventory *inv)
{
        kh_cleanup(kh_closep) int pidfd = peer_pidfd(fd, peer->pid);
        uint64_t mnt = pidfd >= 0 ? kh_pidfd_namespace(pidfd, KH_NS_MNT) : 0;
        const struct kh_entry *known = mnt ? kh_inventory_find(inv, KH_KEY_MNT, mnt, NULL) : NULL;

        if (peer->uid != 0)
                return KH_DENIED;
        if (!known)
                return KH_PERMITTED;
        return request->operation == KH_OP_CREATE &&
                               kh_span_eq(kh_entry_piece(known, known->id), request->container.id)
                       ? KH_PERMITTED_KNOWN
                       : KH_DENIED;
}

enum kh_permission kh_peers_permit(struct kh_peers *p, int fd, struct kh_peer *peer,
        struct kh_request *request, const struct kh_inventory *inv)
{
        kh_cleanup(kh_closep) int pidfd = -EBADF;
        struct place place = { 0 };

        if (peer->is_host)
                return KH_PERMITTED;
        if (peer->pid == 0)
                return permit_foreign(fd, peer, request, inv);
        pidfd = peer_pidfd(fd, peer->pid);
        if (pidfd < 0 || !find_place(p, pidfd, peer->pid, &place))
                return KH_DENIED;
        if (peer->uid == 0 && is_host(p, &place, inv)) {
                peer->is_host = true;
                remember(p, peer->pid, &pidfd);
                return KH_PERMITTED;
        }
        if (is_allowed(p, peer->uid) && permit_user(p, peer->uid, request, inv) == KH_PERMITTED)
                return KH_PERMITTED;
        if (peer->uid == 0 || place.user_ns != p->user_ns)
                return permit_own(p, &place, request, inv);
        return KH_DENIED;
}
