/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/subscribers.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "hookd/core.h"
#include "hookd/log.h"
#include "hookd/sinks/metrics.h"
#include "hookd/sinks/outbox.h"
#include "hookd/sinks/query.h"
#include "hookd/sinks/status.h"
#include "hookd/timestamp.h"
#include "json/reader.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

enum {
        ACCEPTS_A_TURN = 16,
        TO_BE_REFUSED = 8, /* clients above the bound that are told so; others are just closed */
        CHUNK = 64 * 1024, /* of a snapshot: lines a system call, about thirty */
        CHUNKS_A_TURN = 4,
        ACK_MAX = 64, /* {"ack":N} with some blanks */
        REPORT_MAX =
                64 * 1024, /* of status or metrics, which grow with nothing but runtimes' names */
};

/* For a request to come, and for anything at all to be taken by a client that has more to get. */
#define ASKING_NS  (5 * KH_NS_PER_S)
#define STALLED_NS (30 * KH_NS_PER_S)
#define ENDING_NS  (2 * KH_NS_PER_S)

enum phase {
        ASKING,   /* its request is not whole yet */
        SNAPSHOT, /* gets what there is; what happens meanwhile waits in `later` */
        LIVE,
        ENDING, /* gets what is in its outbox, then nothing */
        GONE,   /* to be freed at the end of the turn */
};

struct subscriber {
        struct kh_list node;
        struct kh_deferred deferred;
        struct kh_subscribers *owner;
        int fd, slot;
        uid_t uid;
        enum phase phase;
        bool counted;          /* its end is, as another than the usual one */
        bool deaf;             /* it sends no more */
        uint32_t events;       /* watched for */
        uint64_t moved_ns;     /* when something was last taken or given */
        struct kh_query query; /* its spans point into `in` */
        struct kh_outbox outbox, later;
        const struct kh_entry *cursor; /* of the snapshot: the next one; NULL at its end */
        uint64_t last_serial;          /* of the snapshot: later births are events */
        uint64_t snapshot_seq, snapshot_count;
        /* Of one that acknowledges: the last event that it was sent, that it acked. */
        uint64_t sent, acked;
        size_t in_n, ack_n;
        char ack[ACK_MAX];
        char in[KH_QUERY_MAX];
};

static void free_subscriber(struct kh_deferred *d)
{
        struct subscriber *c = kh_container_of(d, struct subscriber, deferred);

        kh_list_del(&c->node);
        kh_outbox_done(&c->outbox);
        kh_outbox_done(&c->later);
        free(c);
}

/* Its memory stays until the end of the turn: somebody may be walking the list. */
static void drop(struct subscriber *c)
{
        struct kh_subscribers *s = c->owner;

        if (c->phase == GONE)
                return;
        kh_loop_del(s->core->loop, c->slot);
        kh_closep(&c->fd);
        s->count--;
        s->non_root -= c->uid != 0;
        if (!c->counted)
                s->core->counters.disconnects[KH_GONE_CLOSED]++;
        if (c->query.kind == KH_QUERY_SUBSCRIBE && (c->phase == LIVE || c->phase == SNAPSHOT))
                s->subscribed--;
        c->phase = GONE;
        kh_loop_defer(s->core->loop, &c->deferred);
        if (c->query.acknowledge && s->acknowledged)
                s->acknowledged(s->acknowledged_arg);
}

/* Watches for what it can still do: write when it has something to get, read unless it is deaf. */
static void watch(struct subscriber *c)
{
        uint32_t events = c->deaf || c->phase == ENDING ? 0 : EPOLLIN;

        if (c->phase == SNAPSHOT || !kh_outbox_is_empty(&c->outbox))
                events |= EPOLLOUT;
        if (events == c->events)
                return;
        c->events = events;
        if (kh_loop_change(c->owner->core->loop, c->slot, events) < 0)
                drop(c);
}

static void need_timer(struct kh_subscribers *s, uint64_t now)
{
        kh_timer_advance(&s->timer, now + KH_NS_PER_S);
}

