/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/http.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/number.h"
#include "hookd/core.h"
#include "hookd/sinks/metrics.h"
#include "hookd/sinks/outbox.h"
#include "hookd/timestamp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
        CLIENTS_MAX = 16,      /* scrapers come one at a time */
        REQUEST_MAX = 4096,    /* a request line and a few headers */
        BODY_MAX = 128 * 1024, /* the metrics grow with nothing but runtimes' names */
};

/* For the request and its answer together. */
#define PATIENCE_NS (5 * KH_NS_PER_S)
#define PAUSE_NS    (1 * KH_NS_PER_S)

struct client {
        struct kh_list node;
        struct kh_http *owner;
        int fd, slot;
        uint64_t since_ns;
        bool answered;
        struct kh_outbox outbox;
        size_t n;
        char request[REQUEST_MAX];
};

static void drop(struct client *c)
{
        struct kh_http *h = c->owner;

        kh_loop_del(h->core->loop, c->slot);
        kh_close(c->fd);
        kh_list_del(&c->node);
        kh_outbox_done(&c->outbox);
        free(c);
        h->count--;
}

static void respond(struct client *c, const char *status, const char *type, struct kh_span body)
{
        char head[256];
        int n = snprintf(head, sizeof(head),
                "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                status, type, body.n);
        struct kh_span pieces[] = { { head, (size_t)n }, body };
        struct kh_shared *shared = NULL;
        int r = kh_outbox_write(&c->outbox, c->fd, pieces, 2, &shared);

        kh_shared_unref(shared);
        c->answered = true;
        if (r < 0 || kh_outbox_is_empty(&c->outbox) ||
                kh_loop_change(c->owner->core->loop, c->slot, EPOLLOUT) < 0)
                drop(c);
}

static void respond_plainly(struct client *c, const char *status)
{
        respond(c, status, "text/plain; charset=utf-8", KH_SPAN("GET /metrics\n"));
}

static void respond_metrics(struct client *c)
{
        char *text = malloc(BODY_MAX);
        struct kh_buf b = kh_buf_of(text, text ? BODY_MAX : 0);

        if (text)
                kh_metrics_write(&b, c->owner->core);
        if (!text || b.over)
                respond_plainly(c, "503 Service Unavailable");
        else
                respond(c, "200 OK", "application/openmetrics-text; version=1.0.0; charset=utf-8",
                        kh_buf_view(&b));
        free(text);
}

static void serve(struct client *c)
{
        struct kh_span request = { c->request, c->n };

        if (!kh_span_starts(request, KH_SPAN("GET ")))
                respond_plainly(c, "405 Method Not Allowed");
        else if (!kh_span_starts(request, KH_SPAN("GET /metrics HTTP/1.")) &&
                 !kh_span_starts(request, KH_SPAN("GET /metrics?")))
                respond_plainly(c, "404 Not Found");
        else
                respond_metrics(c);
}

static void receive(struct client *c)
{
        ssize_t n = recv(c->fd, c->request + c->n, sizeof(c->request) - c->n, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                drop(c);
                return;
        }
        c->n += (size_t)n;
        if (memmem(c->request, c->n, "\r\n\r\n", 4))
                serve(c);
        else if (c->n == sizeof(c->request))
                respond_plainly(c, "431 Request Header Fields Too Large");
}

static void on_client(void *arg, uint32_t events)
{
        struct client *c = arg;

        if (!c->answered)
                receive(c);
        else if ((events & (EPOLLHUP | EPOLLERR)) || kh_outbox_flush(&c->outbox, c->fd) < 0 ||
                 kh_outbox_is_empty(&c->outbox))
                drop(c);
}

/* No descriptor is left, say: the loop would wake us for the same connection for ever. */
static void pause_accepting(struct kh_http *h)
{
        (void)kh_loop_change(h->core->loop, h->slot, 0);
        kh_timer_advance(&h->timer, kh_clock_ns() + PAUSE_NS);
}

static void on_connection(void *arg, uint32_t events)
{
        struct kh_http *h = arg;
        struct client *c;
        int fd = accept4(h->listen.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        (void)events;
        if (fd < 0) {
                if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                        pause_accepting(h);
                return;
        }
        c = h->count < CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
        if (!c) {
                kh_close(fd);
                return;
        }
        c->owner = h;
        c->fd = fd;
        c->since_ns = kh_clock_ns();
        kh_outbox_init(&c->outbox);
        kh_list_append(&h->clients, &c->node);
        h->count++;
        c->slot = kh_loop_add(h->core->loop, fd, EPOLLIN, on_client, c);
        if (c->slot < 0)
                drop(c);
        else
                kh_timer_advance(&h->timer, c->since_ns + PATIENCE_NS);
}

static void on_timer(void *arg)
{
        struct kh_http *h = arg;
        uint64_t now = kh_clock_ns();

        (void)kh_loop_change(h->core->loop, h->slot, EPOLLIN);
        kh_list_for_each(node, next, &h->clients) {
                struct client *c = kh_container_of(node, struct client, node);

                if (c->since_ns + PATIENCE_NS > now) {
                        kh_timer_advance(&h->timer, c->since_ns + PATIENCE_NS);
                        return;
                }
                drop(c);
        }
}

void kh_http_init(struct kh_http *h, struct kh_core *core)
{
        *h = (struct kh_http){ .core = core, .listen = KH_NO_LISTENER, .slot = -EBADF };
        kh_list_init(&h->clients);
        kh_timer_init(core->loop, &h->timer, on_timer, h);
}

/* An address of the machine's own: 127.0.0.1:PORT or [::1]:PORT. */
struct loopback {
        union {
                struct sockaddr any;
                struct sockaddr_in v4;
                struct sockaddr_in6 v6;
        };
        socklen_t n;
};

static bool read_loopback(const char *where, struct loopback *ret)
{
        struct kh_span s = kh_span_of(where), v4 = KH_SPAN("127.0.0.1:"), v6 = KH_SPAN("[::1]:");
        bool is_v4 = kh_span_starts(s, v4);
        uint64_t port;

        if ((!is_v4 && !kh_span_starts(s, v6)) ||
                !kh_parse_u64(kh_span_from(s, is_v4 ? v4.n : v6.n), UINT16_MAX, &port) || !port)
                return false;
        if (is_v4)
                *ret = (struct loopback){ .v4 = { .sin_family = AF_INET,
                                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                                  .sin_port = htons((uint16_t)port) },
                        .n = sizeof(ret->v4) };
        else
                *ret = (struct loopback){ .v6 = { .sin6_family = AF_INET6,
                                                  .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                                                  .sin6_port = htons((uint16_t)port) },
                        .n = sizeof(ret->v6) };
        return true;
}

bool kh_http_can_serve_at(const char *where)
{
        struct loopback address;

        return where[0] == '/' || read_loopback(where, &address);
}

int kh_http_open(struct kh_http *h, const char *where, struct kh_err *err)
{
        const int yes = 1;
        struct loopback address;
        int fd;

        if (!read_loopback(where, &address))
                return kh_listen_open(&h->listen, where, 0755, 0600, err);
        fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        kh_listen_take(&h->listen, fd);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
                bind(fd, &address.any, address.n) < 0 || listen(fd, CLIENTS_MAX) < 0)
                return kh_fail(err, -errno, "serve metrics on '%s': %s", where, kh_strerror(errno));
        return 0;
}

int kh_http_start(struct kh_http *h)
{
        if (h->listen.fd < 0)
                return 0;
        h->slot = kh_loop_add(h->core->loop, h->listen.fd, EPOLLIN, on_connection, h);
        return h->slot < 0 ? h->slot : 0;
}

void kh_http_done(struct kh_http *h)
{
        kh_list_for_each(node, next, &h->clients)
                drop(kh_container_of(node, struct client, node));
        kh_loop_del(h->core->loop, h->slot);
}
