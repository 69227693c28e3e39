/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/hooks.h"

#include <errno.h>

struct cut {
        size_t from, to;
};

/*
 * What is to be left out. Of a list whose items all go only the list's own place is kept, by
 * winding `n` back.
 */
struct cuts {
        struct cut v[KH_HOOK_CUTS_MAX];
        unsigned n;
        bool over;
};

static void add_cut(struct cuts *cuts, size_t from, size_t to)
{
        if (cuts->n == KH_HOOK_CUTS_MAX)
                cuts->over = true;
        else
                cuts->v[cuts->n++] = (struct cut){ from, to };
}

/*
 * The items of one list on their way past: those that go take the comma before them along, or, when
 * nothing before them stays, the one behind.
 */
struct list {
        bool some_stay;
        bool some_go;
        struct kh_place first; /* of those that go while none has stayed */
        size_t last_end;
};

static void pass(struct list *l, struct cuts *cuts, const struct kh_place *p, bool goes)
{
        if (!goes) {
                if (l->some_go && !l->some_stay)
                        add_cut(cuts, l->first.start, p->start);
                l->some_stay = true;
                return;
        }
        if (l->some_stay)
                add_cut(cuts, p->lead, p->end);
        else if (!l->some_go)
                l->first = *p;
        l->some_go = true;
        l->last_end = p->end;
}

/* Behind the last item: whether nothing of the list is left, and something was. */
static bool is_emptied(const struct list *l)
{
        return l->some_go && !l->some_stay;
}

static int bad(struct kh_err *err, const struct kh_walk *w, const char *what)
{
        return kh_fail(err, -EBADMSG, "not an OCI configuration: %s, at byte %zu", what,
                (size_t)(w->j.p - w->base));
}

static bool is_ours(struct kh_walk *w, unsigned *count)
{
        const struct kh_span tail = KH_SPAN("/" KH_HOOK_NAME "\"");
        struct kh_span key, raw;
        bool ours = false;

        if (!kh_json_enter_object(&w->j))
                return false;
        while (kh_json_member(&w->j, &key)) {
                bool is_path = kh_span_eq(key, KH_SPAN("path"));

                if (kh_json_raw(&w->j, &raw) && is_path)
                        ours = kh_span_ends(raw, tail);
        }
        *count += ours;
        return ours;
}

/* One stage's hooks: whether the list goes whole. */
static bool cut_elements(struct kh_walk *w, struct cuts *cuts, unsigned *count)
{
        struct list list = { 0 };
        struct kh_place p;
        unsigned mark = cuts->n;

        if (!kh_walk_into_array(w))
                return false;
        while (kh_walk_element(w, &p)) {
                bool ours = is_ours(w, count);

                kh_walk_close(w, &p);
                pass(&list, cuts, &p, ours);
        }
        if (!is_emptied(&list))
                return false;
        cuts->n = mark;
        return true;
}

static bool cut_stages(struct kh_walk *w, struct cuts *cuts, unsigned *count)
{
        struct list list = { 0 };
        struct kh_place p;
        struct kh_span stage;
        unsigned mark = cuts->n;

        if (!kh_walk_into_object(w))
                return false;
        while (kh_walk_member(w, &p, &stage)) {
                bool goes = cut_elements(w, cuts, count);

                kh_walk_close(w, &p);
                pass(&list, cuts, &p, goes);
        }
        if (!is_emptied(&list))
                return false;
        cuts->n = mark;
        return true;
}

static void cut_configuration(struct kh_walk *w, struct cuts *cuts, unsigned *count)
{
        struct list list = { 0 };
        struct kh_place p;
        struct kh_span key;

        while (kh_walk_member(w, &p, &key)) {
                bool goes = false;

                if (kh_span_eq(key, KH_SPAN("hooks")))
                        goes = cut_stages(w, cuts, count);
                else
                        kh_json_skip(&w->j);
                kh_walk_close(w, &p);
                pass(&list, cuts, &p, goes);
        }
        if (is_emptied(&list))
                add_cut(cuts, list.first.lead, list.last_end);
}

/* A cut that had to wait for its list's next item comes behind those within that item. */
static void sort_cuts(struct cuts *cuts)
{
        for (unsigned i = 1; i < cuts->n; i++) {
                struct cut c = cuts->v[i];
                unsigned at = i;

                for (; at > 0 && cuts->v[at - 1].from > c.from; at--)
                        cuts->v[at] = cuts->v[at - 1];
                cuts->v[at] = c;
        }
}

int kh_hooks_remove(struct kh_span text, char *copy, struct kh_buf *out, struct kh_err *err)
{
        struct kh_splice splice = { text, out, 0 };
        struct kh_walk w = kh_walk_of(copy, text.n);
        struct cuts cuts = { .n = 0 };
        unsigned count = 0;

        if (text.n)
                memcpy(copy, text.p, text.n);
        if (!kh_walk_into_object(&w))
                return bad(err, &w, "no object");
        cut_configuration(&w, &cuts, &count);
        if (!kh_json_end(&w.j))
                return bad(err, &w, w.j.error);
        if (cuts.over)
                return kh_fail(err, -E2BIG, "more than %d hooks to take out", KH_HOOK_CUTS_MAX);
        sort_cuts(&cuts);
        for (unsigned i = 0; i < cuts.n; i++)
                kh_splice_cut(&splice, cuts.v[i].from, cuts.v[i].to);
        kh_splice_to(&splice, text.n);
        return out->over ? kh_fail(err, -ENOBUFS, "the configuration is too large") : (int)count;
}

