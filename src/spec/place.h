/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things stand in a JSON text, for edits that leave every other byte as it was. The reader
 * spoils what it reads, so it walks a copy, and the offsets it finds serve for the original.
 */
#pragma once

#include "base/buf.h"
#include "json/reader.h"

/* A member or an element; `lead` is where what precedes it ends: the bracket or the item before. */
struct kh_place {
        size_t lead;
        size_t start; /* of the key or the element */
        size_t value;
        size_t end;
};

struct kh_walk {
        struct kh_json j;
        const char *base; /* of the copy */
        size_t end;       /* of the last item, or behind the bracket */
};

/* A walk over COPY, of N bytes. */
struct kh_walk kh_walk_of(char *copy, size_t n);

/* Into the object or array that comes next; false when something else does, which is skipped. */
bool kh_walk_into_object(struct kh_walk *w);
bool kh_walk_into_array(struct kh_walk *w);

/*
 * The next item, whose value is still to be read; its end is set by kh_walk_close(), or by a walk
 * into it that went to its end.
 */
bool kh_walk_member(struct kh_walk *w, struct kh_place *ret, struct kh_span *ret_key);
bool kh_walk_element(struct kh_walk *w, struct kh_place *ret);

/* The value at P has been read: sets its end. */
void kh_walk_close(struct kh_walk *w, struct kh_place *p);

/* Skips it first. */
void kh_walk_skip(struct kh_walk *w, struct kh_place *p);

/* The original text, copied to OUT piece by piece. */
struct kh_splice {
        struct kh_span text;
        struct kh_buf *out;
        size_t done;
};

/* Copies up to AT, which is not before what was copied or left out already. */
void kh_splice_to(struct kh_splice *s, size_t at);

/* Leaves out what is from FROM to TO. */
void kh_splice_cut(struct kh_splice *s, size_t from, size_t to);

/* The blanks before the item at P, for one that shall stand beside it. */
struct kh_span kh_place_indent(struct kh_span text, const struct kh_place *p);
