/* SPDX-License-Identifier: Apache-2.0 */
#include "discovery/places.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/root.h"

#include <limits.h>
#include <sys/syscall.h>

#define TASKS "/io.containerd.runtime.v2.task/*"

/* What tells the start time comes first: the others then need no second look at its process. */
const struct kh_place_pattern kh_default_places[] = {
        { KH_PLACE_RUNTIME, 0, "/run/runc" },
        { KH_PLACE_RUNTIME, 0, "/run/crun" },
        { KH_PLACE_RUNTIME, 0, "/run/containerd/runc/*" },
        { KH_PLACE_RUNTIME, 0, "/run/docker/runtime-*/*" },
        { KH_PLACE_SHIM, 0, "/run/containerd" TASKS },
        { KH_PLACE_SHIM, 0, "/run/docker/containerd/daemon" TASKS },
        { KH_PLACE_SHIM, 0, "/run/k3s/containerd" TASKS },
        { KH_PLACE_SHIM, 0, "/run/k0s/containerd" TASKS },
        { KH_PLACE_SHIM, 0, "/var/snap/microk8s/common/run/containerd" TASKS },
        { KH_PLACE_STORAGE, 0, "/run/containers/storage/*-containers" },
};
const size_t kh_default_places_n = sizeof(kh_default_places) / sizeof(kh_default_places[0]);

/* struct linux_dirent64 (getdents(2)); the name is terminated. */
struct entry {
        uint64_t inode;
        int64_t offset;
        uint16_t size;
        uint8_t type;
        char name[];
};

enum { LISTING_ROOM = sizeof(((struct kh_discovery_room *)NULL)->entries[0]) };

bool kh_listing_next(struct kh_listing *listing, struct kh_span *ret)
{
        const struct entry *e;

        do {
                if (listing->at == listing->n) {
                        long n = syscall(SYS_getdents64, listing->dir, listing->buf, LISTING_ROOM);

                        if (n <= 0)
                                return false;
                        listing->n = (size_t)n;
                        listing->at = 0;
                }
                e = (const struct entry *)(const void *)(listing->buf + listing->at);
                listing->at += e->size;
        } while (e->name[0] == '.');
        *ret = kh_span_of(e->name);
        return true;
}

/* A wildcard that is being gone through. */
struct level {
        struct kh_listing names;
        struct kh_span prefix, suffix;
        const char *rest; /* of the pattern, behind the name */
        size_t length;    /* of the path before it */
};

struct walk {
        const struct kh_discovery *d;
        const struct kh_places_visitor *visitor;
        const struct kh_place_pattern *pattern;
        struct kh_buf path;
        struct level levels[KH_DISCOVERY_DEPTH - 1];
        unsigned depth;
};

static void reach(struct walk *w, const char *rest)
{
        struct kh_place place = { w->pattern->kind, w->pattern->owner, { 0 } };

        kh_buf_span(&w->path, kh_span_of(rest));
        place.path = kh_buf_view(&w->path);
        if (!w->path.over)
                w->visitor->place(w->visitor->arg, &place);
}

/* REST of the pattern, "" or from a slash on, behind what PATH holds: to its end or a wildcard. */
static void descend(struct walk *w, const char *rest)
{
        const char *star = strchr(rest, '*');
        const char *slash, *end;
        int dir;

        if (!star) {
                reach(w, rest);
                return;
        }
        slash = memrchr(rest, '/', (size_t)(star - rest));
        if (!slash || w->depth == sizeof(w->levels) / sizeof(w->levels[0]))
                return;
        kh_buf_put(&w->path, rest, (size_t)(slash - rest));
        if (!kh_buf_terminate(&w->path))
                return;
        if (w->visitor->crossed)
                w->visitor->crossed(w->visitor->arg, kh_buf_view(&w->path));
        dir = kh_root_open(w->d->host.root, w->path.p, O_RDONLY | O_DIRECTORY);
        if (dir < 0)
                return;
        end = strchrnul(star, '/');
        w->levels[w->depth] = (struct level){
                .names = { .dir = dir, .buf = w->d->room->entries[w->depth] },
                .prefix = { slash + 1, (size_t)(star - slash) - 1 },
                .suffix = { star + 1, (size_t)(end - star) - 1 },
                .rest = end,
                .length = w->path.len,
        };
        w->depth++;
}

static bool fits(struct kh_span name, const struct level *level)
{
        return name.n >= level->prefix.n + level->suffix.n && kh_span_starts(name, level->prefix) &&
               kh_span_ends(name, level->suffix);
}

static void follow_pattern(struct walk *w)
{
        struct kh_span name;

        descend(w, w->pattern->path);
        while (w->depth) {
                struct level *top = &w->levels[w->depth - 1];

                w->path.len = top->length;
                w->path.over = false;
                if (!kh_listing_next(&top->names, &name)) {
                        kh_close(top->names.dir);
                        w->depth--;
                } else if (fits(name, top)) {
                        kh_buf_char(&w->path, '/');
                        kh_buf_span(&w->path, name);
                        descend(w, top->rest);
                }
        }
}

void kh_places_visit(const struct kh_discovery *d, const struct kh_places_visitor *visitor)
{
        char path[PATH_MAX];

        for (size_t i = 0; i < d->places_n; i++) {
                struct walk w = {
                        .d = d,
                        .visitor = visitor,
                        .pattern = &d->places[i],
                        .path = kh_buf_of(path, sizeof(path)),
                };

                follow_pattern(&w);
        }
}
