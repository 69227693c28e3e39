/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of JSON documents as growing texts, by src/spec. An absent text is an empty object. */
#pragma once

#include "base/err.h"
#include "setup/text.h"
#include "spec/hooks.h"
#include "spec/member.h"

/* The Docker runtime that is ours. */
#define KH_DOCKER_RUNTIME "kubearmor"

/* A member's keys: KH_MEMBER("process", "rlimits"). */
#define KH_MEMBER(...)                                                                             \
        ((struct kh_member_path){ .key = { __VA_ARGS__ },                                          \
                .n = sizeof((struct kh_span[]){ __VA_ARGS__ }) / sizeof(struct kh_span) })

int kh_json_set(struct kh_span text, const struct kh_member_path *path, struct kh_span value,
        struct kh_text *ret, struct kh_err *err);
int kh_json_remove(struct kh_span text, const struct kh_member_path *path, struct kh_text *ret,
        struct kh_err *err);

/* The text of a member's value, within TEXT; p = NULL: absent. */
int kh_json_get(struct kh_span text, const struct kh_member_path *path, struct kh_span *ret,
        struct kh_err *err);

/* TEXT with HOOKS and no other ones of ours. */
int kh_json_set_hooks(struct kh_span text, const struct kh_stage_hooks *hooks, struct kh_text *ret,
        struct kh_err *err);
int kh_json_strip_hooks(struct kh_span text, struct kh_text *ret, struct kh_err *err);

/*
 * A daemon.json with the default runtime that BASE (may be absent) has where it has ours; and
 * without our runtime as well.
 */
int kh_docker_strip_default(
        struct kh_span text, struct kh_span base, struct kh_text *ret, struct kh_err *err);
int kh_docker_strip(
        struct kh_span text, struct kh_span base, struct kh_text *ret, struct kh_err *err);

/* An object without members. */
bool kh_json_is_empty(struct kh_span text);
