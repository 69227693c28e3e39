/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sources/watcher.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/hash.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/vfs.h>

#define INOTIFY_EVENTS  (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR)
#define FANOTIFY_EVENTS (FAN_CREATE | FAN_MOVED_TO | FAN_DELETE_SELF | FAN_ONDIR)

/* About ten events, each of which may be an entry to look at: hooks wait meanwhile. */
enum { READ_ROOM = 1024 };

/* A directory in its file system; two of different ones do not meet by chance. */
static uint64_t key_of(struct kh_span fsid, unsigned type, struct kh_span handle)
{
        static const struct kh_hash_seed seed = { 0 };
        char text[16 + MAX_HANDLE_SZ];
        struct kh_buf b = kh_buf_of(text, sizeof(text));

        kh_buf_span(&b, fsid);
        kh_buf_put(&b, (const char *)&type, sizeof(type));
        kh_buf_span(&b, handle);
        return kh_hash_bytes(&seed, kh_buf_view(&b));
}

static int name_directory(int dir, const struct statfs *fs, uint64_t *ret_key)
{
        union {
                struct file_handle head;
                char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
        } h = { .head = { .handle_bytes = MAX_HANDLE_SZ } };
        int mount;

        if (name_to_handle_at(dir, "", &h.head, &mount, AT_EMPTY_PATH) < 0)
                return -errno;
        *ret_key = key_of((struct kh_span){ (const char *)&fs->f_fsid, sizeof(fs->f_fsid) },
                (unsigned)h.head.handle_type,
                (struct kh_span){ (const char *)h.head.f_handle, h.head.handle_bytes });
        return 0;
}

/* The link below /proc of a descriptor of ours: what neither interface takes an O_PATH one for. */
struct link {
        char text[32];
};

static struct link link_of(int fd)
{
        struct link link = { "" };
        struct kh_buf b = kh_buf_of(link.text, sizeof(link.text));

        kh_buf_lit(&b, "/proc/self/fd/");
        kh_buf_u64(&b, (uint64_t)fd);
        kh_buf_terminate(&b);
        return link;
}

/*
 * All of a tmpfs by one mark, while we have the right to; of a disk, where far more happens, the
 * directory alone.
 */
static int mark(int fanotify, int dir, const struct statfs *fs)
{
        const struct link link = link_of(dir);

        if (fs->f_type == TMPFS_MAGIC && fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
                                                 FANOTIFY_EVENTS, AT_FDCWD, link.text) == 0)
                return 0;
        return fanotify_mark(fanotify, FAN_MARK_ADD, FANOTIFY_EVENTS, AT_FDCWD, link.text) < 0
                       ? -errno
                       : 0;
}

static int add_by_handle(struct kh_watcher *w, int dir, uint64_t *ret_key)
{
        struct statfs fs;
        int r;

        if (fstatfs(dir, &fs) < 0)
                return -errno;
        r = mark(w->fd, dir, &fs);
        return r < 0 ? r : name_directory(dir, &fs, ret_key);
}

static int open_fanotify(struct kh_watcher *w, int probe)
{
        uint64_t key;
        int r;

        w->fd = fanotify_init(
                FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY);
        if (w->fd < 0) {
                w->fd = -EBADF;
                return -errno;
        }
        w->by_handle = true;
        r = add_by_handle(w, probe, &key);
        if (r < 0)
                kh_watcher_close(w);
        return r;
}

int kh_watcher_open(struct kh_watcher *w, enum kh_watch_mode mode, int probe, struct kh_err *err)
{
        int r = -ENOSYS;

        *w = (struct kh_watcher){ .fd = -EBADF };
        if (mode == KH_WATCH_POLL || mode == KH_WATCH_OFF)
                return 0;
        if (mode != KH_WATCH_INOTIFY)
                r = open_fanotify(w, probe);
        if (r == 0)
                return 0;
        if (mode == KH_WATCH_FANOTIFY)
                return kh_fail(err, r, "watch by fanotify: %s", kh_strerror(r));
        w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (w->fd < 0) {
                w->fd = -EBADF;
                return kh_fail(err, -errno, "watch by inotify: %s", kh_strerror(errno));
        }
        return 0;
}

