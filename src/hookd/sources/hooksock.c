/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sources/hooksock.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "hookd/core.h"
#include "hookd/log.h"
#include "hookd/sources/descriptors.h"
#include "hookd/timestamp.h"
#include "json/reader.h"

#include <sys/epoll.h>
#include <sys/socket.h>

enum {
        FRESH_A_TURN = 2,   /* looked at when the next one comes, which makes one more at most */
        DRAINED_MAX = 4096, /* connections that are still taken at the end: the backlog's length */
        INBOX = 64 *
                1024, /* what is read at once: sixteen requests of the most that a hook sends */
        PARTIAL_MIN = 4096,
        /* Of all requests that are not whole: room for a node's worth of the largest ones. */
        PARTIAL_MAX_TOTAL = 32 * 1024 * 1024,
};

/*
 * For a whole request, from the connection or the answer before it; a hook's own deadline is 1 s.
 */
#define IDLE_NS (5 * KH_NS_PER_S)
/* When we end, a request that has begun to come gets this much more time. */
#define DRAIN_NS (500 * KH_NS_PER_MS)
/* Subscribers' acknowledgements are awaited until shortly before the hook gives up. */
#define AWAIT_NS (800 * KH_NS_PER_MS)
/*
 * Most peers close right after their answer. A connection is looked at again when the next one
 * comes, or after this time, before two system calls are spent on having the loop watch it. Less
 * would be sooner than the kernel's next tick, and the clock's reprogramming cost more than that.
 */
#define FRESH_NS (10 * KH_NS_PER_MS)
#define PAUSE_NS (100 * KH_NS_PER_MS)

struct connection {
        struct kh_list node; /* in one of the three lists */
        struct kh_hooksock *owner;
        int fd, slot;
        struct kh_peer peer;
        struct kh_descriptors with; /* what came beside the request that is being read */
        char *rest;                 /* what came and is not handled yet; NULL: nothing */
        size_t rest_n, rest_cap;
        struct kh_json_frame frame; /* of the first request in it */
        uint64_t since_ns;          /* when it began to be idle, or to await */
        uint64_t seq;               /* the event whose acknowledgement it awaits */
        unsigned requests;
};

static void free_rest(struct connection *c)
{
        c->owner->partial_bytes -= c->rest_cap;
        free(c->rest);
        c->rest = NULL;
        c->rest_n = c->rest_cap = 0;
}

static void close_connection(struct connection *c)
{
        struct kh_hooksock *h = c->owner;

        kh_loop_del(h->core->loop, c->slot);
        kh_list_del(&c->node);
        kh_close(c->fd);
        kh_descriptors_close(&c->with);
        free_rest(c);
        free(c);
        h->count--;
        if (h->pause_timer.at_ns) /* a descriptor is free again */
                kh_timer_set(&h->pause_timer, 1);
}

static void reject(struct connection *c, enum kh_rejection why, const char *what)
{
        c->owner->core->counters.rejected[why]++;
        kh_log(LOG_WARNING, "request rejected reason=%s uid=%u pid=%d message=\"%s\"",
                kh_rejection_name[why].p, (unsigned)c->peer.uid, (int)c->peer.pid, what);
        close_connection(c);
}

/* Keeps the N bytes at P, which may lie within `rest`. False when there is no room for them. */
static bool keep(struct connection *c, const char *p, size_t n)
{
        struct kh_hooksock *h = c->owner;
        size_t cap = c->rest_cap ? c->rest_cap : PARTIAL_MIN;
        char *rest;

        if (c->rest && p != c->rest)
                memmove(c->rest, p, n);
        while (cap < n + PARTIAL_MIN / 2)
                cap *= 2;
        if (cap > c->rest_cap) {
                if (h->partial_bytes + cap - c->rest_cap > PARTIAL_MAX_TOTAL)
                        return false;
                rest = realloc(c->rest, cap);
                if (!rest)
                        return false;
                if (!c->rest)
                        memcpy(rest, p, n);
                h->partial_bytes += cap - c->rest_cap;
                c->rest = rest;
                c->rest_cap = cap;
        }
        c->rest_n = n;
        return true;
}

static void watch(struct connection *c);

/* Where the longer text of a request lies. Its id and the operation have to be the short one's. */
static bool read_whole(struct connection *c, struct kh_request *request)
{
        static char whole[KH_REQUEST_MAX];
        enum kh_operation operation = request->operation;
        uint32_t pid = request->container.pid;
        char id[KH_ID_MAX];
        struct kh_span told = { id, request->container.id.n };
        ssize_t n = kh_descriptors_read_memfd(c->with.memfd, whole, sizeof(whole));

        kh_closep(&c->with.memfd);
        memcpy(id, request->container.id.p, told.n);
        return n > 0 && kh_request_read(whole, (size_t)n, request, NULL) == 0 &&
               kh_span_eq(request->container.id, told) && request->operation == operation &&
               request->container.pid == pid;
}