static void set_phase(struct subscriber *c, enum phase phase)
{
        bool was = c->phase == LIVE || c->phase == SNAPSHOT;
        bool is = phase == LIVE || phase == SNAPSHOT;

        if (c->query.kind == KH_QUERY_SUBSCRIBE)
                c->owner->subscribed += (unsigned)is - (unsigned)was;
        c->phase = phase;
        c->moved_ns = kh_clock_ns();
        need_timer(c->owner, c->moved_ns);
}

static void finish_if_drained(struct subscriber *c)
{
        if (c->phase == ENDING && kh_outbox_is_empty(&c->outbox))
                drop(c);
        else if (c->phase != GONE)
                watch(c);
}

/* The last line of this client: it ends when that is written, or soon. */
static void end(struct subscriber *c, struct kh_span error, const char *message)
{
        char line[512];
        struct kh_buf b = kh_buf_of(line, sizeof(line));
        struct kh_shared *shared = NULL;

        kh_line_error(&b, error, message);
        set_phase(c, ENDING);
        kh_outbox_done(&c->later);
        if (kh_outbox_write(&c->outbox, c->fd, (struct kh_span[]){ kh_buf_view(&b) }, 1, &shared) <
                0)
                drop(c);
        kh_shared_unref(shared);
        finish_if_drained(c);
}

static void count_end(struct subscriber *c, enum kh_disconnect why)
{
        c->owner->core->counters.disconnects[why]++;
        c->counted = true;
}

static void cut_off(struct subscriber *c)
{
        kh_log(LOG_WARNING, "subscriber dropped reason=slow uid=%u queued=%zu", (unsigned)c->uid,
                c->outbox.bytes + c->later.bytes);
        count_end(c, KH_GONE_SLOW);
        kh_outbox_cut(&c->outbox);
        end(c, KH_SPAN("slow-subscriber"),
                "events came faster than they were read; connect again for a new snapshot");
        if (c->query.acknowledge && c->owner->acknowledged)
                c->owner->acknowledged(c->owner->acknowledged_arg);
}

/* One line, now or, during a snapshot, behind it. */
static void give(
        struct subscriber *c, const struct kh_span *pieces, size_t n, struct kh_shared **shared)
{
        int r;

        if (c->outbox.bytes + c->later.bytes > KH_OUTBOX_MAX)
                r = -ENOBUFS;
        else if (c->phase == SNAPSHOT)
                r = kh_outbox_queue(&c->later, pieces, n, shared);
        else
                r = kh_outbox_write(&c->outbox, c->fd, pieces, n, shared);
        if (r == -ENOBUFS || r == -ENOMEM)
                cut_off(c);
        else if (r < 0)
                drop(c);
        else if (c->phase != SNAPSHOT)
                watch(c);
}

static void give_text(struct subscriber *c, struct kh_span text)
{
        struct kh_shared *shared = NULL;

        give(c, &text, 1, &shared);
        kh_shared_unref(shared);
}

static const struct kh_entry *entry_after(
        const struct kh_inventory *inv, const struct kh_list *node)
{
        return node->next == &inv->all ? NULL : kh_container_of(node->next, struct kh_entry, all);
}

/* The marker, then what happened meanwhile. */
static void end_snapshot(struct subscriber *c)
{
        char text[256];
        struct kh_buf b = kh_buf_of(text, sizeof(text));

        kh_line_synced(&b, c->owner->instance, c->snapshot_seq, c->snapshot_count);
        set_phase(c, c->query.kind == KH_QUERY_SUBSCRIBE ? LIVE : ENDING);
        give_text(c, kh_buf_view(&b));
        if (c->phase == GONE)
                return;
        kh_outbox_move(&c->outbox, &c->later);
        if (kh_outbox_flush(&c->outbox, c->fd) < 0)
                drop(c);
        finish_if_drained(c);
}