void kh_watcher_close(struct kh_watcher *w)
{
        kh_closep(&w->fd);
        w->by_handle = false;
}

int kh_watcher_add(struct kh_watcher *w, int dir, uint64_t *ret_key)
{
        int wd;

        if (w->by_handle)
                return add_by_handle(w, dir, ret_key);
        wd = inotify_add_watch(w->fd, link_of(dir).text, INOTIFY_EVENTS);
        if (wd < 0)
                return -errno;
        *ret_key = (uint64_t)wd;
        return 0;
}

void kh_watcher_remove(struct kh_watcher *w, uint64_t key)
{
        if (!w->by_handle && w->fd >= 0)
                (void)inotify_rm_watch(w->fd, (int)key);
}

typedef void (*event_fn)(void *arg, const struct kh_watcher_event *event);

static void read_inotify(const char *buf, size_t n, event_fn fn, void *arg)
{
        for (size_t at = 0; at < n;) {
                const struct inotify_event *in = (const void *)(buf + at);
                const struct kh_watcher_event event = {
                        .key = (uint64_t)in->wd,
                        .name = kh_span_of(in->len ? in->name : NULL),
                        .is_directory = in->mask & IN_ISDIR,
                        .gone = in->mask & IN_IGNORED,
                        .lost = in->mask & IN_Q_OVERFLOW,
                };

                at += sizeof(*in) + in->len;
                if (event.lost || event.gone || event.name.n)
                        fn(arg, &event);
        }
}

/* The directory and, behind its handle, the name: "." where the directory is meant itself. */
static bool read_info(
        const struct fanotify_event_metadata *meta, const char *event, struct kh_watcher_event *ret)
{
        const struct fanotify_event_info_fid *info = (const void *)(event + meta->metadata_len);
        const struct file_handle *handle = (const void *)info->handle;
        const char *name;

        if (meta->event_len < meta->metadata_len + sizeof(*info) + sizeof(*handle) ||
                info->hdr.info_type != FAN_EVENT_INFO_TYPE_DFID_NAME)
                return false;
        ret->key = key_of((struct kh_span){ (const char *)&info->fsid, sizeof(info->fsid) },
                (unsigned)handle->handle_type,
                (struct kh_span){ (const char *)handle->f_handle, handle->handle_bytes });
        name = (const char *)handle->f_handle + handle->handle_bytes;
        if (strcmp(name, ".") != 0)
                ret->name = kh_span_of(name);
        return true;
}

/* The kernel pads events to four bytes, of which the head of the next would need eight. */
static void read_fanotify(const char *buf, size_t n, event_fn fn, void *arg)
{
        struct fanotify_event_metadata meta;

        for (size_t at = 0; n - at >= sizeof(meta); at += meta.event_len) {
                struct kh_watcher_event event;

                memcpy(&meta, buf + at, sizeof(meta));
                if (!FAN_EVENT_OK(&meta, n - at))
                        return;
                event = (struct kh_watcher_event){
                        .is_directory = meta.mask & FAN_ONDIR,
                        .gone = meta.mask & FAN_DELETE_SELF,
                        .lost = meta.mask & FAN_Q_OVERFLOW,
                };
                if (event.lost ||
                        (read_info(&meta, buf + at, &event) && (event.gone || event.name.n)))
                        fn(arg, &event);
        }
}

void kh_watcher_read(struct kh_watcher *w, event_fn fn, void *arg)
{
        _Alignas(8) char buf[READ_ROOM];
        ssize_t n = read(w->fd, buf, sizeof(buf));

        if (n <= 0)
                return;
        if (w->by_handle)
                read_fanotify(buf, (size_t)n, fn, arg);
        else
                read_inotify(buf, (size_t)n, fn, arg);
}
