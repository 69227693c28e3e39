/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of files that set-up edits, and how what is ours is taken out of one that somebody else
 * has changed since.
 */
#pragma once

#include "base/err.h"
#include "setup/text.h"

enum kh_format {
        KH_FORMAT_OWN,     /* ours whole, and in force once it is there */
        KH_FORMAT_WRAPPER, /* the options of the runtime's wrapper: the same */
        KH_FORMAT_LOADED,  /* ours whole, and read when a daemon starts; so are the following */
        KH_FORMAT_SPEC,    /* an OCI specification with our hooks among others' */
        KH_FORMAT_DOCKER,  /* daemon.json */
        KH_FORMAT_TOML,    /* a configuration of which some lines are ours */
        KH_FORMAT_COUNT,
};

extern const char *const kh_format_name[KH_FORMAT_COUNT];

/* Whether a daemon reads it when it starts, or is told to, and only then. */
static inline bool kh_format_is_loaded(enum kh_format format)
{
        return format != KH_FORMAT_OWN && format != KH_FORMAT_WRAPPER;
}

/*
 * TEXT, a JSON document, with as little of ours as whoever names the file can do with; -ENOTSUP for
 * what nobody needs. BASE is asked for of KH_FORMAT_DOCKER only.
 */
int kh_format_hold(enum kh_format format, struct kh_span text, const struct kh_text *base,
        struct kh_text *ret, struct kh_err *err);

/*
 * TEXT without what is ours, into RET; absent when nothing else is left. BASE is what the file was
 * without us when it was last known, or NULL.
 */
int kh_format_strip(enum kh_format format, struct kh_span text, const struct kh_text *base,
        struct kh_text *ret, struct kh_err *err);
