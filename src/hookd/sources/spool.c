/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sources/spool.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "hookd/core.h"
#include "hookd/log.h"
#include "spool/spool.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

enum {
        FILES_A_TURN = 256, /* some milliseconds' worth; the rest follows in the next turns */
};

/*
 * One file, whatever is in it. False when it is still there, as what nobody can remove is: then it
 * must not keep us from the others, nor be what we go on for.
 */
static bool take_file(struct kh_spool_source *s, const struct kh_spool_entry *entry)
{
        static char text[KH_REQUEST_MAX];
        static struct kh_request request;
        struct kh_told told = {
                .request = &request,
                .source = KH_SOURCE_SPOOL,
                .pidfd = -EBADF,
                .pids_are_ours = s->core->sees_host,
        };
        char name[KH_SPOOL_NAME_MAX];
        enum kh_rejection why;
        struct kh_err err = { 0 };
        size_t n;
        int r;

        kh_spool_format_name(entry, name);
        r = kh_read_file(s->core->spool_dir, name, text, sizeof(text), &n);
        if (r == 0)
                r = kh_request_read(text, n, &request, &err);
        if (r == 0) {
                (void)kh_core_take(s->core, &told, &why);
                s->core->counters.spool_taken++;
        } else if (r != -ENOENT) {
                s->core->counters.spool_bad++;
                kh_log(LOG_WARNING, "spool file discarded name=%s message=\"%s\"", name,
                        err.code ? err.msg : kh_strerror(r));
        }
        /* Only now: who is killed in between takes it in again, which changes nothing. */
        if (unlinkat(s->core->spool_dir, name, 0) == 0 || errno == ENOENT)
                return true;
        kh_log(LOG_ERR, "spool file not removed name=%s error=\"%s\"", name, kh_strerror(errno));
        return false;
}

static void take_in(void *arg)
{
        static struct kh_spool_entry entries[KH_SPOOL_FILES_MAX];
        struct kh_spool_source *s = arg;
        ssize_t n = kh_spool_list(s->core->spool_dir, entries, KH_SPOOL_FILES_MAX);
        uint64_t dropped = kh_spool_take_dropped(s->core->spool_dir);
        ssize_t taken = 0;

        if (dropped) {
                s->core->counters.spool_dropped += dropped;
                kh_log(LOG_WARNING, "spool was full dropped=%llu", (unsigned long long)dropped);
        }
        if (n < 0) {
                kh_log(LOG_ERR, "spool not read error=\"%s\"", kh_strerror((int)n));
                return;
        }
        for (ssize_t i = 0; i < n && taken < FILES_A_TURN; i++)
                taken += take_file(s, &entries[i]);
        if (taken == FILES_A_TURN)
                kh_timer_set(&s->timer, 1);
        if (taken)
                kh_log(LOG_NOTICE, "spool taken in files=%zd", taken);
}

void kh_spool_source_catch_up(struct kh_spool_source *s)
{
        _Alignas(struct inotify_event) char buf[4096];
        bool changed = false;

        while (s->inotify >= 0 && read(s->inotify, buf, sizeof(buf)) > 0)
                changed = true;
        if (changed)
                take_in(s);
}

static void on_change(void *arg, uint32_t events)
{
        (void)events;
        kh_spool_source_catch_up(arg);
}

int kh_spool_source_init(
        struct kh_spool_source *s, struct kh_core *core, const char *path, struct kh_err *err)
{
        *s = (struct kh_spool_source){ .core = core, .inotify = -EBADF, .slot = -EBADF };
        kh_timer_init(core->loop, &s->timer, take_in, s);
        if (!path)
                return 0;
        s->core->spool_dir = kh_spool_open(path, err);
        if (s->core->spool_dir < 0)
                return s->core->spool_dir;
        s->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (s->inotify < 0 || inotify_add_watch(s->inotify, path, IN_CREATE | IN_MOVED_TO) < 0)
                return kh_fail(err, -errno, "watch spool '%s': %s", path, kh_strerror(errno));
        return 0;
}

int kh_spool_source_start(struct kh_spool_source *s)
{
        if (s->inotify < 0)
                return 0;
        s->slot = kh_loop_add(s->core->loop, s->inotify, EPOLLIN, on_change, s);
        do {
                s->timer.at_ns = 0;
                take_in(s);
        } while (s->timer.at_ns); /* nobody waits for us yet */
        return s->slot < 0 ? s->slot : 0;
}

void kh_spool_source_done(struct kh_spool_source *s)
{
        kh_loop_del(s->core->loop, s->slot);
        kh_closep(&s->inotify);
        kh_closep(&s->core->spool_dir);
}
