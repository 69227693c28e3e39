/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/file.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/xattr.h>

/* Longer labels than any policy's. */
enum { LABEL_MAX = 512 };

static bool temporary_name(char *ret, const char *name)
{
        return snprintf(ret, NAME_MAX + 1, ".%s" KH_TEMPORARY_SUFFIX, name) <= NAME_MAX;
}

/* Mode, owner and label of the file at NAME, if there is one. */
static int copy_attributes(int dir, const char *name, int to, mode_t mode)
{
        kh_cleanup(kh_closep) int from =
                openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
        char label[LABEL_MAX];
        struct stat st;
        ssize_t n;

        if (from < 0)
                return errno == ENOENT && fchmod(to, mode) == 0 ? 0 : -errno;
        if (fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 ||
                fchmod(to, st.st_mode & 07777) < 0)
                return -errno;
        n = fgetxattr(from, "security.selinux", label, sizeof(label));
        if (n > 0 && fsetxattr(to, "security.selinux", label, (size_t)n, 0) < 0 && errno != ENOTSUP)
                return -errno;
        return 0;
}

static int write_temporary(
        int dir, const char *temporary, const char *name, struct kh_span text, mode_t mode)
{
        kh_cleanup(kh_closep) int fd =
                openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        int r;

        if (fd < 0)
                return -errno;
        r = kh_write_all(fd, text.p, text.n);
        if (r == 0)
                r = copy_attributes(dir, name, fd, mode);
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        return r;
}

static int check_expected(const struct kh_host *root, const char *path,
        const struct kh_text *expected, struct kh_err *err)
{
        struct kh_text now;
        bool same;
        int r = kh_host_read(root, path, &now, err);

        if (r < 0)
                return r;
        same = kh_text_eq(&now, expected);
        kh_text_done(&now);
        return same ? 0
                    : kh_fail(err, -ESTALE, "'%s' was changed by somebody else just now: try again",
                              path);
}

static int replace(const struct kh_host *root, const char *path, struct kh_span text, mode_t mode,
        const struct kh_text *expected, struct kh_err *err)
{
        char temporary[NAME_MAX + 1];
        const char *name;
        kh_cleanup(kh_closep) int dir = kh_host_open_parent(root, path, &name);
        int r;

        if (dir < 0 || !temporary_name(temporary, name))
                return kh_fail(err, dir < 0 ? dir : -ENAMETOOLONG, "open the directory of '%s': %s",
                        path, kh_strerror(dir < 0 ? dir : -ENAMETOOLONG));
        (void)unlinkat(dir, temporary, 0);
        r = write_temporary(dir, temporary, name, text, mode);
        if (r < 0)
                (void)kh_fail(err, r, "write '%s': %s", path, kh_strerror(r));
        else if (expected)
                r = check_expected(root, path, expected, err);
        if (r == 0 && (renameat(dir, temporary, dir, name) < 0 || fsync(dir) < 0))
                r = kh_fail(err, -errno, "replace '%s': %s", path, kh_strerror(errno));
        if (r < 0)
                (void)unlinkat(dir, temporary, 0);
        return r;
}

static int take_away(const struct kh_host *root, const char *path, const struct kh_text *expected,
        struct kh_err *err)
{
        const char *name;
        kh_cleanup(kh_closep) int dir = kh_host_open_parent(root, path, &name);
        int r = expected ? check_expected(root, path, expected, err) : 0;

        if (r < 0)
                return r;
        if (dir == -ENOENT)
                return 0;
        if (dir < 0 || (unlinkat(dir, name, 0) < 0 && errno != ENOENT) || fsync(dir) < 0)
                return kh_fail(err, dir < 0 ? dir : -errno, "remove '%s': %s", path,
                        kh_strerror(dir < 0 ? dir : errno));
        return 0;
}

int kh_file_set(const struct kh_host *root, const char *path, struct kh_span text, mode_t mode,
        const struct kh_text *expected, struct kh_err *err)
{
        if (text.p)
                return replace(root, path, text, mode, expected, err);
        return take_away(root, path, expected, err);
}

void kh_file_tidy(const struct kh_host *root, const char *path)
{
        char temporary[NAME_MAX + 1];
        const char *name;
        kh_cleanup(kh_closep) int dir = kh_host_open_parent(root, path, &name);

        if (dir >= 0 && temporary_name(temporary, name))
                (void)unlinkat(dir, temporary, 0);
}