/* What stands between an item and a new one behind it. */
static void put_joint(struct kh_splice *s, const struct kh_place *last)
{
        kh_buf_char(s->out, ',');
        kh_buf_span(s->out, kh_place_indent(s->text, last));
}

static void put_key(struct kh_splice *s, struct kh_span key, bool spaced)
{
        kh_buf_char(s->out, '"');
        kh_buf_span(s->out, key);
        kh_buf_put(s->out, "\": ", spaced ? 3 : 2);
}

/* `"stage": [hook, hook]` for the first hook of a stage in TODO, which leaves it with its kind. */
static void put_stage(struct kh_splice *s, const struct kh_stage_hooks *hooks, unsigned *todo,
        unsigned first, bool spaced)
{
        const char *joint = "[";

        put_key(s, hooks->v[first].stage, spaced);
        for (unsigned i = first; i < hooks->n; i++) {
                if (!kh_span_eq(hooks->v[i].stage, hooks->v[first].stage))
                        continue;
                kh_buf_char(s->out, *joint);
                kh_buf_span(s->out, hooks->v[i].hook);
                joint = ",";
                *todo &= ~(1U << i);
        }
        kh_buf_char(s->out, ']');
}

/* The stages of TODO, behind LAST (NULL: the first of their object). */
static void put_stages(struct kh_splice *s, const struct kh_stage_hooks *hooks, unsigned todo,
        const struct kh_place *last, bool spaced)
{
        bool first = !last;

        while (todo) {
                if (last)
                        put_joint(s, last);
                else if (!first)
                        kh_buf_put(s->out, ", ", spaced ? 2 : 1);
                first = false;
                put_stage(s, hooks, &todo, (unsigned)__builtin_ctz(todo), spaced);
        }
}

/* THESE hooks into the list of their stage, which the walk is at. */
static bool add_to_stage(
        struct kh_walk *w, struct kh_splice *s, const struct kh_stage_hooks *hooks, unsigned these)
{
        struct kh_place last;
        bool any = false;

        if (!kh_walk_into_array(w))
                return false;
        while (kh_walk_element(w, &last)) {
                kh_walk_skip(w, &last);
                any = true;
        }
        kh_splice_to(s, w->end);
        for (unsigned left = these; left; left &= left - 1) {
                if (any)
                        put_joint(s, &last);
                else if (left != these)
                        kh_buf_char(s->out, ',');
                kh_buf_span(s->out, hooks->v[__builtin_ctz(left)].hook);
        }
        return true;
}

static unsigned of_stage(const struct kh_stage_hooks *hooks, unsigned todo, struct kh_span stage)
{
        unsigned found = 0;

        for (unsigned i = 0; i < hooks->n; i++) {
                if (todo >> i & 1 && kh_span_eq(hooks->v[i].stage, stage))
                        found |= 1U << i;
        }
        return found;
}

static bool add_to_hooks(
        struct kh_walk *w, struct kh_splice *s, const struct kh_stage_hooks *hooks, bool spaced)
{
        unsigned todo = (1U << hooks->n) - 1;
        struct kh_place last;
        struct kh_span stage;
        bool any = false;

        if (!kh_walk_into_object(w))
                return false;
        while (kh_walk_member(w, &last, &stage)) {
                unsigned here = of_stage(hooks, todo, stage);

                todo &= ~here;
                if (here ? !add_to_stage(w, s, hooks, here) : !kh_json_skip(&w->j))
                        return false;
                kh_walk_close(w, &last);
                any = true;
        }
        if (todo)
                kh_splice_to(s, w->end);
        put_stages(s, hooks, todo, any ? &last : NULL, spaced);
        return true;
}

/* A configuration that is written over several lines has blanks behind its colons. */
static bool is_spaced(struct kh_span text)
{
        return memchr(text.p, '\n', text.n > 1 ? text.n - 1 : 0) != NULL;
}

int kh_hooks_add(struct kh_span text, char *copy, const struct kh_stage_hooks *hooks,
        struct kh_buf *out, struct kh_err *err)
{
        struct kh_splice splice = { text, out, 0 };
        struct kh_walk w = kh_walk_of(copy, text.n);
        bool spaced = is_spaced(text), any = false, found = false;
        struct kh_place last;
        struct kh_span key;

        if (text.n)
                memcpy(copy, text.p, text.n);
        if (!kh_walk_into_object(&w))
                return bad(err, &w, "no object");
        while (kh_walk_member(&w, &last, &key)) {
                if (!kh_span_eq(key, KH_SPAN("hooks")))
                        kh_json_skip(&w.j);
                else if (found || !add_to_hooks(&w, &splice, hooks, spaced))
                        return bad(err, &w, "its hooks are not an object of lists");
                else
                        found = true;
                kh_walk_close(&w, &last);
                any = true;
        }
        if (!found) {
                kh_splice_to(&splice, w.end);
                if (any)
                        put_joint(&splice, &last);
                put_key(&splice, KH_SPAN("hooks"), spaced);
                kh_buf_char(out, '{');
                put_stages(&splice, hooks, (1U << hooks->n) - 1, NULL, spaced);
                kh_buf_char(out, '}');
        }
        if (!kh_json_end(&w.j))
                return bad(err, &w, w.j.error);
        kh_splice_to(&splice, text.n);
        return out->over ? kh_fail(err, -ENOBUFS, "the configuration is too large") : 0;
}
