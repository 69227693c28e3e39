/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/subscribers.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "hookd/core.h"
#include "hookd/sinks/subscriber.h"
#include "hookd/timestamp.h"

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

enum { ACCEPTS_A_TURN = 16 };

static void on_connection(void *arg, uint32_t events)
{
        struct kh_subscribers *s = arg;

        (void)events;
        for (int i = 0; i < ACCEPTS_A_TURN; i++) {
                int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd >= 0) {
                        kh_subscriber_admit(s, fd);
                        continue;
                }
                if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
                        /* Until the next second, when the timer looks again. */
                        (void)kh_loop_change(s->core->loop, s->slot, 0);
                        kh_subscribers_look_later(s, kh_clock_ns());
                }
                return;
        }
}

static void look_for_stalled(void *arg)
{
        struct kh_subscribers *s = arg;
        uint64_t now = kh_clock_ns();

        if (s->slot >= 0)
                (void)kh_loop_change(s->core->loop, s->slot, EPOLLIN);
        kh_list_for_each(node, next, &s->all) {
                if (kh_subscriber_look(kh_container_of(node, struct kh_subscriber, node), now))
                        kh_subscribers_look_later(s, now);
        }
}

int kh_subscribers_init(
        struct kh_subscribers *s, struct kh_core *core, unsigned max, struct kh_err *err)
{
        static const char hex[] = "0123456789abcdef";
        unsigned char random[(KH_INSTANCE_SIZE - 1) / 2];

        *s = (struct kh_subscribers){
                .core = core, .max = max, .listener = -EBADF, .slot = -EBADF
        };
        kh_list_init(&s->all);
        kh_timer_init(core->loop, &s->timer, look_for_stalled, s);
        if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
                return kh_fail(err, -errno, "get random bytes: %s", kh_strerror(errno));
        for (size_t i = 0; i < sizeof(random); i++) {
                s->instance[2 * i] = hex[random[i] >> 4];
                s->instance[2 * i + 1] = hex[random[i] & 15];
        }
        return 0;
}

int kh_subscribers_listen(struct kh_subscribers *s, int listener)
{
        s->listener = listener;
        s->slot = kh_loop_add(s->core->loop, listener, EPOLLIN, on_connection, s);
        return s->slot < 0 ? s->slot : 0;
}

void kh_subscribers_tell(
        struct kh_subscribers *s, const struct kh_change *change, uint64_t seq, uint64_t real_ns)
{
        struct kh_shared *shared = NULL;
        struct kh_line line;

        line.piece[0].p = NULL;
        kh_list_for_each(node, next, &s->all) {
                struct kh_subscriber *c = kh_container_of(node, struct kh_subscriber, node);

                if (!kh_subscriber_is_concerned(c, change))
                        continue;
                if (!line.piece[0].p)
                        kh_line_event(&line, change, seq, real_ns);
                c->sent = seq;
                kh_subscriber_give(c, line.piece, 3, &shared);
        }
        kh_shared_unref(shared);
}

bool kh_subscribers_await(const struct kh_subscribers *s, uint64_t seq)
{
        kh_list_for_each(node, next, &s->all) {
                const struct kh_subscriber *c = kh_container_of(node, struct kh_subscriber, node);

                if (c->query.acknowledge &&
                        (c->phase == KH_SUB_LIVE || c->phase == KH_SUB_SNAPSHOT) &&
                        c->acked < c->sent && c->acked < seq)
                        return true;
        }
        return false;
}

size_t kh_subscribers_queued(const struct kh_subscribers *s)
{
        size_t bytes = 0;

        kh_list_for_each(node, next, &s->all) {
                const struct kh_subscriber *c = kh_container_of(node, struct kh_subscriber, node);

                bytes += c->outbox.bytes + c->later.bytes;
        }
        return bytes;
}

void kh_subscribers_shutdown(struct kh_subscribers *s)
{
        kh_loop_del(s->core->loop, s->slot);
        s->slot = -EBADF;
        kh_list_for_each(node, next, &s->all) {
                struct kh_subscriber *c = kh_container_of(node, struct kh_subscriber, node);

                if (c->phase == KH_SUB_ASKING || c->phase == KH_SUB_SNAPSHOT ||
                        c->phase == KH_SUB_LIVE)
                        kh_subscriber_end(c, KH_SPAN("shutdown"), "the listener ends");
        }
}

void kh_subscribers_done(struct kh_subscribers *s)
{
        kh_list_for_each(node, next, &s->all)
                kh_subscriber_free(kh_container_of(node, struct kh_subscriber, node));
}
