/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/host.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/root.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>

/* No runtime's configuration comes near. */
enum { FILE_MAX = 4 * 1024 * 1024 };

int kh_host_open(struct kh_host *ret, const char *dir, struct kh_err *err)
{
        char link[64];
        ssize_t n;

        *ret = (struct kh_host){ .fd = open(dir ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC) };
        if (ret->fd < 0)
                return kh_fail(err, -errno, "open '%s': %s", dir, kh_strerror(errno));
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", ret->fd);
        n = readlink(link, ret->prefix, sizeof(ret->prefix) - 1);
        if (n < 0 || (size_t)n == sizeof(ret->prefix) - 1) {
                kh_host_close(ret);
                return kh_fail(err, -EIO, "cannot tell the path of '%s': is /proc mounted?", dir);
        }
        ret->prefix[n == 1 ? 0 : n] = '\0';
        ret->is_own = n == 1;
        return 0;
}

void kh_host_close(struct kh_host *root)
{
        kh_closep(&root->fd);
}

int kh_host_openat(const struct kh_host *root, const char *path, int flags)
{
        if (*path != '/')
                return -EINVAL;
        return kh_root_open(
                root->is_own ? KH_OWN_ROOT : (struct kh_root){ .dir = root->fd }, path, flags);
}

/* Where a descriptor of something in the root lies in it. */
static int path_of(const struct kh_host *root, int fd, char *ret)
{
        char link[64], path[PATH_MAX];
        size_t prefix = strlen(root->prefix);
        ssize_t n;

        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);
        if (n < 0)
                return -errno;
        path[n] = '\0';
        if ((size_t)n < prefix || memcmp(path, root->prefix, prefix) != 0)
                return -EXDEV;
        (void)snprintf(ret, PATH_MAX, "%s", path[prefix] ? path + prefix : "/");
        return 0;
}

/* A link to nothing would be replaced by a file, and nobody could say what it was. */
static bool is_dangling(const struct kh_host *root, const char *path)
{
        kh_cleanup(kh_closep) int fd = kh_host_openat(root, path, O_PATH | O_NOFOLLOW);

        return fd >= 0;
}

int kh_host_resolve(const struct kh_host *root, const char *path, char *ret, struct kh_err *err)
{
        char known[PATH_MAX]; /* the longest part of PATH that exists */
        size_t length = strlen(path), n;
        int r;

        if (*path != '/' || length >= sizeof(known))
                return kh_fail(err, -EINVAL, "'%.80s' is no absolute path, or too long", path);
        memcpy(known, path, length + 1);
        for (;;) {
                kh_cleanup(kh_closep) int fd = kh_host_openat(root, *known ? known : "/", O_PATH);

                r = fd < 0 ? fd : path_of(root, fd, ret);
                if (r != -ENOENT || !*known)
                        break;
                if (is_dangling(root, known)) {
                        r = -ELOOP;
                        break;
                }
                *strrchr(known, '/') = '\0';
        }
        if (r < 0)
                return kh_fail(err, r, "'%s%s': %s", root->prefix, path,
                        r == -ELOOP ? "a link that leads nowhere" : kh_strerror(r));
        n = strcmp(ret, "/") == 0 ? 0 : strlen(ret);
        if (n + length - strlen(known) >= PATH_MAX)
                return kh_fail(err, -ENAMETOOLONG, "the path '%s' is too long", path);
        if (path[strlen(known)])
                memcpy(ret + n, path + strlen(known), length - strlen(known) + 1);
        return 0;
}

int kh_host_open_parent(const struct kh_host *root, const char *path, const char **ret_name)
{
        char directory[PATH_MAX];
        const char *slash = strrchr(path, '/');

        if (!slash || !slash[1] || (size_t)(slash - path) >= sizeof(directory))
                return -EINVAL;
        (void)snprintf(directory, sizeof(directory), "%.*s/", (int)(slash - path), path);
        *ret_name = slash + 1;
        return kh_host_openat(root, directory, O_RDONLY | O_DIRECTORY);
}

