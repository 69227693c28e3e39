/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sources/statedir.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "hookd/core.h"
#include "hookd/log.h"
#include "hookd/timestamp.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>

/* How long the inventory may differ from the truth should nothing tell of a change. */
#define RECONCILE_NS      (30 * KH_NS_PER_S)
#define RECONCILE_POLL_NS (1 * KH_NS_PER_S)
/* An entry that is being filled is watched as well: this is for the case that it is not. */
#define PENDING_NS      (1 * KH_NS_PER_S)
#define PENDING_POLL_NS (50 * KH_NS_PER_MS)

/* How long a hook may wait for us while there is much to look at. */
#define SLICE_NS (KH_NS_PER_MS / 2)

enum {
        PENDING_MAX = 4096,    /* far more than a node starts in a minute */
        PENDING_USER_MAX = 64, /* of them one user's */
};

/* A watched directory, or an entry that is to be looked at again, watched or not. */
struct watch {
        struct kh_list node;
        struct kh_hash_node by_key;
        uint64_t key; /* kh_watcher_add()'s; NOT_WATCHED */
        bool is_place;
        unsigned round; /* the last one in which it was there */
        struct kh_place place;
        struct kh_span id; /* of an entry */
        uint64_t due_ns;   /* when to look at it again */
        char text[];
};

#define NOT_WATCHED UINT64_MAX

#define NOW 1 /* of a timer: in the loop's next turn */

static const struct kh_hash_seed no_seed; /* the kernel chooses these keys */

static struct watch *find_watch(const struct kh_statedir *s, uint64_t key)
{
        struct kh_hash_node *n = kh_hash_find(&s->by_key, kh_hash_u64(&no_seed, key));

        for (; n; n = kh_hash_next(n)) {
                struct watch *w = kh_container_of(n, struct watch, by_key);

                if (w->key == key)
                        return w;
        }
        return NULL;
}

static struct watch *find_pending(
        const struct kh_statedir *s, const struct kh_place *place, struct kh_span id)
{
        kh_list_for_each(node, next, &s->pending) {
                struct watch *w = kh_container_of(node, struct watch, node);

                if (kh_span_eq(w->id, id) && kh_span_eq(w->place.path, place->path))
                        return w;
        }
        return NULL;
}

static unsigned count_pending(const struct kh_statedir *s, uint32_t owner)
{
        unsigned n = 0;

        kh_list_for_each(node, next, &s->pending)
                n += kh_container_of(node, struct watch, node)->place.owner == owner;
        return n;
}

static void forget(struct kh_statedir *s, struct watch *w)
{
        if (w->id.n)
                s->pending_n--;
        kh_list_del(&w->node);
        kh_hash_del(&s->by_key, &w->by_key);
        free(w);
}

/* PATH is what is watched, or what the entry ID lies in. */
static struct watch *remember(struct kh_statedir *s, uint64_t key, struct kh_span path,
        const struct kh_place *place, struct kh_span id)
{
        struct watch *w = calloc(1, sizeof(*w) + path.n + id.n);

        if (!w)
                return NULL;
        memcpy(w->text, path.p, path.n);
        if (id.n)
                memcpy(w->text + path.n, id.p, id.n);
        w->key = key;
        w->is_place = place;
        if (place)
                w->place = *place;
        w->place.path = (struct kh_span){ w->text, path.n };
        w->id = (struct kh_span){ w->text + path.n, id.n };
        if (key != NOT_WATCHED)
                kh_hash_add(&s->by_key, &w->by_key, kh_hash_u64(&no_seed, key));
        kh_list_append(id.n ? &s->pending : &s->directories, &w->node);
        s->pending_n += id.n != 0;
        return w;
}

static uint64_t watch(struct kh_statedir *s, int dir)
{
        uint64_t key = NOT_WATCHED;
        int r = kh_watcher_add(&s->watcher, dir, &key);

        /* A user's directory may be out of our reach. */
        if (r == 0 || r == -ENOENT || r == -EACCES)
                return key;
        if (s->complete)
                kh_log(LOG_WARNING, "not all state directories are watched error=\"%s\"",
                        kh_strerror(r));
        s->complete = false;
        return NOT_WATCHED;
}

static void watch_directory(void *arg, int dir, struct kh_span path, const struct kh_place *place)
{
        struct kh_statedir *s = arg;
        uint64_t key = watch(s, dir);
        struct watch *w = find_watch(s, key);

        if (key == NOT_WATCHED)
                return;
        if (!w) {
                s->stale = true;
                w = remember(s, key, path, place, (struct kh_span){ 0 });
        }
        if (w)
                w->round = s->round;
        else
                s->complete = false;
}

