/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookd: the listener. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "hookd/core.h"
#include "hookd/listen.h"
#include "hookd/log.h"
#include "hookd/notify.h"
#include "hookd/options.h"
#include "hookd/privileges.h"
#include "hookd/sinks/http.h"
#include "hookd/sources/hooksock.h"
#include "hookd/timestamp.h"

#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

/* How long the end may take: a hook's own deadline. */
#define DRAIN_NS      (1 * KH_NS_PER_S)
#define DRAIN_STEP_NS (20 * KH_NS_PER_MS)

enum { DESCRIPTORS_FOR_THE_REST = 64 }; /* our own files, and what one request needs for a moment */

struct daemon {
        struct kh_options options;
        struct kh_loop loop;
        struct kh_core core;
        struct kh_hooksock hooksock;
        struct kh_http http;
        struct kh_listen hook, events;
        struct kh_timer drain_timer, watchdog_timer;
        uint64_t drained_ns, watchdog_ns;
        int signals;
};

static void drain(void *arg)
{
        struct daemon *d = arg;
        uint64_t now = kh_clock_ns();

        if ((kh_hooksock_is_drained(&d->hooksock) &&
                    kh_subscribers_are_gone(&d->core.subscribers)) ||
                now >= d->drained_ns) {
                d->loop.stop = true;
                return;
        }
        if (kh_hooksock_is_drained(&d->hooksock))
                kh_subscribers_shutdown(&d->core.subscribers);
        kh_timer_set(&d->drain_timer, now + DRAIN_STEP_NS);
}

/* Answers what has come, tells the subscribers, then stops. */
static void begin_to_end(struct daemon *d, uint32_t signal)
{
        if (d->drained_ns)
                return;
        kh_log(LOG_NOTICE, "stopping signal=%u containers=%zu", signal, d->core.inventory.count);
        kh_notify("STOPPING=1");
        d->drained_ns = kh_clock_ns() + DRAIN_NS;
        kh_hooksock_drain(&d->hooksock);
        drain(d);
}

static void on_signal(void *arg, uint32_t events)
{
        struct daemon *d = arg;
        struct signalfd_siginfo info;

        (void)events;
        while (read(d->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
                if (info.ssi_signo == SIGHUP)
                        kh_log(LOG_NOTICE, "SIGHUP ignored message=\"there is nothing to reload\"");
                else
                        begin_to_end(d, info.ssi_signo);
        }
}

static int open_signals(struct daemon *d, struct kh_err *err)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return kh_fail(err, -errno, "block signals: %s", kh_strerror(errno));
        d->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (d->signals < 0 || kh_loop_add(&d->loop, d->signals, EPOLLIN, on_signal, d) < 0)
                return kh_fail(err, -errno, "watch signals: %s", kh_strerror(errno));
        return 0;
}

static void feed_watchdog(void *arg)
{
        struct daemon *d = arg;

        kh_notify("WATCHDOG=1");
        kh_timer_set(&d->watchdog_timer, kh_clock_ns() + d->watchdog_ns);
}

/* A socket that a service manager holds for us, or one of our own. */
static int listen_on(struct kh_listen *l, const char *handed_over, const char *path,
        mode_t directory_mode, mode_t mode, struct kh_err *err)
{
        int fd = kh_notify_socket(handed_over);

        if (fd < 0)
                return kh_listen_open(l, path, directory_mode, mode, err);
        kh_listen_take(l, fd);
        return 0;
}

/* A socket that was handed to us may lie anywhere, at KubeArmor's place as well. */
static int refuse_own_socket(const struct daemon *d, struct kh_err *err)
{
        if (!kh_listen_is_at(&d->hook, d->options.relay) &&
                !kh_listen_is_at(&d->events, d->options.relay))
                return 0;
        return kh_fail(err, -EINVAL,
                "--relay '%s' is our own socket; let hooks tell us elsewhere, with --socket or by "
                "ListenStream= in kubearmor-hookd.socket",
                d->options.relay);
}

static int open_sockets(struct daemon *d, struct kh_err *err)
{
        const struct kh_options *o = &d->options;
        struct kh_subscribers *subscribers = &d->core.subscribers;
        int r;

        r = listen_on(&d->hook, "hook", o->socket, 0711, o->socket_mode, err);
        if (r < 0)
                return r;
        r = listen_on(&d->events, "events", o->events, 0755, o->readers_n ? 0666 : 0600, err);
        if (r < 0)
                return r;
        if (o->relay)
                r = refuse_own_socket(d, err);
        if (r == 0 && o->metrics)
                r = kh_http_open(&d->http, o->metrics, err);
        if (r < 0)
                return r;
        /* Of hooks too, where others than root may connect and a pid says as much to us. */
        if ((o->allowed_n || (o->socket_mode & 077)) && d->core.sees_host && d->core.proc_is_ours)
                kh_listen_refuse_descriptors(&d->hook);
        kh_listen_refuse_descriptors(&d->events);
        kh_listen_refuse_descriptors(&d->http.listen);
        subscribers->readers = o->readers;
        subscribers->readers_n = o->readers_n;
        d->hooksock.peers.allowed = o->allowed;
        d->hooksock.peers.allowed_n = o->allowed_n;
        return 0;
}

