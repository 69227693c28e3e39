/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/options.h"

#include "base/buf.h"
#include "base/number.h"
#include "hookd/sinks/http.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char help[] =
        "Usage: kubearmor-hookd [OPTION]...\n"
        "Keep an inventory of this node's containers, told by their OCI hooks, and give it to\n"
        "whoever may read.\n"
        "\n"
        "  --socket PATH         where hooks tell (/run/kubearmor/ka.sock; with --relay\n"
        "                        /run/kubearmor/hookd.sock)\n"
        "  --events PATH         where readers ask (/run/kubearmor/events/events.sock)\n"
        "  --spool DIR           what hooks could not tell; '' for none (/run/kubearmor/spool)\n"
        "  --state DIR           where the inventory outlives a restart (`state` beside\n"
        "                        the hook socket)\n"
        "  --relay PATH          feed KubeArmor, which listens there (/run/kubearmor/ka.sock)\n"
        "  --metrics WHERE       serve OpenMetrics over HTTP on a unix socket's PATH, on\n"
        "                        127.0.0.1:PORT or on [::1]:PORT\n"
        "  --allow-uid UID       let this user tell of containers of its own, and look for them in\n"
        "                        its directories (repeatable)\n"
        "  --allow-reader UID    let this user read (repeatable)\n"
        "  --socket-mode MODE    of the hook socket, in octal (0600)\n"
        "  --host-root DIR       where the host's root is mounted\n"
        "  --state-root DIR      where a runtime, a containerd or a container storage keeps its state,\n"
        "                        beside the usual places (repeatable)\n"
        "  --watch HOW           how changes in the runtimes' state directories are seen:\n"
        "                        fanotify, inotify, poll (every second), or auto: the first of\n"
        "                        them that works\n"
        "  --no-discovery        do not look there\n"
        "  --ready-fd N          close this descriptor when ready\n"
        "  --version             print the version and exit\n"
        "  --help                print this and exit\n";

enum {
        OPT_SOCKET = 256,
        OPT_EVENTS,
        OPT_SPOOL,
        OPT_STATE,
        OPT_RELAY,
        OPT_METRICS,
        OPT_ALLOW_UID,
        OPT_ALLOW_READER,
        OPT_SOCKET_MODE,
        OPT_HOST_ROOT,
        OPT_STATE_ROOT,
        OPT_WATCH,
        OPT_NO_DISCOVERY,
        OPT_READY_FD,
        OPT_VERSION,
        OPT_HELP,
};

static const struct option options[] = {
        { "socket", required_argument, NULL, OPT_SOCKET },
        { "events", required_argument, NULL, OPT_EVENTS },
        { "spool", required_argument, NULL, OPT_SPOOL },
        { "state", required_argument, NULL, OPT_STATE },
        { "relay", required_argument, NULL, OPT_RELAY },
        { "metrics", required_argument, NULL, OPT_METRICS },
        { "allow-uid", required_argument, NULL, OPT_ALLOW_UID },
        { "allow-reader", required_argument, NULL, OPT_ALLOW_READER },
        { "socket-mode", required_argument, NULL, OPT_SOCKET_MODE },
        { "host-root", required_argument, NULL, OPT_HOST_ROOT },
        { "state-root", required_argument, NULL, OPT_STATE_ROOT },
        { "watch", required_argument, NULL, OPT_WATCH },
        { "no-discovery", no_argument, NULL, OPT_NO_DISCOVERY },
        { "ready-fd", required_argument, NULL, OPT_READY_FD },
        { "version", no_argument, NULL, OPT_VERSION },
        { "help", no_argument, NULL, OPT_HELP },
        { 0 },
};

static int add_uid(const char *text, uid_t uids[KH_UIDS_MAX], size_t *n, struct kh_err *err)
{
        uint64_t uid;

        if (!kh_parse_u64(kh_span_of(text), UINT32_MAX - 1, &uid))
                return kh_fail(err, -EINVAL, "'%s' is no uid; give the user's number", text);
        if (*n == KH_UIDS_MAX)
                return kh_fail(err, -EINVAL, "more than %d uids", KH_UIDS_MAX);
        uids[(*n)++] = (uid_t)uid;
        return 0;
}

static int add_state_root(const char *path, struct kh_options *o, struct kh_err *err)
{
        if (path[0] != '/')
                return kh_fail(err, -EINVAL, "state root '%s': give its whole path", path);
        if (o->state_roots_n == KH_STATE_ROOTS_MAX)
                return kh_fail(err, -EINVAL, "more than %d state roots", KH_STATE_ROOTS_MAX);
        o->state_roots[o->state_roots_n++] = path;
        return 0;
}

static int set_metrics(const char *where, struct kh_options *o, struct kh_err *err)
{
        if (!kh_http_can_serve_at(where))
                return kh_fail(err, -EINVAL,
                        "--metrics takes an absolute path, 127.0.0.1:PORT or [::1]:PORT, not '%s'",
                        where);
        o->metrics = where;
        return 0;
}

static int read_mode(const char *text, mode_t *ret, struct kh_err *err)
{
        char *end;
        unsigned long mode = strtoul(text, &end, 8);

        if (text[0] < '0' || text[0] > '7' || *end || mode > 0777)
                return kh_fail(err, -EINVAL, "'%s' is no mode; use for example 0660", text);
        *ret = (mode_t)mode;
        return 0;
}

