/* SPDX-License-Identifier: Apache-2.0 */
#include "wrapper/bundle.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define CONFIG    "config.json"
#define TEMPORARY ".config.json.kubearmor-new"

/* More than any engine writes; static, so that only what is used is ever touched. */
enum { CONFIG_MAX = 16 * 1024 * 1024, HOOKS_MAX = 1024 * 1024 };

static char copy[CONFIG_MAX];
static char bare[CONFIG_MAX];
static char edited[CONFIG_MAX + HOOKS_MAX];

static int edit(struct kh_span text, const struct kh_stage_hooks *hooks, struct kh_buf *out,
        struct kh_err *err)
{
        struct kh_buf without = kh_buf_of(bare, sizeof(bare));
        int r = 0;

        /* a restore, or a wrapper around this one, has them already */
        if (memmem(text.p, text.n, KH_HOOK_NAME, sizeof(KH_HOOK_NAME) - 1)) {
                r = kh_hooks_remove(text, copy, &without, err);
                text = kh_buf_view(&without);
        }
        return r < 0 ? r : kh_hooks_add(text, copy, hooks, out, err);
}

static int replace(int dir, const struct stat *st, struct kh_span text, struct kh_err *err)
{
        kh_cleanup(kh_closep) int fd = -EBADF;
        int r;

        (void)unlinkat(dir, TEMPORARY, 0);
        fd = openat(dir, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return kh_fail(err, -errno, "write into the bundle: %s", kh_strerror(errno));
        r = kh_write_all(fd, text.p, text.n);
        if (r == 0 &&
                (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0 ||
                        renameat(dir, TEMPORARY, dir, CONFIG) < 0))
                r = -errno;
        if (r == 0)
                return 0;
        (void)unlinkat(dir, TEMPORARY, 0);
        return kh_fail(err, r, "replace the bundle's " CONFIG ": %s", kh_strerror(r));
}

int kh_bundle_add_hooks(
        const char *directory, const struct kh_stage_hooks *hooks, struct kh_err *err)
{
        kh_cleanup(kh_closep) int dir =
                open(directory ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        kh_cleanup(kh_closep) int fd =
                dir < 0 ? dir : openat(dir, CONFIG, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct kh_buf out = kh_buf_of(edited, sizeof(edited));
        struct stat st;
        void *text;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return kh_fail(err, -errno, "open the bundle's " CONFIG ": %s", kh_strerror(errno));
        if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > CONFIG_MAX)
                return kh_fail(err, -EFBIG,
                        "the bundle's " CONFIG " is no file of at most %d bytes", CONFIG_MAX);
        text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (text == MAP_FAILED)
                return kh_fail(err, -errno, "map the bundle's " CONFIG ": %s", kh_strerror(errno));
        r = edit((struct kh_span){ text, (size_t)st.st_size }, hooks, &out, err);
        (void)munmap(text, (size_t)st.st_size);
        return r < 0 ? r : replace(dir, &st, kh_buf_view(&out), err);
}