static struct kh_budget budget_of(unsigned descriptors)
{
        struct kh_budget b = {
                .connections =
                        descriptors / 8 < KH_CONNECTIONS_MAX ? descriptors / 8 : KH_CONNECTIONS_MAX,
                .clients = descriptors / 16 < KH_SUBSCRIBERS_MAX ? descriptors / 16
                                                                 : KH_SUBSCRIBERS_MAX,
        };
        unsigned others = b.connections + b.clients + DESCRIPTORS_FOR_THE_REST;

        b.pidfds = descriptors > 2 * others ? descriptors - others : descriptors / 2;
        return b;
}

/*
 * The sockets come first: a second listener has to be turned away before it touches the journal.
 * What connects before we serve waits in the backlog.
 */
static int start(struct daemon *d, struct kh_err *err)
{
        const struct kh_options *o = &d->options;
        const struct kh_budget budget = budget_of(kh_privileges_raise_limits());
        int r;

        r = kh_loop_init(&d->loop, err);
        if (r < 0)
                return r;
        kh_timer_init(&d->loop, &d->drain_timer, drain, d);
        kh_timer_init(&d->loop, &d->watchdog_timer, feed_watchdog, d);
        r = open_signals(d, err);
        if (r == 0)
                r = kh_core_init(&d->core, &d->loop, o, &budget, err);
        if (r == 0)
                r = kh_hooksock_init(&d->hooksock, &d->core, budget.connections, err);
        if (r < 0)
                return r;
        kh_http_init(&d->http, &d->core);
        r = open_sockets(d, err);
        if (r == 0)
                r = kh_spool_source_init(&d->core.spool, &d->core, o->spool, err);
        if (r == 0)
                r = kh_statedir_init(&d->core.statedir, &d->core, err);
        if (r == 0)
                r = kh_privileges_drop(o->allowed_n && o->watch != KH_WATCH_OFF, err);
        if (r == 0)
                r = kh_core_restore(&d->core, o->state, err);
        return r;
}

static int serve(struct daemon *d, struct kh_err *err)
{
        int r;

        r = kh_spool_source_start(&d->core.spool);
        if (r == 0)
                r = kh_statedir_start(&d->core.statedir);
        if (r == 0)
                kh_relay_start(&d->core.relay); /* now that all is known */
        if (r == 0)
                r = kh_subscribers_listen(&d->core.subscribers, d->events.fd);
        if (r == 0)
                r = kh_http_start(&d->http);
        if (r == 0)
                r = kh_hooksock_listen(&d->hooksock, d->hook.fd);
        if (r < 0)
                return kh_fail(err, r, "watch the sockets: %s", kh_strerror(r));
        kh_log(LOG_NOTICE, "listening socket=%s events=%s version=" KH_VERSION " instance=%s",
                d->options.socket, d->options.events, d->core.subscribers.instance);
        d->watchdog_ns = kh_notify_watchdog_ns();
        if (d->watchdog_ns)
                feed_watchdog(d);
        kh_notify("READY=1");
        kh_closep(&d->options.ready_fd);
        return kh_loop_run(&d->loop, err);
}

static void finish(struct daemon *d)
{
        kh_statedir_done(&d->core.statedir);
        kh_spool_source_done(&d->core.spool);
        kh_hooksock_done(&d->hooksock);
        kh_http_done(&d->http);
        kh_core_done(&d->core);
        kh_closep(&d->signals);
        kh_loop_done(&d->loop);
}

int main(int argc, char **argv)
{
        static struct daemon d = { .hook = KH_NO_LISTENER,
                .events = KH_NO_LISTENER,
                .http.listen = KH_NO_LISTENER,
                .signals = -EBADF };
        struct kh_err err;
        int r = kh_options_parse(&d.options, argc, argv, &err);

        if (r > 0)
                return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        if (r < 0) {
                fprintf(stderr, "kubearmor-hookd: %s\n", err.msg);
                return 2;
        }
        kh_log_init();
        r = start(&d, &err);
        if (r == 0)
                r = serve(&d, &err);
        if (r < 0)
                fprintf(stderr, "kubearmor-hookd: %s\n", err.msg);
        else
                finish(&d);
        kh_listen_close(&d.http.listen);
        kh_listen_close(&d.events);
        kh_listen_close(&d.hook);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
