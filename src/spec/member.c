/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/member.h"

#include <errno.h>

/* What an object on the way holds of the path. */
struct level {
        struct kh_place here; /* the path's member; `end` is 0 when there is none */
        struct kh_place last; /* any member */
        struct kh_place way;  /* the member that the walk is within */
        size_t open;          /* behind the bracket */
        size_t next;          /* start of the member behind `here`; 0: none */
        bool any;
        bool first; /* `here` is */
};

struct way {
        struct level v[KH_MEMBER_DEPTH_MAX];
        unsigned found; /* members of the path that are there */
};

static bool open_level(struct kh_walk *w, struct level *l)
{
        if (!kh_walk_into_object(w))
                return false;
        *l = (struct level){ .open = w->end };
        return true;
}

/* A member whose value has been read. */
static void take_member(struct way *way, struct level *l, const struct kh_place *p, bool is_here)
{
        if (is_here) {
                l->here = *p;
                l->first = !l->any;
                way->found++;
        }
        l->last = *p;
        l->any = true;
}

/* False when an object has the key twice, or the value on the way is no object. */
static bool find_levels(struct kh_walk *w, const struct kh_member_path *path, struct way *way)
{
        unsigned depth = 0;
        struct kh_place p;
        struct kh_span key;

        if (!open_level(w, &way->v[0]))
                return false;
        for (;;) {
                struct level *l = &way->v[depth];
                bool is_here;

                if (!kh_walk_member(w, &p, &key)) {
                        if (w->j.error || depth == 0)
                                return !w->j.error;
                        l = &way->v[--depth];
                        kh_walk_close(w, &l->way);
                        take_member(way, l, &l->way, true);
                        continue;
                }
                is_here = kh_span_eq(key, path->key[depth]);
                if (l->here.end && !l->next)
                        l->next = p.start;
                if (is_here && l->here.end)
                        return false;
                if (is_here && depth + 1 < path->n) {
                        l->way = p;
                        if (!open_level(w, &way->v[++depth]))
                                return false;
                        continue;
                }
                kh_walk_skip(w, &p);
                take_member(way, l, &p, is_here);
        }
}

static int find(struct kh_span text, char *copy, const struct kh_member_path *path, struct way *way,
        struct kh_err *err)
{
        struct kh_walk w = kh_walk_of(copy, text.n);

        *way = (struct way){ .found = 0 };
        if (text.n)
                memcpy(copy, text.p, text.n);
        if (find_levels(&w, path, way) && kh_json_end(&w.j))
                return 0;
        return kh_fail(err, -EBADMSG, "not the JSON that was expected: %s, at byte %zu",
                w.j.error ? w.j.error : "no object, or one with a key twice",
                (size_t)(w.j.p - w.base));
}

int kh_member_find(struct kh_span text, char *copy, const struct kh_member_path *path,
        struct kh_span *ret, struct kh_err *err)
{
        struct way way;
        int r = find(text, copy, path, &way, err);
        const struct kh_place *p = &way.v[path->n - 1].here;

        *ret = (struct kh_span){ 0 };
        if (r == 0 && way.found == path->n)
                *ret = (struct kh_span){ text.p + p->value, p->end - p->value };
        return r;
}

/* The keys from DEPTH on, the value, and the brackets that this opens. */
static void put_rest(struct kh_splice *s, const struct kh_member_path *path, unsigned depth,
        struct kh_span value)
{
        bool spaced = memchr(s->text.p, '\n', s->text.n) != NULL;

        for (unsigned i = depth; i < path->n; i++) {
                kh_buf_put(s->out, "{", i > depth);
                kh_buf_char(s->out, '"');
                kh_buf_span(s->out, path->key[i]);
                kh_buf_put(s->out, "\": ", spaced ? 3 : 2);
        }
        kh_buf_span(s->out, value);
        for (unsigned i = depth + 1; i < path->n; i++)
                kh_buf_char(s->out, '}');
}

int kh_member_set(struct kh_span text, char *copy, const struct kh_member_path *path,
        struct kh_span value, struct kh_buf *out, struct kh_err *err)
{
        struct kh_splice splice = { text, out, 0 };
        struct way way;
        int r = find(text, copy, path, &way, err);
        const struct level *l;

        if (r < 0)
                return r;
        if (way.found == path->n) {
                l = &way.v[path->n - 1];
                kh_splice_cut(&splice, l->here.value, l->here.end);
                kh_buf_span(out, value);
        } else {
                l = &way.v[way.found];
                kh_splice_to(&splice, l->any ? l->last.end : l->open);
                if (l->any) {
                        kh_buf_char(out, ',');
                        kh_buf_span(out, kh_place_indent(text, &l->last));
                }
                put_rest(&splice, path, way.found, value);
        }
        kh_splice_to(&splice, text.n);
        return out->over ? kh_fail(err, -ENOBUFS, "the document is too large") : 0;
}

int kh_member_remove(struct kh_span text, char *copy, const struct kh_member_path *path,
        struct kh_buf *out, struct kh_err *err)
{
        struct kh_splice splice = { text, out, 0 };
        struct way way;
        int r = find(text, copy, path, &way, err);
        unsigned depth = path->n - 1;
        const struct level *l;

        if (r < 0)
                return r;
        if (way.found == path->n) {
                while (depth > 0 && way.v[depth].first && !way.v[depth].next)
                        depth--;
                l = &way.v[depth];
                if (l->first && l->next)
                        kh_splice_cut(&splice, l->here.start, l->next);
                else
                        kh_splice_cut(&splice, l->here.lead, l->here.end);
        }
        kh_splice_to(&splice, text.n);
        if (out->over)
                return kh_fail(err, -ENOBUFS, "the document is too large");
        return way.found == path->n;
}
