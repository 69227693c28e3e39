/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics over HTTP, for scrapers that speak nothing else: GET /metrics, one answer a
 * connection. On a unix socket or on the loopback, nowhere else.
 */
#pragma once

#include "base/err.h"
#include "hookd/listen.h"
#include "hookd/loop.h"

struct kh_core;

struct kh_http {
        struct kh_core *core;
        struct kh_listen listen;
        int slot;
        unsigned count;
        struct kh_list clients; /* the oldest first */
        struct kh_timer timer;
};

void kh_http_init(struct kh_http *h, struct kh_core *core);

/* Whether WHERE is the path of a unix socket, 127.0.0.1:PORT or [::1]:PORT. */
bool kh_http_can_serve_at(const char *where);

int kh_http_open(struct kh_http *h, const char *where, struct kh_err *err);
int kh_http_start(struct kh_http *h);
void kh_http_done(struct kh_http *h);
