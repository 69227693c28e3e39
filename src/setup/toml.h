/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over a TOML text, statement by statement, that knows where each stands: for edits that
 * leave every other byte as it was. It understands all of TOML 1.0 but for keys with escapes, which
 * it refuses; values are passed over, not validated.
 */
#pragma once

#include "base/span.h"
#include "setup/text.h"

enum { KH_TOML_DEPTH_MAX = 16 };

struct kh_toml_key {
        struct kh_span part[KH_TOML_DEPTH_MAX];
        unsigned n;
};

enum kh_toml_kind { KH_TOML_TABLE, KH_TOML_ARRAY_TABLE, KH_TOML_VALUE };

struct kh_toml_item {
        enum kh_toml_kind kind;
        struct kh_toml_key key; /* from the root: of a value, its table's and its own */
        size_t line;            /* where its line begins */
        size_t name;            /* where its own key begins; of the last part: */
        size_t last_part;
        size_t value, value_end; /* of a value */
        size_t end;              /* behind its line */
};

struct kh_toml {
        struct kh_span text;
        size_t at;
        struct kh_toml_key table;
        const char *error; /* a constant string; NULL while all is well */
};

struct kh_toml kh_toml_of(struct kh_span text);

/* The next statement; false at the end, or at an error. */
bool kh_toml_next(struct kh_toml *t, struct kh_toml_item *ret);

/* The elements of an array's text, one by one; *AT begins at 0. */
bool kh_toml_element(struct kh_span array, size_t *at, struct kh_span *ret);

/* What a string's text says, appended to RET; false when it is no string, or a malformed one. */
bool kh_toml_string(struct kh_span value, struct kh_text *ret);

/* Appends TEXT as a string. */
void kh_toml_put_string(struct kh_text *t, struct kh_span text);

bool kh_toml_key_starts(const struct kh_toml_key *key, const struct kh_toml_key *prefix);
static inline bool kh_toml_key_eq(const struct kh_toml_key *a, const struct kh_toml_key *b)
{
        return a->n == b->n && kh_toml_key_starts(a, b);
}

/* A key of plain parts, "a", "b": KH_TOML_KEY("a", "b"). */
#define KH_TOML_KEY(...) kh_toml_key_of((const char *const[]){ __VA_ARGS__, NULL })
struct kh_toml_key kh_toml_key_of(const char *const *parts);

/* The value at KEY, as text: false when there is none; *RET_ERROR is set when TEXT is malformed. */
bool kh_toml_find(struct kh_span text, const struct kh_toml_key *key, struct kh_span *ret,
        const char **ret_error);
