/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/listen.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

enum { BACKLOG = 4096 }; /* hooks that may wait while we restart; the kernel caps it at somaxconn */

/* PATH with a suffix, beside it in its directory. */
static bool beside(char buf[PATH_MAX], const char *path, const char *suffix)
{
        struct kh_buf b = kh_buf_of(buf, PATH_MAX);

        kh_buf_span(&b, kh_span_of(path));
        kh_buf_span(&b, kh_span_of(suffix));
        return kh_buf_terminate(&b);
}

static int make_directory(const char *path, mode_t mode, struct kh_err *err)
{
        char name[PATH_MAX];
        const char *slash = strrchr(path, '/');
        struct kh_buf b = kh_buf_of(name, sizeof(name));

        if (!slash || slash == path)
                return 0;
        kh_buf_put(&b, path, (size_t)(slash - path));
        if (!kh_buf_terminate(&b))
                return kh_fail(err, -ENAMETOOLONG, "socket path '%s' is too long", path);
        /* chmod: whatever the umask says */
        if ((mkdir(name, mode) == 0 && chmod(name, mode) == 0) || errno == EEXIST)
                return 0;
        return kh_fail(err, -errno,
                "create directory '%s' for the socket: %s; create it, or choose "
                "another socket path",
                name, kh_strerror(errno));
}

static int lock(const char *path, struct kh_err *err)
{
        kh_cleanup(kh_closep) int fd = -EBADF;
        char name[PATH_MAX];

        if (!beside(name, path, ".lock"))
                return kh_fail(err, -ENAMETOOLONG, "socket path '%s' is too long", path);
        fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return kh_fail(err, -errno, "open lock '%s': %s%s", name, kh_strerror(errno),
                        errno == EACCES ? "; run as root, or choose another socket path" : "");
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                return kh_take_fd(&fd);
        return kh_fail(err, -EADDRINUSE,
                "another listener is running on '%s' (it holds '%s'); stop it, or choose another "
                "socket path",
                path, name);
}

/* Somebody may listen there who knows nothing of our lock: KubeArmor itself. */
static bool somebody_listens(const struct sockaddr_un *address)
{
        kh_cleanup(kh_closep) int fd =
                socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        return connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
               errno == EAGAIN;
}

static bool set_address(struct sockaddr_un *address, const char *path)
{
        struct kh_buf b = kh_buf_of(address->sun_path, sizeof(address->sun_path));

        *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        kh_buf_span(&b, kh_span_of(path));
        return kh_buf_terminate(&b);
}

/* Bound under another name and renamed: who connects finds the old one or this one, never none. */
static int bind_at(struct kh_listen *l, const char *path, mode_t mode, struct kh_err *err)
{
        struct sockaddr_un address, temporary;
        char name[PATH_MAX];
        struct stat st;

        if (!set_address(&address, path) || !beside(name, path, ".new") ||
                !set_address(&temporary, name))
                return kh_fail(err, -ENAMETOOLONG,
                        "socket path '%s' is too long; at most 103 bytes fit", path);
        if (somebody_listens(&address))
                return kh_fail(err, -EADDRINUSE,
                        "somebody else listens on '%s' (KubeArmor?); stop it, or choose another "
                        "socket path",
                        path);
        l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)unlink(name);
        if (l->fd < 0 || bind(l->fd, (const struct sockaddr *)&temporary, sizeof(temporary)) < 0 ||
                chmod(name, mode) < 0 || listen(l->fd, BACKLOG) < 0 || stat(name, &st) < 0 ||
                rename(name, path) < 0) {
                int r = -errno;

                (void)unlink(name);
                return kh_fail(err, r, "listen on '%s': %s", path, kh_strerror(r));
        }
        l->device = st.st_dev;
        l->inode = st.st_ino;
        memcpy(l->path, address.sun_path, sizeof(l->path));
        return 0;
}

int kh_listen_open(struct kh_listen *l, const char *path, mode_t directory_mode, mode_t mode,
        struct kh_err *err)
{
        int r;

        *l = KH_NO_LISTENER;
        r = make_directory(path, directory_mode, err);
        if (r < 0)
                return r;
        l->lock = lock(path, err);
        if (l->lock < 0)
                return l->lock;
        r = bind_at(l, path, mode, err);
        if (r < 0)
                kh_listen_close(l);
        return r;
}

void kh_listen_refuse_descriptors(const struct kh_listen *l)
{
        const int no = 0;

        (void)setsockopt(l->fd, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));
}

void kh_listen_take(struct kh_listen *l, int fd)
{
        *l = KH_NO_LISTENER;
        l->fd = fd;
}

bool kh_listen_is_at(const struct kh_listen *l, const char *path)
{
        struct sockaddr_un own = { .sun_family = AF_UNIX };
        socklen_t size = sizeof(own) - 1; /* a path of full length is not terminated */
        struct stat a, b;

        /* Bound under a name that it was renamed from, unless it was handed to us. */
        if (!l->path[0] && getsockname(l->fd, (struct sockaddr *)&own, &size) < 0)
                return false;
        return stat(l->path[0] ? l->path : own.sun_path, &a) == 0 && stat(path, &b) == 0 &&
               a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

void kh_listen_close(struct kh_listen *l)
{
        struct stat st;

        if (l->path[0] && lstat(l->path, &st) == 0 && st.st_dev == l->device &&
                st.st_ino == l->inode)
                (void)unlink(l->path);
        l->path[0] = '\0';
        kh_closep(&l->fd);
        kh_closep(&l->lock);
}
