/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/outbox.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
        PIECES_MAX = 3,
        AT_ONCE = 16, /* queued lines a system call */
};

struct kh_shared {
        unsigned refs;
        size_t n;
        char text[];
};

struct queued {
        struct kh_list node;
        struct kh_shared *line;
};

struct kh_shared *kh_shared_new(const struct kh_span *pieces, size_t n)
{
        struct kh_shared *s;
        size_t length = 0;

        for (size_t i = 0; i < n; i++)
                length += pieces[i].n;
        s = malloc(sizeof(*s) + length);
        if (!s)
                return NULL;
        s->refs = 1;
        s->n = 0;
        for (size_t i = 0; i < n; i++) {
                memcpy(s->text + s->n, pieces[i].p, pieces[i].n);
                s->n += pieces[i].n;
        }
        return s;
}

void kh_shared_unref(struct kh_shared *s)
{
        if (s && --s->refs == 0)
                free(s);
}

void kh_outbox_init(struct kh_outbox *o)
{
        kh_list_init(&o->lines);
        o->bytes = o->head_sent = 0;
}

static void pop(struct kh_outbox *o, struct kh_list *node)
{
        struct queued *q = kh_container_of(node, struct queued, node);

        o->bytes -= q->line->n;
        kh_list_del(&q->node);
        kh_shared_unref(q->line);
        free(q);
}

void kh_outbox_done(struct kh_outbox *o)
{
        while (!kh_outbox_is_empty(o))
                pop(o, o->lines.next);
        o->head_sent = 0;
}

void kh_outbox_cut(struct kh_outbox *o)
{
        struct kh_list *begun = o->head_sent ? o->lines.next : NULL;

        while (!kh_outbox_is_empty(o) && o->lines.prev != begun)
                pop(o, o->lines.prev);
}

int kh_outbox_queue(
        struct kh_outbox *o, const struct kh_span *pieces, size_t n, struct kh_shared **shared)
{
        struct queued *q;

        if (!*shared)
                *shared = kh_shared_new(pieces, n);
        if (!*shared)
                return -ENOMEM;
        if (o->bytes + (*shared)->n > KH_OUTBOX_MAX)
                return -ENOBUFS;
        q = malloc(sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->line = *shared;
        q->line->refs++;
        o->bytes += q->line->n;
        kh_list_append(&o->lines, &q->node);
        return 0;
}

void kh_outbox_move(struct kh_outbox *o, struct kh_outbox *from)
{
        kh_list_for_each(node, next, &from->lines) {
                kh_list_del(node);
                kh_list_append(&o->lines, node);
        }
        o->bytes += from->bytes;
        from->bytes = 0;
}

static ssize_t send_pieces(int fd, const struct kh_span *pieces, size_t n)
{
        struct iovec iov[AT_ONCE];
        struct msghdr message = { .msg_iov = iov, .msg_iovlen = n };
        ssize_t sent;

        for (size_t i = 0; i < n; i++)
                iov[i] = (struct iovec){ (void *)(uintptr_t)pieces[i].p, pieces[i].n };
        sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0)
                return sent;
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

int kh_outbox_write(struct kh_outbox *o, int fd, const struct kh_span *pieces, size_t n,
        struct kh_shared **shared)
{
        size_t length = 0;
        ssize_t sent;
        int r;

        if (!kh_outbox_is_empty(o))
                return kh_outbox_queue(o, pieces, n, shared);
        for (size_t i = 0; i < n; i++)
                length += pieces[i].n;
        sent = send_pieces(fd, pieces, n);
        if (sent < 0 || (size_t)sent == length)
                return sent < 0 ? (int)sent : 0;
        r = kh_outbox_queue(o, pieces, n, shared);
        o->head_sent = r < 0 ? 0 : (size_t)sent;
        return r;
}

/* The first lines that wait, without what was sent of the first; their number. */
static size_t head_pieces(const struct kh_outbox *o, struct kh_span pieces[AT_ONCE])
{
        size_t n = 0;

        kh_list_for_each(node, next, &o->lines) {
                const struct queued *q = kh_container_of(node, struct queued, node);

                if (n == AT_ONCE)
                        break;
                pieces[n++] = (struct kh_span){ q->line->text, q->line->n };
        }
        pieces[0] = kh_span_from(pieces[0], o->head_sent);
        return n;
}

int kh_outbox_flush(struct kh_outbox *o, int fd)
{
        while (!kh_outbox_is_empty(o)) {
                struct kh_span pieces[AT_ONCE];
                size_t n = head_pieces(o, pieces);
                ssize_t sent = send_pieces(fd, pieces, n);

                if (sent <= 0)
                        return (int)sent;
                for (size_t i = 0; i < n && (size_t)sent >= pieces[i].n; i++) {
                        sent -= (ssize_t)pieces[i].n;
                        o->head_sent = 0;
                        pop(o, o->lines.next);
                }
                o->head_sent += (size_t)sent;
        }
        return 0;
}
