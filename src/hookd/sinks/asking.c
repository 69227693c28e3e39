/* SPDX-License-Identifier: Apache-2.0 */
/* What a client asks for, whether it may, and its answers to what it is told. */
#include "hookd/core.h"
#include "hookd/sinks/metrics.h"
#include "hookd/sinks/status.h"
#include "hookd/sinks/subscriber.h"
#include "json/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
        /* Of status or metrics, which grow with nothing but runtimes' names. */
        REPORT_MAX = 64 * 1024,
};

static void give_found(void *arg, const struct kh_entry *e)
{
        struct kh_subscriber *c = arg;
        struct kh_shared *shared = NULL;
        struct kh_line line;

        if (c->phase != KH_SUB_LIVE)
                return;
        kh_line_snapshot(&line, e);
        kh_subscriber_give(c, line.piece, 3, &shared);
        kh_shared_unref(shared);
}

static void look_up(struct kh_subscriber *c)
{
        const struct kh_core *core = c->owner->core;
        bool ambiguous;
        char text[256];
        struct kh_buf b = kh_buf_of(text, sizeof(text));
        size_t n;

        kh_subscriber_set_phase(c, KH_SUB_LIVE);
        n = kh_query_lookup(&c->query, &core->inventory, give_found, c, &ambiguous);
        if (c->phase != KH_SUB_LIVE)
                return;
        if (ambiguous) {
                kh_subscriber_end(c, KH_SPAN("ambiguous"),
                        "several containers' ids begin so; give more of it");
                return;
        }
        kh_line_synced(&b, c->owner->instance, core->seq, n);
        kh_subscriber_give_text(c, kh_buf_view(&b));
        if (c->phase == KH_SUB_LIVE)
                kh_subscriber_set_phase(c, KH_SUB_ENDING);
        kh_subscriber_finish(c);
}

static void report(struct kh_subscriber *c)
{
        char *text = malloc(REPORT_MAX);
        struct kh_buf b = kh_buf_of(text, text ? REPORT_MAX : 0);

        if (c->query.kind == KH_QUERY_STATUS)
                kh_status_write(&b, c->owner->core);
        else
                kh_metrics_write(&b, c->owner->core);
        kh_subscriber_set_phase(c, KH_SUB_ENDING);
        if (b.over)
                kh_subscriber_drop(c);
        else
                kh_subscriber_give_text(c, kh_buf_view(&b));
        free(text);
        kh_subscriber_finish(c);
}

/*
 * Only now that the request was read: who closes with unread input takes back what it has written.
 */
static bool refuse(struct kh_subscriber *c)
{
        const struct kh_subscribers *s = c->owner;
        bool full = s->count > s->max || (c->uid != 0 && s->non_root > s->max - s->max / 4);

        if (c->may_read && !full)
                return false;
        kh_subscriber_count_end(c, KH_GONE_REFUSED);
        if (!c->may_read)
                kh_subscriber_end(c, KH_SPAN("not-permitted"),
                        "this user may not read; root can allow it with --allow-reader");
        else
                kh_subscriber_end(
                        c, KH_SPAN("too-many-subscribers"), "too many clients are connected");
        return true;
}

static void serve(struct kh_subscriber *c, size_t line_n)
{
        const char *wrong;

        if (refuse(c))
                return;
        wrong = kh_query_read(c->in, line_n, &c->query);

        if (wrong) {
                c->query = (struct kh_query){ .kind = KH_QUERY_LIST };
                kh_subscriber_end(c, KH_SPAN("bad-request"), wrong);
                return;
        }
        switch (c->query.kind) {
        case KH_QUERY_SUBSCRIBE:
        case KH_QUERY_LIST:
                kh_subscriber_start_snapshot(c);
                break;
        case KH_QUERY_LOOKUP:
                look_up(c);
                break;
        case KH_QUERY_STATUS:
        case KH_QUERY_METRICS:
                report(c);
                break;
        }
}

static void take_ack(struct kh_subscriber *c, char *text, size_t n)
{
        struct kh_json j = kh_json_of(text, n);
        struct kh_span key;
        uint64_t seq = 0;

        if (!kh_json_enter_object(&j))
                return;
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("ack")))
                        kh_json_u64(&j, UINT64_MAX, &seq);
                else
                        kh_json_skip(&j);
        }
        if (!kh_json_end(&j) || seq <= c->acked)
                return;
        c->acked = seq;
        if (c->owner->acknowledged)
                c->owner->acknowledged(c->owner->acknowledged_arg);
}

/* Lines of a client that was served: acknowledgements; others mean nothing. */
static void take_lines(struct kh_subscriber *c, const char *p, size_t n)
{
        for (size_t i = 0; i < n && c->query.acknowledge; i++) {
                if (p[i] != '\n') {
                        if (c->ack_n < sizeof(c->ack))
                                c->ack[c->ack_n] = p[i];
                        c->ack_n += c->ack_n <= sizeof(c->ack);
                        continue;
                }
                if (c->ack_n <= sizeof(c->ack))
                        take_ack(c, c->ack, c->ack_n);
                c->ack_n = 0;
        }
}

static void take_request(struct kh_subscriber *c, const char *p, size_t n, bool last)
{
        const char *newline = n ? memchr(p, '\n', n) : NULL;
        size_t line_n = newline ? (size_t)(newline - p) : n;

        if (line_n > sizeof(c->in) - c->in_n) {
                kh_subscriber_end(
                        c, KH_SPAN("bad-request"), "the request is longer than 4096 bytes");
                return;
        }
        if (line_n)
                memcpy(c->in + c->in_n, p, line_n);
        c->in_n += line_n;
        if (!newline && !last)
                return;
        serve(c, c->in_n);
        if (newline && (c->phase == KH_SUB_LIVE || c->phase == KH_SUB_SNAPSHOT))
                take_lines(c, newline + 1, n - line_n - 1);
}

void kh_subscriber_receive(struct kh_subscriber *c)
{
        char text[KH_QUERY_MAX];
        ssize_t n = recv(c->fd, text, sizeof(text), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n < 0) {
                kh_subscriber_drop(c);
                return;
        }
        c->deaf |= n == 0;
        if (c->phase == KH_SUB_ASKING && n == 0 && c->in_n == 0)
                kh_subscriber_drop(c);
        else if (c->phase == KH_SUB_ASKING)
                take_request(c, text, (size_t)n, n == 0);
        else
                take_lines(c, text, (size_t)n);
        kh_subscriber_finish(c);
}
