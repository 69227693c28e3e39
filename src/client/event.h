/* SPDX-License-Identifier: Apache-2.0 */
/* A line of the listener's as the structs of the public header. */
#pragma once

#include "base/err.h"
#include "kubearmor-hook.h"
#include "wire/container.h"

/* Holds the event that was read last, and all that it points to. */
struct kh_event_room {
        char *text; /* the line, cut up into C strings; behind it the container's own JSON */
        size_t cap;
        struct kh_container parsed;
        struct kubearmor_hook_event event;
        struct kubearmor_hook_container container;
        const char *sockets[KH_MAX_SOCKETS];
        struct kubearmor_hook_pair labels[KH_MAX_PAIRS];
        struct kubearmor_hook_pair annotations[KH_MAX_PAIRS];
};

void kh_event_room_done(struct kh_event_room *room);

/*
 * 1: `event` is set, its `json` being LINE, which must be terminated and stay; 0: a line of a type
 * that this version does not know; -EBADMSG; -ENOMEM; or what an error line of the listener's
 * means.
 */
int kh_event_read(struct kh_event_room *room, struct kh_span line, struct kh_err *err);

/*
 * The code for an error line with this `error`, and *ERR with this `message` (may be absent).
 */
int kh_event_error(struct kh_span name, struct kh_span message, struct kh_err *err);

/*
 * Makes a C string of a span into a text that may be changed and of which nothing is to be parsed
 * any more: what ended the string, a quote at the least, becomes its NUL. NULL when absent.
 */
const char *kh_cut(struct kh_span s);
