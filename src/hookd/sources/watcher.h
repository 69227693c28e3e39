/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling of new names in directories, by fanotify or inotify: notifications alone, which whoever
 * caused them does not wait for.
 *
 * fanotify has one mark for all of a tmpfs, so that no limit of watches is met and a directory is
 * watched from its first moment; what it tells is matched by file handles. It needs Linux 5.13,
 * since when a tmpfs has those, and CAP_SYS_ADMIN for a moment. inotify needs neither.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

enum kh_watch_mode {
        KH_WATCH_AUTO, /* fanotify where it works, else inotify */
        KH_WATCH_FANOTIFY,
        KH_WATCH_INOTIFY,
        KH_WATCH_POLL, /* nobody tells */
        KH_WATCH_OFF,  /* nor looks */
};

struct kh_watcher {
        int fd; /* readable when there is something to tell; -EBADF: nobody tells */
        bool by_handle;
};

/* PROBE is a directory to try fanotify on. 0 or a negative errno. */
int kh_watcher_open(struct kh_watcher *w, enum kh_watch_mode mode, int probe, struct kh_err *err);
void kh_watcher_close(struct kh_watcher *w);

/* Watches DIR, which may be open by O_PATH. *RET_KEY is what its events come with. */
int kh_watcher_add(struct kh_watcher *w, int dir, uint64_t *ret_key);

/* There may be events of it yet. */
void kh_watcher_remove(struct kh_watcher *w, uint64_t key);

struct kh_watcher_event {
        uint64_t key;
        struct kh_span name; /* of what is new; absent for what follows */
        bool is_directory;   /* and what it is */
        bool gone;           /* the directory is not there any more, or not watched */
        bool lost;           /* events were lost; there is no key */
};

/* Tells what has come, a bounded number; more, if there is, next time. */
void kh_watcher_read(struct kh_watcher *w,
        void (*fn)(void *arg, const struct kh_watcher_event *event), void *arg);
