/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/place.h"

static size_t offset(const struct kh_walk *w)
{
        return (size_t)(w->j.p - w->base);
}

struct kh_walk kh_walk_of(char *copy, size_t n)
{
        return (struct kh_walk){ .j = kh_json_of(copy, n), .base = copy };
}

bool kh_walk_into_object(struct kh_walk *w)
{
        bool is_object = kh_json_enter_object(&w->j);

        w->end = offset(w);
        return is_object;
}

bool kh_walk_into_array(struct kh_walk *w)
{
        bool is_array = kh_json_enter_array(&w->j);

        w->end = offset(w);
        return is_array;
}

static size_t first_visible(const struct kh_walk *w, size_t at)
{
        while (strchr(" \t\r\n,", w->base[at]))
                at++;
        return at;
}

static bool has_value(struct kh_walk *w, struct kh_place *ret)
{
        if (kh_json_peek(&w->j) == KH_JSON_INVALID)
                return false;
        ret->lead = w->end;
        ret->start = first_visible(w, w->end);
        ret->value = ret->end = offset(w);
        return true;
}

bool kh_walk_member(struct kh_walk *w, struct kh_place *ret, struct kh_span *ret_key)
{
        return kh_json_member(&w->j, ret_key) && has_value(w, ret);
}

bool kh_walk_element(struct kh_walk *w, struct kh_place *ret)
{
        return kh_json_element(&w->j) && has_value(w, ret);
}

void kh_walk_close(struct kh_walk *w, struct kh_place *p)
{
        p->end = w->end = offset(w);
}

void kh_walk_skip(struct kh_walk *w, struct kh_place *p)
{
        kh_json_skip(&w->j);
        kh_walk_close(w, p);
}

void kh_splice_to(struct kh_splice *s, size_t at)
{
        kh_buf_put(s->out, s->text.p + s->done, at - s->done);
        s->done = at;
}

void kh_splice_cut(struct kh_splice *s, size_t from, size_t to)
{
        kh_splice_to(s, from);
        s->done = to;
}

struct kh_span kh_place_indent(struct kh_span text, const struct kh_place *p)
{
        size_t from = p->lead;

        for (size_t at = p->lead; at < p->start; at++) {
                if (text.p[at] == ',')
                        from = at + 1;
        }
        return (struct kh_span){ text.p + from, p->start - from };
}
