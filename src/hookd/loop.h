/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: epoll, timers, and work put off to the end of a turn.
 *
 * What epoll hands back is a slot's index and generation, never a pointer: an event that was
 * fetched before its slot was given up finds another generation, and is dropped.
 */
#pragma once

#include "base/err.h"
#include "base/list.h"

#include <stdint.h>

typedef void (*kh_ready_fn)(void *arg, uint32_t events);

struct kh_slot;

struct kh_loop {
        int epoll;
        bool stop;
        struct kh_slot *slots;
        int32_t slots_n;
        int32_t free_slot; /* head of the list of unused ones; -1: none */
        struct kh_list timers;
        struct kh_list deferred;
};

int kh_loop_init(struct kh_loop *loop, struct kh_err *err);
void kh_loop_done(struct kh_loop *loop);

/* Turns until something sets `stop`. 0 or a negative errno. */
int kh_loop_run(struct kh_loop *loop, struct kh_err *err);

/* Watches FD, which stays the caller's; level-triggered. A slot's number, or a negative errno. */
int kh_loop_add(struct kh_loop *loop, int fd, uint32_t events, kh_ready_fn fn, void *arg);
int kh_loop_change(struct kh_loop *loop, int slot, uint32_t events);

/* Before FD is closed; harmless for a negative slot. */
void kh_loop_del(struct kh_loop *loop, int slot);

/* A timer of its owner's; fires once, at its time of CLOCK_BOOTTIME. Zero-initialise it. */
struct kh_timer {
        struct kh_list node;
        uint64_t at_ns; /* 0: not set */
        void (*fn)(void *arg);
        void *arg;
};

void kh_timer_init(struct kh_loop *loop, struct kh_timer *timer, void (*fn)(void *arg), void *arg);

static inline void kh_timer_set(struct kh_timer *timer, uint64_t at_ns)
{
        timer->at_ns = at_ns;
}

/* Sets it, unless it fires sooner already. */
static inline void kh_timer_advance(struct kh_timer *timer, uint64_t at_ns)
{
        if (!timer->at_ns || at_ns < timer->at_ns)
                timer->at_ns = at_ns;
}

/* Work for the end of the turn, when nobody is in the middle of a list any more. */
struct kh_deferred {
        struct kh_list node;
        void (*fn)(struct kh_deferred *d);
};

static inline void kh_loop_defer(struct kh_loop *loop, struct kh_deferred *d)
{
        kh_list_append(&loop->deferred, &d->node);
}
