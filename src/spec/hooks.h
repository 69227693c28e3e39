/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our hooks in the text of an OCI configuration: put in and taken out, every other byte as it was.
 * Nothing is allocated: the wrapper around a runtime uses it as well.
 */
#pragma once

#include "base/err.h"
#include "spec/place.h"

/* What the last component of a hook's path is when the hook is ours. */
#define KH_HOOK_NAME "kubearmor-hook"

enum { KH_STAGE_HOOKS_MAX = 8, KH_HOOK_CUTS_MAX = 128 };

struct kh_stage_hook {
        struct kh_span stage; /* such as "createRuntime" */
        struct kh_span hook;  /* the hook's object, as JSON */
};

struct kh_stage_hooks {
        struct kh_stage_hook v[KH_STAGE_HOOKS_MAX];
        unsigned n;
};

/*
 * TEXT with HOOKS behind those that it has, into OUT. TEXT must have none of ours. COPY has room
 * for TEXT, and is spoilt. -EBADMSG: not the text of a configuration; -ENOBUFS: OUT is too small.
 */
int kh_hooks_add(struct kh_span text, char *copy, const struct kh_stage_hooks *hooks,
        struct kh_buf *out, struct kh_err *err);

/*
 * TEXT without any hook of ours, into OUT, and how many there were; a list, or `hooks` itself, that
 * held nothing else goes as well. So it undoes kh_hooks_add() byte for byte, unless a list was
 * there that was empty.
 */
int kh_hooks_remove(struct kh_span text, char *copy, struct kh_buf *out, struct kh_err *err);