bool kh_host_exists(const struct kh_host *root, const char *path)
{
        struct stat st;

        return kh_host_stat(root, path, &st) == 0;
}

bool kh_host_is_writable(const struct kh_host *root, const char *path)
{
        char existing[PATH_MAX] = "";
        struct statvfs vfs;
        kh_cleanup(kh_closep) int fd = -EBADF;

        if (kh_host_resolve(root, path, existing, NULL) < 0)
                return false;
        do {
                fd = kh_host_openat(root, *existing ? existing : "/", O_PATH);
                if (fd == -ENOENT)
                        *strrchr(existing, '/') = '\0';
        } while (fd == -ENOENT);
        return fd >= 0 && fstatvfs(fd, &vfs) == 0 && !(vfs.f_flag & ST_RDONLY);
}

int kh_host_stat(const struct kh_host *root, const char *path, struct stat *ret)
{
        kh_cleanup(kh_closep) int fd = kh_host_openat(root, path, O_PATH);

        if (fd < 0)
                return fd;
        return fstat(fd, ret) < 0 ? -errno : 0;
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static void close_dirp(DIR **dir)
{
        if (*dir)
                closedir(*dir);
}

int kh_host_list(
        const struct kh_host *root, const char *path, struct kh_names *ret, struct kh_err *err)
{
        int fd = kh_host_openat(root, path, O_RDONLY | O_DIRECTORY);
        kh_cleanup(close_dirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;

        ret->n = 0;
        if (fd == -ENOENT)
                return 0;
        if (!dir) {
                int code = fd < 0 ? fd : -errno;

                kh_close(fd);
                return kh_fail(err, code, "open directory '%s': %s", path, kh_strerror(code));
        }
        while ((entry = readdir(dir))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (ret->n == KH_NAMES_MAX || !(ret->v[ret->n] = strdup(entry->d_name))) {
                        kh_names_done(ret);
                        return kh_fail(err, -E2BIG, "'%s' holds too many files", path);
                }
                ret->n++;
        }
        qsort(ret->v, ret->n, sizeof(ret->v[0]), compare_names);
        return 0;
}

void kh_names_done(struct kh_names *names)
{
        for (unsigned i = 0; i < names->n; i++)
                free(names->v[i]);
        names->n = 0;
}

int kh_host_read(
        const struct kh_host *root, const char *path, struct kh_text *ret, struct kh_err *err)
{
        kh_cleanup(kh_closep) int fd = kh_host_openat(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        struct stat st;
        ssize_t got = 1;

        *ret = (struct kh_text){ 0 };
        if (fd == -ENOENT)
                return 0;
        if (fd < 0 || fstat(fd, &st) < 0)
                return kh_fail(err, fd < 0 ? fd : -errno, "open '%s': %s", path,
                        kh_strerror(fd < 0 ? fd : errno));
        if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
                return kh_fail(
                        err, -EFBIG, "'%s' is no regular file of at most %d bytes", path, FILE_MAX);
        kh_text_put(ret, "", 0);
        while (got > 0 && ret->n <= FILE_MAX) {
                char *room = kh_text_reserve(ret, 64 * 1024);

                got = room ? read(fd, room, 64 * 1024) : -ENOMEM;
                if (got > 0)
                        ret->n += (size_t)got;
        }
        if (got == 0) {
                kh_text_put(ret, "", 0);
                return 0;
        }
        kh_text_done(ret);
        return kh_fail(err, -EIO, "read '%s': %s", path, kh_strerror(errno));
}

void kh_path_directory(char *ret, const char *path)
{
        (void)snprintf(ret, PATH_MAX, "%.*s", (int)(strrchr(path, '/') - path), path);
}

bool kh_path_join(char *ret, const char *directory, const char *name)
{
        return snprintf(ret, PATH_MAX, "%s/%s", directory, name) < PATH_MAX;
}