/* Gathers lines of the snapshot from the cursor on; one that is larger than the room goes alone. */
static void put_chunk(struct subscriber *c, struct kh_buf *b)
{
        const struct kh_inventory *inv = &c->owner->core->inventory;
        struct kh_line line;

        while (c->cursor && c->cursor->serial <= c->last_serial) {
                const struct kh_entry *e = c->cursor;

                if (kh_filter_matches(&c->query.filter, e)) {
                        kh_line_snapshot(&line, e);
                        if (kh_line_length(&line) > b->cap - b->len)
                                return;
                        for (int i = 0; i < 3; i++)
                                kh_buf_span(b, line.piece[i]);
                        c->snapshot_count++;
                }
                c->cursor = entry_after(inv, &e->all);
        }
        c->cursor = NULL;
}

/* As much of the snapshot as the socket takes, and not more than a turn's share. */
static void go_on_with_snapshot(struct subscriber *c)
{
        static char chunk[CHUNK + KH_ENTRY_TEXT_MAX + KH_LINE_EXTRA];

        for (int i = 0; i < CHUNKS_A_TURN && c->cursor && kh_outbox_is_empty(&c->outbox); i++) {
                struct kh_buf b = kh_buf_of(chunk, CHUNK);
                struct kh_shared *shared = NULL;
                int r;

                put_chunk(c, &b);
                if (b.len == 0 && c->cursor) {
                        b = kh_buf_of(chunk, sizeof(chunk));
                        put_chunk(c, &b);
                }
                if (b.len == 0)
                        break;
                r = kh_outbox_write(
                        &c->outbox, c->fd, (struct kh_span[]){ kh_buf_view(&b) }, 1, &shared);
                kh_shared_unref(shared);
                if (r < 0) {
                        drop(c);
                        return;
                }
                c->moved_ns = kh_clock_ns();
        }
        if (!c->cursor)
                end_snapshot(c);
        else
                watch(c);
}

static void start_snapshot(struct subscriber *c)
{
        const struct kh_core *core = c->owner->core;

        c->cursor = entry_after(&core->inventory, &core->inventory.all);
        c->last_serial = core->inventory.last_serial;
        c->snapshot_seq = c->sent = c->acked = core->seq;
        set_phase(c, SNAPSHOT);
        go_on_with_snapshot(c);
}

static void give_found(void *arg, const struct kh_entry *e)
{
        struct subscriber *c = arg;
        struct kh_shared *shared = NULL;
        struct kh_line line;

        if (c->phase != LIVE)
                return;
        kh_line_snapshot(&line, e);
        give(c, line.piece, 3, &shared);
        kh_shared_unref(shared);
}

static void look_up(struct subscriber *c)
{
        const struct kh_core *core = c->owner->core;
        bool ambiguous;
        char text[256];
        struct kh_buf b = kh_buf_of(text, sizeof(text));
        size_t n;

        set_phase(c, LIVE);
        n = kh_query_lookup(&c->query, &core->inventory, give_found, c, &ambiguous);
        if (c->phase != LIVE)
                return;
        if (ambiguous) {
                end(c, KH_SPAN("ambiguous"), "several containers' ids begin so; give more of it");
                return;
        }
        kh_line_synced(&b, c->owner->instance, core->seq, n);
        give_text(c, kh_buf_view(&b));
        if (c->phase == LIVE)
                set_phase(c, ENDING);
        finish_if_drained(c);
}

static void report(struct subscriber *c)
{
        char *text = malloc(REPORT_MAX);
        struct kh_buf b = kh_buf_of(text, text ? REPORT_MAX : 0);

        if (c->query.kind == KH_QUERY_STATUS)
                kh_status_write(&b, c->owner->core);
        else
                kh_metrics_write(&b, c->owner->core);
        set_phase(c, ENDING);
        if (b.over)
                drop(c);
        else
                give_text(c, kh_buf_view(&b));
        free(text);
        finish_if_drained(c);
}

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

/*
 * Only now that the request was read: who closes with unread input takes back what it has written.
 */
static bool refuse(struct subscriber *c)
{
        struct kh_subscribers *s = c->owner;

        bool full = s->count > s->max || (c->uid != 0 && s->non_root > s->max - s->max / 4);

        if (may_read(s, c->uid) && !full)
                return false;
        count_end(c, KH_GONE_REFUSED);
        if (full)
                end(c, KH_SPAN("too-many-subscribers"), "too many clients are connected");
        else
                end(c, KH_SPAN("not-permitted"),
                        "this user may not read; root can allow it with --allow-reader");
        return true;
}

