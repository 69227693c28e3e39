/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection after another to the listener, read line by line without waiting, behind one
 * descriptor that stays the same and becomes readable when there is something to do.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

#include <stdint.h>
#include <sys/un.h>

/*
 * A line holds one container, whose request was at most 1 MiB; of that a byte can become at most
 * six
 * ("\u007f").
 */
enum { KH_LINE_MAX = 8 * 1024 * 1024 };

struct kh_stream {
        int epoll; /* holds the two below */
        int timer;
        int sock;
        char *buf;
        size_t cap;
        size_t start;   /* of what was not given yet */
        size_t scanned; /* no newline between start and here */
        size_t end;
};

int kh_stream_init(struct kh_stream *s, struct kh_err *err);
void kh_stream_done(struct kh_stream *s);

/* -EAGAIN: the listener's backlog is full, so try again a little later. */
int kh_stream_connect(struct kh_stream *s, const struct sockaddr_un *address, struct kh_err *err);

/* Drops the connection and what was received by it. */
void kh_stream_disconnect(struct kh_stream *s);

/* All of TEXT, which must be so short that a fresh socket takes it at once. */
int kh_stream_send(struct kh_stream *s, struct kh_span text, struct kh_err *err);

/*
 * 1 and a line, its newline replaced by a NUL, valid until the next call; 0: none is there yet;
 * -ECONNRESET: the listener hung up; -EMSGSIZE: a line is too long; -ENOMEM.
 */
int kh_stream_line(struct kh_stream *s, struct kh_span *ret, struct kh_err *err);

/* Makes the descriptor readable at that time of CLOCK_BOOTTIME; 0 never. */
void kh_stream_wake_at(struct kh_stream *s, uint64_t deadline_ns);

/* Until the descriptor is readable or the deadline is there; 0 or a negative errno (-EINTR). */
int kh_stream_wait(struct kh_stream *s, uint64_t deadline_ns, struct kh_err *err);
