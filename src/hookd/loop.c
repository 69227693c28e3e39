/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/loop.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "hookd/timestamp.h"

#include <sys/epoll.h>

enum {
        /* Events a turn: enough to spread the cost of a turn, few enough to stay responsive. */
        BATCH = 64,
        SLOTS_AT_FIRST = 64,
};

struct kh_slot {
        kh_ready_fn fn; /* NULL: unused, and `fd` is the next unused slot */
        void *arg;
        int fd;
        uint32_t generation;
};

int kh_loop_init(struct kh_loop *loop, struct kh_err *err)
{
        *loop = (struct kh_loop){ .free_slot = -1 };
        kh_list_init(&loop->timers);
        kh_list_init(&loop->deferred);
        loop->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (loop->epoll < 0)
                return kh_fail(err, -errno, "create an epoll instance: %s", kh_strerror(errno));
        return 0;
}

void kh_loop_done(struct kh_loop *loop)
{
        kh_closep(&loop->epoll);
        free(loop->slots);
        loop->slots = NULL;
}

static int grow(struct kh_loop *loop)
{
        int32_t n = loop->slots_n ? 2 * loop->slots_n : SLOTS_AT_FIRST;
        struct kh_slot *slots = realloc(loop->slots, (size_t)n * sizeof(*slots));

        if (!slots)
                return -ENOMEM;
        for (int32_t i = n - 1; i >= loop->slots_n; i--) {
                slots[i] = (struct kh_slot){ .fd = loop->free_slot };
                loop->free_slot = i;
        }
        loop->slots = slots;
        loop->slots_n = n;
        return 0;
}

static struct epoll_event event_of(const struct kh_loop *loop, int slot, uint32_t events)
{
        uint64_t generation = loop->slots[slot].generation;

        return (struct epoll_event){
                .events = events,
                .data.u64 = generation << 32 | (uint32_t)slot,
        };
}

int kh_loop_add(struct kh_loop *loop, int fd, uint32_t events, kh_ready_fn fn, void *arg)
{
        struct epoll_event event;
        int slot, r = 0;

        if (loop->free_slot < 0)
                r = grow(loop);
        if (r < 0)
                return r;
        slot = loop->free_slot;
        event = event_of(loop, slot, events);
        if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
                return -errno;
        loop->free_slot = loop->slots[slot].fd;
        loop->slots[slot].fn = fn;
        loop->slots[slot].arg = arg;
        loop->slots[slot].fd = fd;
        return slot;
}

int kh_loop_change(struct kh_loop *loop, int slot, uint32_t events)
{
        struct epoll_event event = event_of(loop, slot, events);

        return epoll_ctl(loop->epoll, EPOLL_CTL_MOD, loop->slots[slot].fd, &event) < 0 ? -errno : 0;
}

void kh_loop_del(struct kh_loop *loop, int slot)
{
        struct kh_slot *s;

        if (slot < 0)
                return;
        s = &loop->slots[slot];
        /* Not left to close(): whoever else holds the open file would keep it watched. */
        (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, s->fd, NULL);
        s->fn = NULL;
        s->generation++;
        s->fd = loop->free_slot;
        loop->free_slot = slot;
}

void kh_timer_init(struct kh_loop *loop, struct kh_timer *timer, void (*fn)(void *arg), void *arg)
{
        timer->at_ns = 0;
        timer->fn = fn;
        timer->arg = arg;
        kh_list_append(&loop->timers, &timer->node);
}

/*
 * What epoll_wait() takes: rounded up, so that it does not return just before a timer and spin.
 * There are about ten timers, one a component, so a walk over them is the simplest queue.
 */
static int next_timeout_ms(const struct kh_loop *loop)
{
        uint64_t first = UINT64_MAX, now;

        for (const struct kh_list *node = loop->timers.next; node != &loop->timers;
                node = node->next) {
                const struct kh_timer *t = kh_container_of(node, const struct kh_timer, node);

                if (t->at_ns && t->at_ns < first)
                        first = t->at_ns;
        }
        if (first == UINT64_MAX)
                return -1;
        now = kh_clock_ns();
        if (first <= now)
                return 0;
        first = (first - now + KH_NS_PER_MS - 1) / KH_NS_PER_MS;
        return first > INT_MAX ? INT_MAX : (int)first;
}

static void fire_timers(struct kh_loop *loop)
{
        uint64_t now = 0;

        kh_list_for_each(node, next, &loop->timers) {
                struct kh_timer *t = kh_container_of(node, struct kh_timer, node);

                if (!t->at_ns)
                        continue;
                if (!now)
                        now = kh_clock_ns();
                if (t->at_ns > now)
                        continue;
                t->at_ns = 0;
                t->fn(t->arg);
        }
}

static void dispatch(struct kh_loop *loop, const struct epoll_event *events, int n)
{
        for (int i = 0; i < n; i++) {
                uint32_t index = (uint32_t)events[i].data.u64;
                struct kh_slot slot = loop->slots[index];

                if (slot.fn && slot.generation == events[i].data.u64 >> 32)
                        slot.fn(slot.arg, events[i].events);
        }
}

static void run_deferred(struct kh_loop *loop)
{
        while (!kh_list_is_empty(&loop->deferred)) {
                struct kh_deferred *d =
                        kh_container_of(loop->deferred.next, struct kh_deferred, node);

                kh_list_del(&d->node);
                d->fn(d);
        }
}

int kh_loop_run(struct kh_loop *loop, struct kh_err *err)
{
        struct epoll_event events[BATCH];

        while (!loop->stop) {
                int n = epoll_wait(loop->epoll, events, BATCH, next_timeout_ms(loop));

                if (n < 0 && errno != EINTR)
                        return kh_fail(err, -errno, "wait for events: %s", kh_strerror(errno));
                dispatch(loop, events, n);
                fire_timers(loop);
                run_deferred(loop);
        }
        return 0;
}