static void serve(struct subscriber *c, size_t line_n)
{
        const char *wrong;

        if (refuse(c))
                return;
        wrong = kh_query_read(c->in, line_n, &c->query);

        if (wrong) {
                c->query = (struct kh_query){ .kind = KH_QUERY_LIST };
                end(c, KH_SPAN("bad-request"), wrong);
                return;
        }
        switch (c->query.kind) {
        case KH_QUERY_SUBSCRIBE:
        case KH_QUERY_LIST:
                start_snapshot(c);
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

static void take_ack(struct subscriber *c, char *text, size_t n)
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
static void take_lines(struct subscriber *c, const char *p, size_t n)
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

static void take_request(struct subscriber *c, const char *p, size_t n, bool last)
{
        const char *newline = n ? memchr(p, '\n', n) : NULL;
        size_t line_n = newline ? (size_t)(newline - p) : n;

        if (line_n > sizeof(c->in) - c->in_n) {
                end(c, KH_SPAN("bad-request"), "the request is longer than 4096 bytes");
                return;
        }
        if (line_n)
                memcpy(c->in + c->in_n, p, line_n);
        c->in_n += line_n;
        if (!newline && !last)
                return;
        serve(c, c->in_n);
        if (newline && (c->phase == LIVE || c->phase == SNAPSHOT))
                take_lines(c, newline + 1, n - line_n - 1);
}

static void receive(struct subscriber *c)
{
        char text[KH_QUERY_MAX];
        ssize_t n = recv(c->fd, text, sizeof(text), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n < 0) {
                drop(c);
                return;
        }
        c->deaf |= n == 0;
        if (c->phase == ASKING && n == 0 && c->in_n == 0)
                drop(c);
        else if (c->phase == ASKING)
                take_request(c, text, (size_t)n, n == 0);
        else
                take_lines(c, text, (size_t)n);
        finish_if_drained(c);
}

static void on_client(void *arg, uint32_t events)
{
        struct subscriber *c = arg;

        if (events & (EPOLLHUP | EPOLLERR)) {
                drop(c);
                return;
        }
        if (events & EPOLLIN)
                receive(c);
        if (!(events & EPOLLOUT) || c->phase == GONE)
                return;
        if (kh_outbox_flush(&c->outbox, c->fd) < 0) {
                drop(c);
                return;
        }
        c->moved_ns = kh_clock_ns();
        if (c->phase == SNAPSHOT && kh_outbox_is_empty(&c->outbox))
                go_on_with_snapshot(c);
        else
                finish_if_drained(c);
}

static void admit(struct kh_subscribers *s, int fd)
{
        struct ucred peer = { .uid = (uid_t)-1 };
        socklen_t size = sizeof(peer);
        struct subscriber *c = calloc(1, sizeof(*c));

        if (!c) {
                kh_close(fd);
                return;
        }
        (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
        c->owner = s;
        c->fd = fd;
        c->uid = peer.uid;
        c->query.kind = KH_QUERY_LIST;
        c->events = EPOLLIN;
        c->deferred.fn = free_subscriber;
        kh_outbox_init(&c->outbox);
        kh_outbox_init(&c->later);
        c->slot = kh_loop_add(s->core->loop, fd, EPOLLIN, on_client, c);
        if (c->slot < 0) {
                kh_close(fd);
                free(c);
                return;
        }
        kh_list_append(&s->all, &c->node);
        s->count++;
        s->non_root += c->uid != 0;
        set_phase(c, ASKING);
}

static void on_connection(void *arg, uint32_t events)
{
        struct kh_subscribers *s = arg;

        (void)events;
        for (int i = 0; i < ACCEPTS_A_TURN; i++) {
                int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd >= 0 && s->count < s->max + TO_BE_REFUSED)
                        admit(s, fd);
                else
                        kh_close(fd);
                if (fd >= 0)
                        continue;
                if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
                        /* Until the next second, when the timer looks again. */
                        (void)kh_loop_change(s->core->loop, s->slot, 0);
                        need_timer(s, kh_clock_ns());
                }
                return;
        }
}

static uint64_t patience(const struct subscriber *c)
{
        switch (c->phase) {
        case ASKING:
                return ASKING_NS;
        case ENDING:
                return ENDING_NS;
        default:
                return STALLED_NS;
        }
}

static void look_for_stalled(void *arg)
{
        struct kh_subscribers *s = arg;
        uint64_t now = kh_clock_ns();

        if (s->slot >= 0)
                (void)kh_loop_change(s->core->loop, s->slot, EPOLLIN);
        kh_list_for_each(node, next, &s->all) {
                struct subscriber *c = kh_container_of(node, struct subscriber, node);

                if (c->phase == GONE || (c->phase == LIVE && kh_outbox_is_empty(&c->outbox)))
                        continue;
                need_timer(s, now);
                if (now - c->moved_ns < patience(c))
                        continue;
                if (c->phase == ASKING)
                        end(c, KH_SPAN("bad-request"), "no request came in time");
                else if (c->phase == ENDING)
                        drop(c);
                else
                        cut_off(c);
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

/* Whether this change is none of the client's: its snapshot is still to come to that container. */
static bool is_still_to_come(const struct subscriber *c, const struct kh_change *change)
{
        return c->phase == SNAPSHOT && c->cursor && change->entry->serial <= c->last_serial &&
               change->entry->serial >= c->cursor->serial;
}

/* A cursor never points to what is gone. */
static void follow(struct subscriber *c, const struct kh_change *change)
{
        if (c->phase != SNAPSHOT || c->cursor != change->was)
                return;
        c->cursor = change->type == KH_REMOVED
                            ? entry_after(&c->owner->core->inventory, &change->entry->all)
                            : change->entry;
}

void kh_subscribers_tell(
        struct kh_subscribers *s, const struct kh_change *change, uint64_t seq, uint64_t real_ns)
{
        struct kh_shared *shared = NULL;
        struct kh_line line;

        line.piece[0].p = NULL;
        kh_list_for_each(node, next, &s->all) {
                struct subscriber *c = kh_container_of(node, struct subscriber, node);
                bool concerns = c->query.kind == KH_QUERY_SUBSCRIBE &&
                                (c->phase == LIVE || c->phase == SNAPSHOT) &&
                                !is_still_to_come(c, change) &&
                                kh_filter_matches(&c->query.filter, change->entry);

                follow(c, change);
                if (!concerns)
                        continue;
                if (!line.piece[0].p)
                        kh_line_event(&line, change, seq, real_ns);
                c->sent = seq;
                give(c, line.piece, 3, &shared);
        }
        kh_shared_unref(shared);
}

bool kh_subscribers_await(const struct kh_subscribers *s, uint64_t seq)
{
        kh_list_for_each(node, next, &s->all) {
                const struct subscriber *c = kh_container_of(node, struct subscriber, node);

                if (c->query.acknowledge && (c->phase == LIVE || c->phase == SNAPSHOT) &&
                        c->acked < c->sent && c->acked < seq)
                        return true;
        }
        return false;
}

size_t kh_subscribers_queued(const struct kh_subscribers *s)
{
        size_t bytes = 0;

        kh_list_for_each(node, next, &s->all) {
                const struct subscriber *c = kh_container_of(node, struct subscriber, node);

                bytes += c->outbox.bytes + c->later.bytes;
        }
        return bytes;
}

void kh_subscribers_shutdown(struct kh_subscribers *s)
{
        kh_loop_del(s->core->loop, s->slot);
        s->slot = -EBADF;
        kh_list_for_each(node, next, &s->all) {
                struct subscriber *c = kh_container_of(node, struct subscriber, node);

                if (c->phase == ASKING || c->phase == SNAPSHOT || c->phase == LIVE)
                        end(c, KH_SPAN("shutdown"), "the listener ends");
        }
}

void kh_subscribers_done(struct kh_subscribers *s)
{
        kh_list_for_each(node, next, &s->all) {
                struct subscriber *c = kh_container_of(node, struct subscriber, node);

                if (c->phase == GONE)
                        continue;
                kh_close(c->fd);
                free_subscriber(&c->deferred);
        }
}
