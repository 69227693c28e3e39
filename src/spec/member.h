/* SPDX-License-Identifier: Apache-2.0 */
/* One member of a JSON text, found by the keys that lead to it: set or taken out, the rest as it
 * was. */
#pragma once

#include "base/err.h"
#include "spec/place.h"

enum { KH_MEMBER_DEPTH_MAX = 8 };

struct kh_member_path {
        struct kh_span key[KH_MEMBER_DEPTH_MAX]; /* of plain characters that need no escapes */
        unsigned n;
};

/* The text of the member's value, or p is NULL. COPY has room for TEXT, and is spoilt. */
int kh_member_find(struct kh_span text, char *copy, const struct kh_member_path *path,
        struct kh_span *ret, struct kh_err *err);

/* TEXT with the member, and what leads to it, into OUT; VALUE is JSON. */
int kh_member_set(struct kh_span text, char *copy, const struct kh_member_path *path,
        struct kh_span value, struct kh_buf *out, struct kh_err *err);

/*
 * TEXT without it, and without the objects on the way that held nothing else, into OUT; whether it
 * was there.
 */
int kh_member_remove(struct kh_span text, char *copy, const struct kh_member_path *path,
        struct kh_buf *out, struct kh_err *err);
