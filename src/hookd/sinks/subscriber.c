/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/subscriber.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "hookd/core.h"
#include "hookd/log.h"
#include "hookd/timestamp.h"

#include <sys/epoll.h>
#include <sys/socket.h>

/* For a request to come, and for anything at all to be taken by a client that has more to get. */
#define ASKING_NS  (5 * KH_NS_PER_S)
#define STALLED_NS (30 * KH_NS_PER_S)
#define ENDING_NS  (2 * KH_NS_PER_S)

enum { TO_BE_REFUSED = 8 };

static bool may_read(const struct kh_subscribers *s, uid_t uid)
{
        if (uid == 0 || uid == geteuid())
                return true;
        for (size_t i = 0; i < s->readers_n; i++) {
                if (s->readers[i] == uid)
                        return true;
        }
        return false;
}

static void count(const struct kh_subscriber *c, int n)
{
        struct kh_subscribers *s = c->owner;

        if (!c->may_read) {
                s->strangers += (unsigned)n;
                return;
        }
        s->count += (unsigned)n;
        s->non_root += c->uid != 0 ? (unsigned)n : 0;
}

/* A few above each bound are let in all the same, to be told so. */
static bool is_beyond_telling(const struct kh_subscribers *s, const struct kh_subscriber *c)
{
        if (!c->may_read)
                return s->strangers >= TO_BE_REFUSED;
        return s->count >= s->max + TO_BE_REFUSED ||
               (c->uid != 0 && s->non_root >= s->max - s->max / 4 + TO_BE_REFUSED);
}

static void free_subscriber(struct kh_deferred *d)
{
        struct kh_subscriber *c = kh_container_of(d, struct kh_subscriber, deferred);

        kh_list_del(&c->node);
        kh_outbox_done(&c->outbox);
        kh_outbox_done(&c->later);
        free(c);
}

void kh_subscriber_drop(struct kh_subscriber *c)
{
        struct kh_subscribers *s = c->owner;

        if (c->phase == KH_SUB_GONE)
                return;
        kh_loop_del(s->core->loop, c->slot);
        kh_closep(&c->fd);
        count(c, -1);
        if (!c->counted)
                s->core->counters.disconnects[KH_GONE_CLOSED]++;
        if (c->query.kind == KH_QUERY_SUBSCRIBE &&
                (c->phase == KH_SUB_LIVE || c->phase == KH_SUB_SNAPSHOT))
                s->subscribed--;
        c->phase = KH_SUB_GONE;
        kh_loop_defer(s->core->loop, &c->deferred);
        if (c->query.acknowledge && s->acknowledged)
                s->acknowledged(s->acknowledged_arg);
}

/* For writing when it has something to get, for reading unless it is deaf. */
void kh_subscriber_watch(struct kh_subscriber *c)
{
        uint32_t events = c->deaf || c->phase == KH_SUB_ENDING ? 0 : EPOLLIN;

        if (c->phase == KH_SUB_SNAPSHOT || !kh_outbox_is_empty(&c->outbox))
                events |= EPOLLOUT;
        if (events == c->events)
                return;
        c->events = events;
        if (kh_loop_change(c->owner->core->loop, c->slot, events) < 0)
                kh_subscriber_drop(c);
}

void kh_subscriber_set_phase(struct kh_subscriber *c, enum kh_subscriber_phase phase)
{
        bool was = c->phase == KH_SUB_LIVE || c->phase == KH_SUB_SNAPSHOT;
        bool is = phase == KH_SUB_LIVE || phase == KH_SUB_SNAPSHOT;

        if (c->query.kind == KH_QUERY_SUBSCRIBE)
                c->owner->subscribed += (unsigned)is - (unsigned)was;
        c->phase = phase;
        c->moved_ns = kh_clock_ns();
        kh_subscribers_look_later(c->owner, c->moved_ns);
}

void kh_subscriber_finish(struct kh_subscriber *c)
{
        if (c->phase == KH_SUB_ENDING && kh_outbox_is_empty(&c->outbox))
                kh_subscriber_drop(c);
        else if (c->phase != KH_SUB_GONE)
                kh_subscriber_watch(c);
}

void kh_subscriber_end(struct kh_subscriber *c, struct kh_span error, const char *message)
{
        char line[512];
        struct kh_buf b = kh_buf_of(line, sizeof(line));
        struct kh_shared *shared = NULL;

        kh_line_error(&b, error, message);
        kh_subscriber_set_phase(c, KH_SUB_ENDING);
        kh_outbox_done(&c->later);
        if (kh_outbox_write(&c->outbox, c->fd, (struct kh_span[]){ kh_buf_view(&b) }, 1, &shared) <
                0)
                kh_subscriber_drop(c);
        kh_shared_unref(shared);
        kh_subscriber_finish(c);
}

