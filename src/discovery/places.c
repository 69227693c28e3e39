/* SPDX-License-Identifier: Apache-2.0 */
#include "discovery/places.h"

#include "base/cleanup.h"

#include <sys/syscall.h>

/* What tells the start time comes first: the others then need no second look at its process. */
const struct kh_place_pattern kh_default_places[KH_DEFAULT_PLACES] = {
        { KH_PLACE_RUNTIME, 0, "/run/runc", NULL },
        { KH_PLACE_RUNTIME, 0, "/run/crun", NULL },
        { KH_PLACE_RUNTIME, 0, "/run/containerd/runc/*", NULL },
        { KH_PLACE_RUNTIME, 0, "/run/docker/runtime-*/*", NULL },
        { KH_PLACE_SHIM, 0, "/run/containerd" KH_TASKS, NULL },
        { KH_PLACE_SHIM, 0, "/run/docker/containerd/daemon" KH_TASKS, NULL },
        { KH_PLACE_SHIM, 0, "/run/k3s/containerd" KH_TASKS, NULL },
        { KH_PLACE_SHIM, 0, "/run/k0s/containerd" KH_TASKS, NULL },
        { KH_PLACE_SHIM, 0, "/var/snap/microk8s/common/run/containerd" KH_TASKS, NULL },
        { KH_PLACE_STORAGE, 0, "/run/containers/storage" KH_STORES, KH_GRAPH_ROOT },
};

/* What a state root may be, in the order of the default places. */
static const struct kind {
        enum kh_place_kind kind;
        const char *below;
        const char *graph_root;
} kinds[KH_STATE_ROOT_PLACES] = {
        { KH_PLACE_RUNTIME, "", NULL },
        { KH_PLACE_SHIM, KH_TASKS, NULL },
        { KH_PLACE_STORAGE, KH_STORES, KH_GRAPH_ROOT },
};

const char *kh_place_path(struct kh_buf *text, struct kh_span directory, const char *below)
{
        const char *path = text->p + text->len;

        kh_buf_span(text, directory);
        kh_buf_span(text, kh_span_of(below));
        kh_buf_char(text, '\0');
        return text->over ? NULL : path;
}

/* The places of one kind below all the roots. */
static size_t add_roots(struct kh_place_pattern *ret, const struct kind *kind,
        const char *const *roots, size_t n, struct kh_buf *text)
{
        size_t added = 0;

        for (size_t i = 0; i < n; i++) {
                struct kh_span root = kh_span_of(roots[i]);
                const char *path;

                while (root.n > 1 && root.p[root.n - 1] == '/')
                        root.n--;
                path = kh_place_path(text, root, kind->below);
                if (path)
                        ret[added++] =
                                (struct kh_place_pattern){ kind->kind, 0, path, kind->graph_root };
        }
        return added;
}

size_t kh_places_with(
        struct kh_place_pattern *ret, const char *const *roots, size_t n, struct kh_buf *text)
{
        size_t added = add_roots(ret, &kinds[0], roots, n, text);

        memcpy(ret + added, kh_default_places, sizeof(kh_default_places));
        added += KH_DEFAULT_PLACES;
        for (size_t i = 1; i < KH_STATE_ROOT_PLACES; i++)
                added += add_roots(ret + added, &kinds[i], roots, n, text);
        return added;
}

/* struct linux_dirent64 (getdents(2)); the name is terminated. */
struct entry {
        uint64_t inode;
        int64_t offset;
        uint16_t size;
        uint8_t type;
        char name[];
};

bool kh_listing_next(struct kh_listing *listing, struct kh_span *ret)
{
        const struct entry *e;

        do {
                if (!listing->left)
                        return false;
                listing->left--;
                if (listing->at == listing->n) {
                        long n = syscall(
                                SYS_getdents64, listing->dir, listing->buf, KH_LISTING_ROOM);

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

void kh_walk_init(struct kh_walk *w, struct kh_root root, const struct kh_place_pattern *patterns,
        size_t n, char (*rooms)[KH_LISTING_ROOM])
{
        w->root = root;
        w->patterns = patterns;
        w->left = n;
        w->rooms = rooms;
        w->crossed = NULL;
        w->depth = 0;
}

/* Puts PART and MORE behind the first LENGTH bytes of the path; false when it is too long. */
static bool put_path(struct kh_walk *w, size_t length, struct kh_span part, struct kh_span more)
{
        struct kh_buf b = kh_buf_of(w->path, sizeof(w->path));

        b.len = length;
        kh_buf_span(&b, part);
        kh_buf_span(&b, more);
        w->length = b.len;
        return kh_buf_terminate(&b);
}

/* Begins with the wildcard STAR, which follows a slash in REST, the pattern behind the path. */
static void enter(struct kh_walk *w, const char *rest, const char *star)
{
        const char *slash = memrchr(rest, '/', (size_t)(star - rest));
        const char *end = strchrnul(star, '/');
        int dir;

        if (!slash || w->depth == KH_WALK_DEPTH ||
                !put_path(w, w->length, (struct kh_span){ rest, (size_t)(slash - rest) },
                        (struct kh_span){ 0 }))
                return;
        if (w->crossed)
                w->crossed(w->arg, (struct kh_span){ w->path, w->length });
        dir = kh_root_open(w->root, w->path, O_RDONLY | O_DIRECTORY);
        if (dir < 0)
                return;
        w->levels[w->depth] = (struct kh_walk_level){
                .names = { .dir = dir, .buf = w->rooms[w->depth], .left = UINT_MAX },
                .prefix = { slash + 1, (size_t)(star - slash) - 1 },
                .suffix = { star + 1, (size_t)(end - star) - 1 },
                .rest = end,
                .length = w->length,
        };
        w->depth++;
}

/* Follows REST of the pattern to its end, which is a place (true), or to a wildcard. */
static bool follow(struct kh_walk *w, const char *rest)
{
        const char *star = strchr(rest, '*');

        if (!star)
                return put_path(w, w->length, kh_span_of(rest), (struct kh_span){ 0 });
        enter(w, rest, star);
        return false;
}

static bool fits(struct kh_span name, const struct kh_walk_level *level)
{
        return name.n >= level->prefix.n + level->suffix.n && kh_span_starts(name, level->prefix) &&
               kh_span_ends(name, level->suffix);
}

static void leave(struct kh_walk *w)
{
        w->depth--;
        kh_close(w->levels[w->depth].names.dir);
}

/* The next step: true when it has come to a place. */
static bool step(struct kh_walk *w)
{
        struct kh_walk_level *top;
        struct kh_span name;

        if (!w->depth) {
                w->left--;
                w->length = 0;
                return follow(w, w->patterns++->path);
        }
        top = &w->levels[w->depth - 1];
        if (!kh_listing_next(&top->names, &name))
                leave(w);
        else if (fits(name, top) && put_path(w, top->length, KH_SPAN("/"), name))
                return follow(w, top->rest);
        return false;
}

bool kh_walk_next(struct kh_walk *w, struct kh_place *ret)
{
        while (w->depth || w->left) {
                if (step(w)) {
                        const struct kh_place_pattern *pattern = w->patterns - 1;

                        *ret = (struct kh_place){ pattern->kind, pattern->owner,
                                { w->path, w->length }, pattern->graph_root };
                        return true;
                }
        }
        return false;
}

void kh_walk_done(struct kh_walk *w)
{
        while (w->depth)
                leave(w);
        w->left = 0;
}
