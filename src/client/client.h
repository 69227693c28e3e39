/* SPDX-License-Identifier: Apache-2.0 */
/* The handle, within the library. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "client/event.h"
#include "client/follow.h"
#include "client/stream.h"
#include "kubearmor-hook.h"

enum kh_question { KH_ASK_LIST, KH_ASK_LOOKUP, KH_ASK_SUBSCRIBE };

enum kh_phase {
        KH_PHASE_IDLE,       /* nothing was asked, or all was answered */
        KH_PHASE_CONNECTING, /* the next attempt is due at due_ns */
        KH_PHASE_ANSWERING,  /* `synced` has yet to come; silence is too long at due_ns */
        KH_PHASE_LIVE,
};

/*
 * A request's line: eight values of a filter and the members' names; a fresh socket takes it whole.
 */
enum { KH_ASK_MAX = 8192 };

struct kh_status_room;

struct kubearmor_hook {
        struct sockaddr_un address;
        uint64_t timeout_ns;
        struct kh_err err;
        struct kh_stream stream;

        enum kh_question question;
        char ask[KH_ASK_MAX];
        size_t ask_len;

        enum kh_phase phase;
        uint64_t due_ns;
        uint64_t give_up_ns; /* while connecting; UINT64_MAX in a subscription that reconnects */
        uint64_t pause_ns;   /* before the next attempt */
        bool heard;          /* something came since due_ns was set */
        uint64_t answers;    /* containers, so far */

        bool reconnect;
        bool away; /* the subscriber was told that the listener is */
        struct kh_follow follow;
        struct kh_span synced; /* its line, kept until the difference was told */

        struct kh_event_room room;
        bool ahead; /* the room's event was read ahead of kubearmor_hook_next() */

        struct kh_status_room
                *status; /* of kubearmor_hook_status(); made when it is first called */
        char *metrics;
};

/* Begins a request's line: the caller adds members of its own, then calls kh_ask(). */
void kh_ask_begin(struct kubearmor_hook *hook, struct kh_buf *b, struct kh_span request);

/* Asks it, in place of whatever was asked before. */
int kh_ask(struct kubearmor_hook *hook, struct kh_buf *b, enum kh_question question);

/* The next line of an answer that is not of events, waiting for it within the handle's timeout. */
int kh_next_line(struct kubearmor_hook *hook, struct kh_span *ret);

/* Reads the first event ahead, waiting for it; kubearmor_hook_next() gives it again. */
int kh_look_ahead(struct kubearmor_hook *hook);

/* Ends what was asked. */
void kh_hang_up(struct kubearmor_hook *hook);