void kh_subscriber_count_end(struct kh_subscriber *c, enum kh_disconnect why)
{
        c->owner->core->counters.disconnects[why]++;
        c->counted = true;
}

static void cut_off(struct kh_subscriber *c)
{
        kh_log(LOG_WARNING, "subscriber dropped reason=slow uid=%u queued=%zu", (unsigned)c->uid,
                c->outbox.bytes + c->later.bytes);
        kh_subscriber_count_end(c, KH_GONE_SLOW);
        kh_outbox_cut(&c->outbox);
        kh_subscriber_end(c, KH_SPAN("slow-subscriber"),
                "events came faster than they were read; connect again for a new snapshot");
        if (c->query.acknowledge && c->owner->acknowledged)
                c->owner->acknowledged(c->owner->acknowledged_arg);
}

void kh_subscriber_give(
        struct kh_subscriber *c, const struct kh_span *pieces, size_t n, struct kh_shared **shared)
{
        int r;

        if (c->outbox.bytes + c->later.bytes > KH_OUTBOX_MAX)
                r = -ENOBUFS;
        else if (c->phase == KH_SUB_SNAPSHOT)
                r = kh_outbox_queue(&c->later, pieces, n, shared);
        else
                r = kh_outbox_write(&c->outbox, c->fd, pieces, n, shared);
        if (r == -ENOBUFS || r == -ENOMEM)
                cut_off(c);
        else if (r < 0)
                kh_subscriber_drop(c);
        else if (c->phase != KH_SUB_SNAPSHOT)
                kh_subscriber_watch(c);
}

void kh_subscriber_give_text(struct kh_subscriber *c, struct kh_span text)
{
        struct kh_shared *shared = NULL;

        kh_subscriber_give(c, &text, 1, &shared);
        kh_shared_unref(shared);
}

static void on_client(void *arg, uint32_t events)
{
        struct kh_subscriber *c = arg;

        if (events & (EPOLLHUP | EPOLLERR)) {
                kh_subscriber_drop(c);
                return;
        }
        if (events & EPOLLIN)
                kh_subscriber_receive(c);
        if (!(events & EPOLLOUT) || c->phase == KH_SUB_GONE)
                return;
        if (kh_outbox_flush(&c->outbox, c->fd) < 0) {
                kh_subscriber_drop(c);
                return;
        }
        c->moved_ns = kh_clock_ns();
        if (c->phase == KH_SUB_SNAPSHOT && kh_outbox_is_empty(&c->outbox))
                kh_subscriber_go_on(c);
        else
                kh_subscriber_finish(c);
}

void kh_subscriber_admit(struct kh_subscribers *s, int fd)
{
        struct ucred peer = { .uid = (uid_t)-1 };
        socklen_t size = sizeof(peer);
        struct kh_subscriber *c = calloc(1, sizeof(*c));

        if (!c) {
                kh_close(fd);
                return;
        }
        (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
        c->owner = s;
        c->fd = fd;
        c->uid = peer.uid;
        c->may_read = may_read(s, peer.uid);
        c->query.kind = KH_QUERY_LIST;
        c->events = EPOLLIN;
        c->deferred.fn = free_subscriber;
        kh_outbox_init(&c->outbox);
        kh_outbox_init(&c->later);
        c->slot = is_beyond_telling(s, c) ? -EUSERS
                                          : kh_loop_add(s->core->loop, fd, EPOLLIN, on_client, c);
        if (c->slot < 0) {
                kh_close(fd);
                free(c);
                return;
        }
        kh_list_append(&s->all, &c->node);
        count(c, 1);
        kh_subscriber_set_phase(c, KH_SUB_ASKING);
}

static uint64_t patience(const struct kh_subscriber *c)
{
        switch (c->phase) {
        case KH_SUB_ASKING:
                return ASKING_NS;
        case KH_SUB_ENDING:
                return ENDING_NS;
        default:
                return STALLED_NS;
        }
}

bool kh_subscriber_look(struct kh_subscriber *c, uint64_t now)
{
        if (c->phase == KH_SUB_GONE || (c->phase == KH_SUB_LIVE && kh_outbox_is_empty(&c->outbox)))
                return false;
        if (now - c->moved_ns < patience(c))
                return true;
        if (c->phase == KH_SUB_ASKING)
                kh_subscriber_end(c, KH_SPAN("bad-request"), "no request came in time");
        else if (c->phase == KH_SUB_ENDING)
                kh_subscriber_drop(c);
        else
                cut_off(c);
        return true;
}

void kh_subscriber_free(struct kh_subscriber *c)
{
        if (c->phase == KH_SUB_GONE)
                return;
        kh_close(c->fd);
        free_subscriber(&c->deferred);
}