/* False when the connection is closed. */
static bool answer(struct connection *c)
{
        if (send(c->fd, "ok", 2, MSG_DONTWAIT | MSG_NOSIGNAL) == 2)
                return true;
        c->owner->core->counters.unanswered++;
        close_connection(c);
        return false;
}

enum step {
        STEP_NEXT,   /* answered: the next request may follow */
        STEP_AWAIT,  /* to be answered when subscribers have acknowledged */
        STEP_CLOSED, /* the connection is no more */
};

static enum step take(struct connection *c, char *text, size_t n)
{
        static struct kh_request request; /* 33 KB, of which little is ever touched */
        struct kh_core *core = c->owner->core;
        struct kh_told told = { .request = &request, .uid = c->peer.uid };
        uint64_t before;
        enum kh_rejection why = KH_REJECT_JSON;
        struct kh_err err;

        if (kh_request_read(text, n, &request, &err) < 0) {
                reject(c, KH_REJECT_JSON, err.msg);
                return STEP_CLOSED;
        }
        if (c->with.memfd >= 0 && !read_whole(c, &request)) {
                reject(c, KH_REJECT_MEMFD, "the memfd is not sealed or not of this container");
                return STEP_CLOSED;
        }
        kh_spool_source_catch_up(&core->spool);
        before = core->seq;
        if (c->peer.uid)
                kh_core_check_deaths(core, &request.container);
        switch (kh_peers_permit(&c->owner->peers, c->fd, &c->peer, &request, &core->inventory)) {
        case KH_DENIED:
                reject(c, KH_REJECT_PEER, "this peer may not do that");
                return STEP_CLOSED;
        case KH_PERMITTED_KNOWN:
                core->counters.requests[request.operation][KH_OUTCOME_KNOWN]++;
                kh_descriptors_close(&c->with);
                return answer(c) ? STEP_NEXT : STEP_CLOSED;
        case KH_PERMITTED:
                break;
        }
        told.source = request.detached ? KH_SOURCE_SNAPSHOT : KH_SOURCE_HOOK;
        told.pids_are_ours = c->peer.pid != 0;
        told.pidfd = kh_take_fd(&c->with.pidfd);
        told.pidfd_pid = c->with.pidfd_pid;
        if (kh_core_take(core, &told, &why) == KH_OUTCOME_REFUSED) {
                kh_log(LOG_WARNING, "request rejected reason=%s uid=%u pid=%d",
                        kh_rejection_name[why].p, (unsigned)c->peer.uid, (int)c->peer.pid);
                close_connection(c);
                return STEP_CLOSED;
        }
        if (core->seq != before && kh_subscribers_await(&core->subscribers, core->seq))
                return STEP_AWAIT;
        return answer(c) ? STEP_NEXT : STEP_CLOSED;
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void await(struct connection *c)
{
        struct kh_hooksock *h = c->owner;

        /* Not watched meanwhile: what it sends next is read after its answer. */
        kh_loop_del(h->core->loop, c->slot);
        c->slot = -EBADF;
        c->seq = h->core->seq;
        c->since_ns = kh_clock_ns();
        kh_list_del(&c->node);
        kh_list_append(&h->awaiting, &c->node);
        kh_timer_advance(&h->await_timer, c->since_ns + AWAIT_NS);
}

/* Answered, and nothing else has come: most likely it is about to be closed. */
static void settle(struct connection *c)
{
        struct kh_hooksock *h = c->owner;

        free_rest(c);
        if (c->slot >= 0) {
                c->since_ns = kh_clock_ns();
                kh_list_del(&c->node);
                kh_list_append(&h->watched, &c->node);
                return;
        }
        if (c->requests > 1) {
                watch(c);
                return;
        }
        if (kh_list_is_empty(&h->fresh))
                kh_timer_advance(&h->fresh_timer, kh_clock_ns() + FRESH_NS);
        kh_list_del(&c->node);
        kh_list_append(&h->fresh, &c->node);
}

/*
 * Like kh_json_frame(); most requests come whole, and to skip a value is faster than to frame it.
 */
static ptrdiff_t request_length(struct connection *c, char *text, size_t n)
{
        struct kh_json j = kh_json_of(text, n);

        if (!c->frame.scanned && text[0] == '{' && kh_json_skip(&j))
                return j.p - text;
        return kh_json_frame(&c->frame, text, n);
}

/* The requests in TEXT, one by one. */
static void handle(struct connection *c, char *text, size_t n)
{
        for (size_t at = 0;;) {
                ptrdiff_t length;
                enum step step;

                while (!c->frame.scanned && at < n && is_blank(text[at]))
                        at++;
                if (at == n) {
                        settle(c);
                        return;
                }
                length = request_length(c, text + at, n - at);
                if (length < 0) {
                        reject(c, KH_REJECT_JSON, "this is no JSON object");
                        return;
                }
                if (length > KH_REQUEST_MAX || (length == 0 && n - at >= KH_REQUEST_MAX) ||
                        (length == 0 && !keep(c, text + at, n - at))) {
                        reject(c, KH_REJECT_SIZE, "the request is too long");
                        return;
                }
                if (length == 0) {
                        if (c->slot < 0)
                                watch(c);
                        return;
                }
                c->frame = (struct kh_json_frame){ 0 };
                c->requests++;
                step = take(c, text + at, (size_t)length);
                at += (size_t)length;
                if (step == STEP_CLOSED)
                        return;
                if (step == STEP_NEXT)
                        continue;
                if (at < n && !keep(c, text + at, n - at)) {
                        reject(c, KH_REJECT_SIZE, "too many requests at once");
                        return;
                }
                if (at == n)
                        free_rest(c);
                await(c);
                return;
        }
}

/* Reads what has come; false when that was nothing, or the end. */
static bool receive(struct connection *c)
{
        static char inbox[INBOX];
        char *text = c->rest ? c->rest : inbox;
        size_t cap = c->rest ? c->rest_cap : sizeof(inbox);
        ssize_t n = kh_descriptors_receive(&c->with, c->fd, text + c->rest_n, cap - c->rest_n);

        if (n == -EAGAIN || n == -EINTR)
                return false;
        if (n <= 0) {
                if (c->rest)
                        reject(c, KH_REJECT_JSON, "the peer closed in the middle of a request");
                else
                        close_connection(c);
                return true;
        }
        handle(c, text, c->rest_n + (size_t)n);
        return true;
}

static void on_connection_ready(void *arg, uint32_t events)
{
        struct connection *c = arg;

        (void)events;
        (void)receive(c);
}

static void watch(struct connection *c)
{
        struct kh_hooksock *h = c->owner;

        c->slot = kh_loop_add(h->core->loop, c->fd, EPOLLIN, on_connection_ready, c);
        if (c->slot < 0) {
                close_connection(c);
                return;
        }
        c->since_ns = kh_clock_ns();
        kh_list_del(&c->node);
        kh_list_append(&h->watched, &c->node);
        kh_timer_advance(&h->idle_timer, c->since_ns + (h->draining ? DRAIN_NS : IDLE_NS));
}

/*
 * The first N of those that were answered: closed by now, or with another request, or still there.
 */
static void look_at_fresh(struct kh_hooksock *h, unsigned n)
{
        for (; n && !kh_list_is_empty(&h->fresh); n--) {
                struct kh_list *node = h->fresh.next;

                kh_list_del(node);
                kh_list_append(&h->fresh, node);
                (void)receive(kh_container_of(node, struct connection, node));
        }
}

static void watch_fresh(void *arg)
{
        struct kh_hooksock *h = arg;

        kh_list_for_each(node, next, &h->fresh) {
                struct connection *c = kh_container_of(node, struct connection, node);

                if (!receive(c))
                        watch(c);
        }
}

static void close_idle(void *arg)
{
        struct kh_hooksock *h = arg;
        uint64_t now = kh_clock_ns(), patience = h->draining ? DRAIN_NS : IDLE_NS;

        kh_list_for_each(node, next, &h->watched) {
                struct connection *c = kh_container_of(node, struct connection, node);

                if (c->since_ns + patience > now) {
                        kh_timer_advance(&h->idle_timer, c->since_ns + patience);
                        return;
                }
                if (c->rest || c->requests == 0)
                        h->core->counters.rejected[KH_REJECT_IDLE]++;
                close_connection(c);
        }
}

/* What is answered now may be followed by requests that came meanwhile. */
static void answer_awaiting(struct connection *c)
{
        struct kh_hooksock *h = c->owner;

        kh_list_del(&c->node);
        kh_list_append(&h->fresh, &c->node);
        if (!answer(c))
                return;
        if (c->rest)
                handle(c, c->rest, c->rest_n);
        else
                watch(c);
}

static void release(struct kh_hooksock *h, bool expired)
{
        uint64_t now = kh_clock_ns();

        kh_list_for_each(node, next, &h->awaiting) {
                struct connection *c = kh_container_of(node, struct connection, node);
                bool late = expired && c->since_ns + AWAIT_NS <= now;

                if (!late && kh_subscribers_await(&h->core->subscribers, c->seq)) {
                        kh_timer_advance(&h->await_timer, c->since_ns + AWAIT_NS);
                        return;
                }
                h->core->counters.ack_timeouts += late;
                answer_awaiting(c);
        }
}

static void release_expired(void *arg)
{
        release(arg, true);
}

static void release_deferred(struct kh_deferred *d)
{
        struct kh_hooksock *h = kh_container_of(d, struct kh_hooksock, release);

        h->release_pending = false;
        release(h, false);
}

/* An acknowledgement came; the subscribers' list is being walked, so the rest is done later. */
static void on_acknowledged(void *arg)
{
        struct kh_hooksock *h = arg;

        if (h->release_pending || kh_list_is_empty(&h->awaiting))
                return;
        h->release_pending = true;
        kh_loop_defer(h->core->loop, &h->release);
}

/* Not to accept leaves hooks in the backlog, where they wait until their deadline. */
static void pause_accepting(struct kh_hooksock *h)
{
        h->core->counters.accept_pauses++;
        (void)kh_loop_change(h->core->loop, h->slot, 0);
        kh_timer_set(&h->pause_timer, kh_clock_ns() + PAUSE_NS);
        kh_log(LOG_WARNING, "accepting paused connections=%u message=\"%s\"", h->count,
                h->count >= h->max ? "too many connections" : "no descriptors left");
}

static void resume(void *arg)
{
        struct kh_hooksock *h = arg;

        if (h->slot >= 0)
                (void)kh_loop_change(h->core->loop, h->slot, EPOLLIN);
}

/* The one that has been idle for the longest gives its place to a hook, which is never idle. */
static bool make_room(struct kh_hooksock *h)
{
        if (kh_list_is_empty(&h->watched))
                return false;
        h->core->counters.rejected[KH_REJECT_IDLE]++;
        close_connection(kh_container_of(h->watched.next, struct connection, node));
        return true;
}

static void admit(struct kh_hooksock *h, int fd)
{
        struct connection *c = malloc(sizeof(*c));

        if (!c) {
                kh_close(fd);
                return;
        }
        *c = (struct connection){ .owner = h,
                .fd = fd,
                .slot = -EBADF,
                .with = KH_NO_DESCRIPTORS,
                .peer = kh_peers_look_at(&h->peers, fd) };
        kh_list_init(&c->node);
        h->count++;
        if (!receive(c))
                watch(c);
}

/* False when nobody else is there. */
static bool accept_one(struct kh_hooksock *h)
{
        int fd;

        if (h->count >= h->max && !make_room(h)) {
                pause_accepting(h);
                return false;
        }
        fd = accept4(h->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
                admit(h, fd);
                return true;
        }
        if (errno == ECONNABORTED || errno == EINTR)
                return true;
        if (errno != EAGAIN && !make_room(h))
                pause_accepting(h);
        return false;
}

static void on_listener_ready(void *arg, uint32_t events)
{
        struct kh_hooksock *h = arg;

        (void)events;
        look_at_fresh(h, FRESH_A_TURN);
        /* One a turn: to ask whether there is another costs as much as to be told by the loop. */
        (void)accept_one(h);
}

int kh_hooksock_init(struct kh_hooksock *h, struct kh_core *core, unsigned max, struct kh_err *err)
{
        *h = (struct kh_hooksock){ .core = core, .max = max, .listener = -EBADF, .slot = -EBADF };
        kh_list_init(&h->fresh);
        kh_list_init(&h->watched);
        kh_list_init(&h->awaiting);
        h->release.fn = release_deferred;
        kh_timer_init(core->loop, &h->fresh_timer, watch_fresh, h);
        kh_timer_init(core->loop, &h->idle_timer, close_idle, h);
        kh_timer_init(core->loop, &h->await_timer, release_expired, h);
        kh_timer_init(core->loop, &h->pause_timer, resume, h);
        core->subscribers.acknowledged = on_acknowledged;
        core->subscribers.acknowledged_arg = h;
        return kh_peers_init(&h->peers, err);
}

int kh_hooksock_listen(struct kh_hooksock *h, int listener)
{
        h->listener = listener;
        h->slot = kh_loop_add(h->core->loop, listener, EPOLLIN, on_listener_ready, h);
        return h->slot < 0 ? h->slot : 0;
}

void kh_hooksock_drain(struct kh_hooksock *h)
{
        for (int i = 0; i < DRAINED_MAX && accept_one(h); i++)
                ;
        kh_loop_del(h->core->loop, h->slot);
        h->slot = -EBADF;
        h->draining = true;
        kh_list_for_each(node, next, &h->fresh) {
                struct connection *c = kh_container_of(node, struct connection, node);

                if (!receive(c))
                        close_connection(c);
        }
        close_idle(h);
}

void kh_hooksock_done(struct kh_hooksock *h)
{
        struct kh_list *lists[] = { &h->fresh, &h->watched, &h->awaiting };

        for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
                kh_list_for_each(node, next, lists[i])
                        close_connection(kh_container_of(node, struct connection, node));
        }
        kh_peers_done(&h->peers);
}
