/* SPDX-License-Identifier: Apache-2.0 */
#include "discovery/discovery.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/root.h"
#include "discovery/entry.h"
#include "proc/proc.h"

#include <limits.h>
#include <sys/stat.h>

static bool shows_our_pids(int proc)
{
        char self[24], pid[24];
        struct kh_buf b = kh_buf_of(pid, sizeof(pid));
        ssize_t n = readlinkat(proc, "self", self, sizeof(self));

        kh_buf_u64(&b, (uint64_t)getpid());
        return n > 0 && kh_span_eq(kh_buf_view(&b), (struct kh_span){ self, (size_t)n });
}

/*
 * The host's init has the host's namespaces; a manager may have given us a mount namespace of our
 * own. Where we have no right to look at it, all of ours are taken for the host's.
 */
static void find_host_namespaces(struct kh_discovery *d)
{
        kh_cleanup(kh_closep) int init = kh_proc_open(d->host.proc, 1);
        kh_cleanup(kh_closep) int self = -EBADF;

        kh_proc_namespaces(init, d->host_ns);
        if (d->host_ns[KH_NS_PID])
                return;
        self = openat(d->host.proc, "self", O_PATH | O_DIRECTORY | O_CLOEXEC);
        kh_proc_namespaces(self, d->host_ns);
}

void kh_discovery_init(struct kh_discovery *d, const struct kh_host *host,
        const struct kh_place_pattern *places, size_t places_n, struct kh_discovery_room *room)
{
        *d = (struct kh_discovery){
                .host = *host,
                .places = places,
                .places_n = places_n,
                .room = room,
                .pids_are_ours = shows_our_pids(host->proc),
        };
        find_host_namespaces(d);
}

/* An open directory whose owner may speak for it, or a negative errno. */
static int open_place(const struct kh_discovery *d, const struct kh_place *place, int flags)
{
        const struct kh_root root = { d->host.root.dir, place->owner };
        char path[PATH_MAX];
        struct kh_buf b = kh_buf_of(path, sizeof(path));
        kh_cleanup(kh_closep) int dir = -EBADF;
        struct stat st;

        kh_buf_span(&b, place->path);
        if (!kh_buf_terminate(&b))
                return -ENAMETOOLONG;
        dir = kh_root_open(root, path, flags | O_DIRECTORY);
        if (dir < 0)
                return dir;
        if (fstat(dir, &st) < 0)
                return -errno;
        return st.st_uid == place->owner ? kh_take_fd(&dir) : -EPERM;
}

struct teller {
        kh_found_fn fn;
        void *arg;
};

static void tell(void *arg, struct kh_found *found)
{
        const struct teller *teller = arg;

        if (found->finding != KH_FOUND_NOTHING)
                teller->fn(teller->arg, found);
}

void kh_discovery_begin(struct kh_discovery *d)
{
        struct kh_discovery_room *room = d->room;

        kh_walk_init(&room->walk, d->host.root, d->places, d->places_n, room->listings);
        room->entries.dir = -EBADF;
        d->overfull = 0;
        kh_seen_clear(&room->seen);
        kh_storage_forget(&room->storage);
}

/* Opens the next place that may be read; false when there is none. */
static bool next_place(struct kh_discovery *d)
{
        struct kh_discovery_room *room = d->room;

        while (room->entries.dir < 0 && kh_walk_next(&room->walk, &room->place))
                room->entries = (struct kh_listing){
                        .dir = open_place(d, &room->place, O_RDONLY),
                        .buf = room->listings[KH_WALK_DEPTH],
                        .left = room->place.owner ? 2 + KH_USER_ENTRIES_MAX : UINT_MAX,
                };
        return room->entries.dir >= 0;
}

bool kh_discovery_step(struct kh_discovery *d, kh_found_fn fn, void *arg)
{
        struct kh_discovery_room *room = d->room;
        struct teller teller = { fn, arg };
        struct kh_span id;

        while (next_place(d)) {
                if (kh_listing_next(&room->entries, &id)) {
                        kh_entry_look(
                                d, &room->place, room->entries.dir, id, &room->seen, tell, &teller);
                        return true;
                }
                d->overfull += !room->entries.left;
                kh_closep(&room->entries.dir);
        }
        return false;
}

void kh_discovery_end(struct kh_discovery *d)
{
        kh_closep(&d->room->entries.dir);
        kh_walk_done(&d->room->walk);
}

void kh_discovery_scan(struct kh_discovery *d, kh_found_fn fn, void *arg)
{
        kh_discovery_begin(d);
        while (kh_discovery_step(d, fn, arg))
                ;
}

void kh_discovery_look(struct kh_discovery *d, const struct kh_place *place, struct kh_span id,
        kh_found_fn fn, void *arg)
{
        kh_cleanup(kh_closep) int dir = open_place(d, place, O_PATH);

        kh_entry_look(d, place, dir, id, NULL, fn, arg);
}

struct watch {
        struct kh_discovery *d;
        kh_watch_fn fn;
        void *arg;
};

/*
 * The directory, or the nearest one above it that is there: its next part will appear in that. Of a
 * user's every one above as well: it may be unmounted, which nothing need tell of.
 */
static void watch_directory(struct watch *w, struct kh_span directory, const struct kh_place *place)
{
        const struct kh_root root = { w->d->host.root.dir, place ? place->owner : 0 };
        char path[PATH_MAX];

        while (directory.n) {
                struct kh_buf b = kh_buf_of(path, sizeof(path));
                kh_cleanup(kh_closep) int fd = -EBADF;

                kh_buf_span(&b, directory);
                if (!kh_buf_terminate(&b))
                        return;
                fd = kh_root_open(root, path, O_PATH | O_DIRECTORY);
                if (fd >= 0) {
                        w->fn(w->arg, fd, directory, place);
                        if (!root.user)
                                return;
                }
                place = NULL;
                do
                        directory.n--;
                while (directory.n && directory.p[directory.n] != '/');
        }
}

static void watch_crossed(void *arg, struct kh_span directory)
{
        watch_directory(arg, directory, NULL);
}

void kh_discovery_watch(struct kh_discovery *d, kh_watch_fn fn, void *arg)
{
        struct watch w = { d, fn, arg };
        struct kh_walk walk;
        struct kh_place place;

        kh_walk_init(&walk, d->host.root, d->places, d->places_n, d->room->listings);
        walk.crossed = watch_crossed;
        walk.arg = &w;
        while (kh_walk_next(&walk, &place))
                watch_directory(&w, place.path, &place);
}
