/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/json_edit.h"

#include "base/cleanup.h"

/* What an edit puts in is small beside the text. */
static size_t room_for(struct kh_span text, size_t more)
{
        return 2 * text.n + more + 1024;
}

/* A spare copy for the reader, and a place to write to. */
struct room {
        char *copy;
        struct kh_buf out;
};

static int make_room(struct kh_span text, size_t more, struct kh_text *ret, struct room *room,
        struct kh_err *err)
{
        char *p = kh_text_reserve(ret, room_for(text, more));

        room->copy = malloc(text.n + 1);
        if (!p || !room->copy)
                return kh_fail(err, -ENOMEM, "out of memory");
        room->out = kh_buf_of(p, room_for(text, more));
        return 0;
}

/* What was written becomes the text, or, after a failure, nothing does. */
static int finish(struct kh_text *ret, struct room *room, int r)
{
        free(room->copy);
        if (r < 0) {
                kh_text_done(ret);
                return r;
        }
        ret->n += room->out.len;
        ret->p[ret->n] = '\0';
        return r;
}

int kh_json_set(struct kh_span text, const struct kh_member_path *path, struct kh_span value,
        struct kh_text *ret, struct kh_err *err)
{
        struct kh_span document = text.p ? text : KH_SPAN("{}\n");
        struct room room = { 0 };
        int r = make_room(document, value.n, ret, &room, err);

        if (r == 0)
                r = kh_member_set(document, room.copy, path, value, &room.out, err);
        return finish(ret, &room, r);
}

int kh_json_remove(struct kh_span text, const struct kh_member_path *path, struct kh_text *ret,
        struct kh_err *err)
{
        struct room room = { 0 };
        int r = make_room(text, 0, ret, &room, err);

        if (r == 0)
                r = kh_member_remove(text, room.copy, path, &room.out, err);
        return finish(ret, &room, r);
}

int kh_json_get(struct kh_span text, const struct kh_member_path *path, struct kh_span *ret,
        struct kh_err *err)
{
        kh_cleanup(kh_freep) char *copy = malloc(text.n + 1);

        *ret = (struct kh_span){ 0 };
        if (!copy)
                return kh_fail(err, -ENOMEM, "out of memory");
        return text.p ? kh_member_find(text, copy, path, ret, err) : 0;
}

int kh_json_strip_hooks(struct kh_span text, struct kh_text *ret, struct kh_err *err)
{
        struct room room = { 0 };
        int r = make_room(text, 0, ret, &room, err);

        if (r == 0)
                r = kh_hooks_remove(text, room.copy, &room.out, err);
        r = finish(ret, &room, r);
        return r < 0 ? r : 0;
}

int kh_json_set_hooks(struct kh_span text, const struct kh_stage_hooks *hooks, struct kh_text *ret,
        struct kh_err *err)
{
        struct kh_text bare = { 0 };
        struct room room = { 0 };
        size_t more = 0;
        int r = kh_json_strip_hooks(text, &bare, err);

        for (unsigned i = 0; i < hooks->n; i++)
                more += hooks->v[i].hook.n + 256;
        if (r == 0)
                r = make_room(kh_text_view(&bare), more, ret, &room, err);
        if (r == 0)
                r = kh_hooks_add(kh_text_view(&bare), room.copy, hooks, &room.out, err);
        kh_text_done(&bare);
        return finish(ret, &room, r);
}

int kh_docker_strip_default(
        struct kh_span text, struct kh_span base, struct kh_text *ret, struct kh_err *err)
{
        const struct kh_member_path path = KH_MEMBER(KH_SPAN("default-runtime"));
        struct kh_span now, before;

        if (kh_json_get(text, &path, &now, err) < 0 || kh_json_get(base, &path, &before, err) < 0)
                return err->code;
        if (!kh_span_eq(now, KH_SPAN("\"" KH_DOCKER_RUNTIME "\""))) {
                kh_text_span(ret, text);
                return ret->failed ? kh_fail(err, -ENOMEM, "out of memory") : 0;
        }
        if (before.p)
                return kh_json_set(text, &path, before, ret, err);
        return kh_json_remove(text, &path, ret, err) < 0 ? err->code : 0;
}

int kh_docker_strip(
        struct kh_span text, struct kh_span base, struct kh_text *ret, struct kh_err *err)
{
        const struct kh_member_path path =
                KH_MEMBER(KH_SPAN("runtimes"), KH_SPAN(KH_DOCKER_RUNTIME));
        struct kh_text bare = { 0 };
        int r = kh_docker_strip_default(text, base, &bare, err);

        if (r == 0)
                r = kh_json_remove(kh_text_view(&bare), &path, ret, err);
        kh_text_done(&bare);
        return r < 0 ? r : 0;
}

bool kh_json_is_empty(struct kh_span text)
{
        kh_cleanup(kh_freep) char *copy = malloc(text.n + 1);
        struct kh_json j = kh_json_of(copy, text.n);
        struct kh_span key;

        if (!copy)
                return false;
        memcpy(copy, text.p, text.n);
        return kh_json_enter_object(&j) && !kh_json_member(&j, &key) && kh_json_end(&j);
}