/* Wakes us when the entry's files appear. */
static uint64_t watch_entry(struct kh_statedir *s, const struct kh_place *place, struct kh_span id)
{
        char path[PATH_MAX];
        struct kh_buf b = kh_buf_of(path, sizeof(path));
        kh_cleanup(kh_closep) int dir = -EBADF;

        kh_buf_span(&b, place->path);
        kh_buf_char(&b, '/');
        kh_buf_span(&b, id);
        if (place->kind == KH_PLACE_STORAGE)
                kh_buf_lit(&b, "/userdata");
        if (s->watcher.fd < 0 || !kh_buf_terminate(&b))
                return NOT_WATCHED;
        dir = kh_root_open(
                (struct kh_root){ s->root.dir, place->owner }, path, O_PATH | O_DIRECTORY);
        return dir < 0 ? NOT_WATCHED : watch(s, dir);
}

static void put_off(struct kh_statedir *s, struct kh_found *found)
{
        const uint32_t owner = found->place->owner;
        char id[KH_LOG_VALUE];
        uint64_t key;

        if (s->pending_n == PENDING_MAX || find_pending(s, found->place, found->container.id) ||
                (owner && count_pending(s, owner) == PENDING_USER_MAX))
                return;
        if (found->finding == KH_FOUND_UNKNOWN && !owner)
                kh_log(LOG_WARNING, "state not understood container=%s message=\"%s\"",
                        kh_log_value(id, found->container.id), found->err.msg);
        key = watch_entry(s, found->place, found->container.id);
        (void)remember(s, key, found->place->path, found->place, found->container.id);
        /* Its file may have come before the watch did. */
        kh_timer_advance(&s->pending_timer, NOW);
}

/* A container that nobody had told of. */
static void report_missed(struct kh_statedir *s, const struct kh_container *c)
{
        char id[KH_LOG_VALUE], runtime[KH_LOG_VALUE];

        /* Runtimes give the pause containers of pods no hooks. */
        if (!s->live || c->type == KH_TYPE_SANDBOX)
                return;
        s->core->counters.missed_by_hook++;
        kh_log(LOG_NOTICE, "container without a hook id=%s runtime=%s", kh_log_value(id, c->id),
                kh_log_value(runtime, c->runtime));
}

static void take(struct kh_statedir *s, struct kh_found *found)
{
        static struct kh_request request = { .operation = KH_OP_CREATE };
        struct kh_told told = {
                .request = &request,
                .source = KH_SOURCE_DISCOVERY,
                .uid = found->place->owner,
                .pids_are_ours = s->discovery.pids_are_ours,
                .pidfd = kh_take_fd(&found->pidfd),
                .pidfd_pid = (int)found->container.pid,
        };
        enum kh_rejection why;

        /* A hook that could not tell us has spooled it before its runtime wrote this state. */
        kh_spool_source_catch_up(&s->core->spool);
        request.container = found->container;
        request.detached = found->started == KH_YES;
        if (kh_core_take(s->core, &told, &why) == KH_OUTCOME_CREATED)
                report_missed(s, &request.container);
}

/* As of a request of theirs, root may tell of all and a user of what is nobody else's. */
static bool may_tell(struct kh_statedir *s, const struct kh_found *found)
{
        const uint32_t owner = found->place->owner;

        if (!owner)
                return true;
        kh_core_check_deaths(s->core, &found->container);
        return kh_inventory_may_tell(&s->core->inventory, &found->container, owner);
}

static void drop_pending(struct kh_statedir *s, const struct kh_found *found)
{
        struct watch *w = find_pending(s, found->place, found->container.id);

        if (!w)
                return;
        if (w->key != NOT_WATCHED)
                kh_watcher_remove(&s->watcher, w->key);
        forget(s, w);
}

static void on_found(void *arg, struct kh_found *found)
{
        struct kh_statedir *s = arg;

        switch (found->finding) {
        case KH_FOUND_YOUNG:
        case KH_FOUND_UNKNOWN:
                put_off(s, found);
                return;
        case KH_FOUND_CONTAINER:
                if (may_tell(s, found))
                        take(s, found);
                break;
        case KH_FOUND_NOTHING:
                break;
        }
        drop_pending(s, found);
}