static int read_fd(const char *text, int *ret, struct kh_err *err)
{
        uint64_t fd;

        if (!kh_parse_u64(kh_span_of(text), INT32_MAX, &fd))
                return kh_fail(err, -EINVAL, "'%s' is no descriptor's number", text);
        *ret = (int)fd;
        return 0;
}

static int read_watch(const char *text, enum kh_watch_mode *ret, struct kh_err *err)
{
        static const struct kh_span names[] = {
                [KH_WATCH_AUTO] = { "auto", 4 },
                [KH_WATCH_FANOTIFY] = { "fanotify", 8 },
                [KH_WATCH_INOTIFY] = { "inotify", 7 },
                [KH_WATCH_POLL] = { "poll", 4 },
        };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                if (kh_span_eq(kh_span_of(text), names[i])) {
                        *ret = (enum kh_watch_mode)i;
                        return 0;
                }
        }
        return kh_fail(err, -EINVAL, "'%s' is no way to watch; see --help", text);
}

static int take(struct kh_options *o, int option, struct kh_err *err)
{
        switch (option) {
        case OPT_SOCKET:
                o->socket = optarg;
                return 0;
        case OPT_EVENTS:
                o->events = optarg;
                return 0;
        case OPT_SPOOL:
                o->spool = optarg[0] ? optarg : NULL;
                return 0;
        case OPT_STATE:
                o->state = optarg;
                return 0;
        case OPT_RELAY:
                o->relay = optarg;
                return 0;
        case OPT_METRICS:
                return set_metrics(optarg, o, err);
        case OPT_HOST_ROOT:
                o->host_root = optarg;
                return 0;
        case OPT_STATE_ROOT:
                return add_state_root(optarg, o, err);
        case OPT_ALLOW_UID:
                return add_uid(optarg, o->allowed, &o->allowed_n, err);
        case OPT_ALLOW_READER:
                return add_uid(optarg, o->readers, &o->readers_n, err);
        case OPT_SOCKET_MODE:
                return read_mode(optarg, &o->socket_mode, err);
        case OPT_WATCH:
                return read_watch(optarg, &o->watch, err);
        case OPT_NO_DISCOVERY:
                o->watch = KH_WATCH_OFF;
                return 0;
        case OPT_READY_FD:
                return read_fd(optarg, &o->ready_fd, err);
        case OPT_VERSION:
                puts("kubearmor-hookd " KH_VERSION);
                return 1;
        default:
                fputs(help, stdout);
                return 1;
        }
}

static int check_relay(const struct kh_options *o, struct kh_err *err)
{
        if (!o->relay[0] || strlen(o->relay) >= sizeof(((struct sockaddr_un *)0)->sun_path))
                return kh_fail(err, -EINVAL,
                        "'%s' is no path of a socket; --relay takes KubeArmor's, "
                        "/run/kubearmor/ka.sock",
                        o->relay);
        if (strcmp(o->relay, o->socket) == 0 || strcmp(o->relay, o->events) == 0)
                return kh_fail(err, -EINVAL,
                        "--relay '%s' is our own socket; it takes KubeArmor's, and hooks have to "
                        "be told another one by --socket",
                        o->relay);
        return 0;
}

/* Each under a path of its own: one that is empty, or both, would be found out late and told badly. */
static int check_sockets(const struct kh_options *o, struct kh_err *err)
{
        if (!o->socket[0] || !o->events[0])
                return kh_fail(err, -EINVAL, "%s needs the path of a socket",
                        o->socket[0] ? "--events" : "--socket");
        if (strcmp(o->socket, o->events) == 0)
                return kh_fail(err, -EINVAL,
                        "--socket and --events cannot both be '%s'; hooks and readers need one each",
                        o->socket);
        return 0;
}

/* Beside the hook socket, so that two listeners never share one. */
static int place_state(struct kh_options *o, struct kh_err *err)
{
        static char path[PATH_MAX];
        const char *slash = strrchr(o->socket, '/');
        struct kh_buf b = kh_buf_of(path, sizeof(path));

        kh_buf_put(&b, o->socket, slash ? (size_t)(slash + 1 - o->socket) : 0);
        kh_buf_lit(&b, "state");
        if (!kh_buf_terminate(&b))
                return kh_fail(err, -EINVAL, "the path '%s' is too long", o->socket);
        o->state = path;
        return 0;
}

int kh_options_parse(struct kh_options *o, int argc, char **argv, struct kh_err *err)
{
        int option, r = 0;

        *o = (struct kh_options){
                .events = "/run/kubearmor/events/events.sock",
                .spool = "/run/kubearmor/spool",
                .socket_mode = 0600,
                .ready_fd = -EBADF,
        };
        opterr = 0;
        while (r == 0 && (option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
                if (option == '?')
                        r = kh_fail(
                                err, -EINVAL, "unknown option '%s'; see --help", argv[optind - 1]);
                else if (option == ':')
                        r = kh_fail(err, -EINVAL, "option '%s' needs a value", argv[optind - 1]);
                else
                        r = take(o, option, err);
        }
        if (r == 0 && optind < argc)
                r = kh_fail(err, -EINVAL, "unexpected argument '%s'; see --help", argv[optind]);
        if (r == 0 && !o->socket)
                o->socket = o->relay ? "/run/kubearmor/hookd.sock" : "/run/kubearmor/ka.sock";
        if (r == 0)
                r = check_sockets(o, err);
        if (r == 0 && o->relay)
                r = check_relay(o, err);
        return r == 0 && !o->state ? place_state(o, err) : r;
}