static bool knows(void *arg, uint32_t pid, uint64_t start_time)
{
        const struct kh_inventory *inv = &((struct kh_statedir *)arg)->core->inventory;
        const struct kh_entry *e = kh_inventory_find(inv, KH_KEY_PID, pid, NULL);

        while (e && e->start_time != start_time)
                e = kh_inventory_find(inv, KH_KEY_PID, pid, e);
        return e;
}

/* What was read is of no more use: the listener's memory is not to grow by it. */
static void release(struct kh_statedir *s)
{
        if (s->scanning)
                return;
        (void)madvise(s->room, sizeof(*s->room), MADV_DONTNEED);
}

/* What was unmounted is gone, which fanotify does not tell. */
static void forget_absent(struct kh_statedir *s)
{
        kh_list_for_each(node, next, &s->directories) {
                struct watch *w = kh_container_of(node, struct watch, node);

                if (w->round == s->round)
                        continue;
                kh_watcher_remove(&s->watcher, w->key);
                forget(s, w);
        }
}

/* Watches what is there now; true when something is new. */
static bool watch_all(struct kh_statedir *s)
{
        s->stale = s->reshaped = false;
        if (s->watcher.fd < 0)
                return false;
        s->complete = true;
        s->round++;
        kh_discovery_watch(&s->discovery, watch_directory, s);
        forget_absent(s);
        return s->stale;
}

static void begin_scan(struct kh_statedir *s)
{
        (void)watch_all(s);
        s->stale = false;
        s->scanning = true;
        kh_discovery_begin(&s->discovery);
        kh_timer_set(&s->scan_timer, NOW);
}

/* What the watcher has told of since, if that takes a scan. */
static void scan_what_is_new(struct kh_statedir *s)
{
        if (!s->stale && !(s->reshaped && watch_all(s)))
                return;
        s->fresh = true;
        begin_scan(s);
}

static void end_scan(struct kh_statedir *s)
{
        const bool watched = s->watcher.fd >= 0 && s->complete && !s->fresh;

        s->scanning = false;
        release(s);
        if (s->discovery.overfull && !s->overfull)
                kh_log(LOG_WARNING, "directories of users are not read whole number=%u limit=%d",
                        s->discovery.overfull, KH_USER_ENTRIES_MAX);
        s->overfull = s->discovery.overfull;
        kh_timer_set(
                &s->reconcile_timer, kh_clock_ns() + (watched ? RECONCILE_NS : RECONCILE_POLL_NS));
        scan_what_is_new(s);
}

static void go_on_scanning(void *arg)
{
        struct kh_statedir *s = arg;
        uint64_t end = kh_clock_ns() + SLICE_NS;

        while (kh_discovery_step(&s->discovery, on_found, s)) {
                if (kh_clock_ns() >= end) {
                        kh_timer_set(&s->scan_timer, NOW);
                        return;
                }
        }
        end_scan(s);
}

static void reconcile(void *arg)
{
        struct kh_statedir *s = arg;

        if (s->scanning)
                return;
        s->fresh = false;
        begin_scan(s);
}

static void look_at_pending(void *arg)
{
        struct kh_statedir *s = arg;
        const uint64_t again_ns = s->watcher.fd >= 0 ? PENDING_NS : PENDING_POLL_NS;
        uint64_t now = kh_clock_ns(), end = now + SLICE_NS;

        kh_list_for_each(node, next, &s->pending) {
                struct watch *w = kh_container_of(node, struct watch, node);

                if (w->due_ns <= now && now < end) {
                        w->due_ns = now + again_ns;
                        kh_timer_advance(&s->pending_timer, w->due_ns);
                        kh_discovery_look(&s->discovery, &w->place, w->id, on_found, s);
                        now = kh_clock_ns();
                } else {
                        kh_timer_advance(&s->pending_timer, w->due_ns ? w->due_ns : NOW);
                }
        }
        release(s);
}

/* What was watched is not there any more. */
static void on_gone(struct kh_statedir *s, struct watch *w)
{
        kh_hash_del(&s->by_key, &w->by_key);
        w->key = NOT_WATCHED;
        if (w->id.n) {
                w->due_ns = 0;
                kh_timer_advance(&s->pending_timer, NOW);
        } else {
                forget(s, w);
                s->reshaped = true;
        }
}

static void on_event(void *arg, const struct kh_watcher_event *event)
{
        struct kh_statedir *s = arg;
        struct watch *w = event->lost ? NULL : find_watch(s, event->key);

        if (event->lost)
                s->stale = true;
        else if (w && event->gone)
                on_gone(s, w);
        else if (w && w->id.n)
                kh_discovery_look(&s->discovery, &w->place, w->id, on_found, s);
        else if (w && w->is_place)
                kh_discovery_look(&s->discovery, &w->place, event->name, on_found, s);
        else if (w && event->is_directory)
                s->reshaped = true;
}

static void on_change(void *arg, uint32_t events)
{
        struct kh_statedir *s = arg;

        (void)events;
        kh_watcher_read(&s->watcher, on_event, s);
        if (!s->scanning)
                scan_what_is_new(s);
        release(s);
}

static int open_root(struct kh_statedir *s, struct kh_err *err)
{
        const char *path = s->core->options->host_root;

        s->root = KH_OWN_ROOT;
        if (path)
                s->root.dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (path && s->root.dir < 0)
                return kh_fail(err, -errno, "open '%s': %s", path, kh_strerror(errno));
        return 0;
}

static void check_users(const struct kh_statedir *s)
{
        const struct kh_root users = { s->root.dir, 1 };
        kh_cleanup(kh_closep) int fd = -EBADF;

        if (!s->core->options->allowed_n)
                return;
        fd = kh_root_open(users, "/", O_PATH | O_DIRECTORY);
        if (fd == -ENOSYS)
                kh_log(LOG_WARNING, "rootless containers are not looked for message=\"this kernel "
                                    "has no openat2(2), which came with Linux 5.6\"");
}

int kh_statedir_init(struct kh_statedir *s, struct kh_core *core, struct kh_err *err)
{
        struct kh_host host = { .proc = core->proc, .cgroupfs = core->cgroupfs };
        kh_cleanup(kh_closep) int probe = -EBADF;
        int r;

        *s = (struct kh_statedir){
                .core = core, .root.dir = -EBADF, .watcher.fd = -EBADF, .slot = -EBADF
        };
        kh_hash_init(&s->by_key);
        kh_list_init(&s->directories);
        kh_list_init(&s->pending);
        kh_timer_init(core->loop, &s->reconcile_timer, reconcile, s);
        kh_timer_init(core->loop, &s->scan_timer, go_on_scanning, s);
        kh_timer_init(core->loop, &s->pending_timer, look_at_pending, s);
        if (core->options->watch == KH_WATCH_OFF)
                return 0;
        r = open_root(s, err);
        if (r < 0)
                return r;
        s->room = mmap(NULL, sizeof(*s->room), PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (s->room == MAP_FAILED)
                s->room = NULL;
        if (!s->room || kh_state_places_make(&s->places, s->root, core->options) < 0)
                return kh_fail(err, -ENOMEM, "no memory for discovery");
        check_users(s);
        host.root = s->root;
        kh_discovery_init(&s->discovery, &host, s->places.patterns, s->places.n, s->room);
        s->discovery.knows = knows;
        s->discovery.knows_arg = s;
        probe = kh_root_open(s->root, "/run", O_PATH | O_DIRECTORY);
        r = kh_watcher_open(&s->watcher, core->options->watch, probe, err);
        if (r == 0)
                (void)watch_all(s);
        return r;
}

int kh_statedir_start(struct kh_statedir *s)
{
        if (!s->room)
                return 0;
        if (s->watcher.fd >= 0)
                s->slot = kh_loop_add(s->core->loop, s->watcher.fd, EPOLLIN, on_change, s);
        /* Whoever asks first is to be told of all. */
        begin_scan(s);
        while (kh_discovery_step(&s->discovery, on_found, s))
                ;
        s->scan_timer.at_ns = 0;
        end_scan(s);
        s->live = true;
        return s->watcher.fd >= 0 && s->slot < 0 ? s->slot : 0;
}

void kh_statedir_done(struct kh_statedir *s)
{
        kh_list_for_each(node, next, &s->pending)
                forget(s, kh_container_of(node, struct watch, node));
        kh_list_for_each(other, following, &s->directories)
                forget(s, kh_container_of(other, struct watch, node));
        kh_hash_done(&s->by_key);
        if (s->scanning)
                kh_discovery_end(&s->discovery);
        if (s->room)
                (void)munmap(s->room, sizeof(*s->room));
        kh_state_places_free(&s->places);
        kh_loop_del(s->core->loop, s->slot);
        kh_watcher_close(&s->watcher);
        kh_closep(&s->root.dir);
}
