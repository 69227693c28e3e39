/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/options.h"

#include "base/clock.h"
#include "base/number.h"

#include <getopt.h>

const char kh_hook_help[] =
        "Usage: kubearmor-hook [OPTION...]\n"
        "\n"
        "An OCI runtime hook: reads a container's state on stdin, finds out who the container is,\n"
        "and tells the listener. Container runtimes call it; see kubearmor-hook(8).\n"
        "\n"
        "  --stage NAME              OCI stage that it is registered for (default: found out)\n"
        "  --socket PATH             the listener's socket (default: " KH_DEFAULT_SOCKET ")\n"
        "  --spool DIR               where events wait for an absent listener\n"
        "                            (default: " KH_DEFAULT_SPOOL "; '': nowhere)\n"
        "  --timeout DURATION        for everything, such as 500ms (default: 1s)\n"
        "  --fail-closed             refuse a container that the listener could not be told of\n"
        "  --exempt-namespace NAME   pod namespace never refused (kube-system, kubearmor are)\n"
        "  --listener-command PATH   first word of a listener's container: never refused, and\n"
        "                            told of what ran before it\n"
        "  --state-root DIR          where else a runtime keeps what that is found in\n"
        "  --deny-runtime-sockets    refuse a container that mounts a runtime's API socket\n"
        "  --log FILE                append what went wrong to FILE (default: syslog)\n"
        "  --test                    mark the event as a test, which no listener takes in\n"
        "  --dry-run                 print the message instead of sending it\n"
        "  --snapshot TICKS          tell a listener that started TICKS after boot or later of\n"
        "                            every container that runs; waits 60 s for it (0: any)\n"
        "  --help, --version\n"
        "\n"
        "Exits with 0 whatever happens, but for a container that it was told to refuse.\n";

enum {
        OPT_STAGE = 1,
        OPT_SOCKET,
        OPT_SPOOL,
        OPT_TIMEOUT,
        OPT_FAIL_CLOSED,
        OPT_EXEMPT_NAMESPACE,
        OPT_LISTENER_COMMAND,
        OPT_STATE_ROOT,
        OPT_DENY_RUNTIME_SOCKETS,
        OPT_LOG,
        OPT_TEST,
        OPT_DRY_RUN,
        OPT_SNAPSHOT,
        OPT_HELP,
        OPT_VERSION,
};

static const struct option options[] = {
        { "stage", required_argument, NULL, OPT_STAGE },
        { "socket", required_argument, NULL, OPT_SOCKET },
        { "spool", required_argument, NULL, OPT_SPOOL },
        { "timeout", required_argument, NULL, OPT_TIMEOUT },
        { "fail-closed", no_argument, NULL, OPT_FAIL_CLOSED },
        { "exempt-namespace", required_argument, NULL, OPT_EXEMPT_NAMESPACE },
        { "listener-command", required_argument, NULL, OPT_LISTENER_COMMAND },
        { "state-root", required_argument, NULL, OPT_STATE_ROOT },
        { "deny-runtime-sockets", no_argument, NULL, OPT_DENY_RUNTIME_SOCKETS },
        { "log", required_argument, NULL, OPT_LOG },
        { "test", no_argument, NULL, OPT_TEST },
        { "dry-run", no_argument, NULL, OPT_DRY_RUN },
        { "snapshot", required_argument, NULL, OPT_SNAPSHOT },
        { "help", no_argument, NULL, OPT_HELP },
        { "version", no_argument, NULL, OPT_VERSION },
        { 0 },
};

static bool add(struct kh_option_list *list, const char *value)
{
        if (list->n == KH_OPTION_LIST_MAX)
                return false;
        list->v[list->n++] = kh_span_of(value);
        return true;
}

static bool add_state_root(struct kh_hook_options *o, const char *path)
{
        if (*path != '/' || o->state_roots_n == KH_STATE_ROOTS_MAX)
                return false;
        o->state_roots[o->state_roots_n++] = path;
        return true;
}

static bool set_timeout(struct kh_hook_options *o, const char *value)
{
        uint64_t ns;

        if (!kh_parse_duration_ns(kh_span_of(value), &ns) || ns == 0)
                return false;
        o->timeout_ns = ns;
        return true;
}

static bool set_stage(struct kh_hook_options *o, const char *value)
{
        o->stage = kh_stage_of(kh_span_of(value));
        return o->stage != KH_STAGE_UNKNOWN;
}

/* False when the option or its value is not understood. */
static bool apply(struct kh_hook_options *o, int option, const char *value)
{
        switch (option) {
        case OPT_STAGE:
                return set_stage(o, value);
        case OPT_SOCKET:
                o->socket = value;
                return true;
        case OPT_SPOOL:
                o->spool = *value ? value : NULL;
                return true;
        case OPT_TIMEOUT:
                return set_timeout(o, value);
        case OPT_FAIL_CLOSED:
                o->fail_closed = true;
                return true;
        case OPT_EXEMPT_NAMESPACE:
                return add(&o->exempt_namespaces, value);
        case OPT_LISTENER_COMMAND:
                return add(&o->listener_commands, value);
        case OPT_STATE_ROOT:
                return add_state_root(o, value);
        case OPT_DENY_RUNTIME_SOCKETS:
                o->deny_runtime_sockets = true;
                return true;
        case OPT_LOG:
                o->log = value;
                return true;
        case OPT_TEST:
                o->test = true;
                return true;
        case OPT_DRY_RUN:
                o->dry_run = true;
                return true;
        case OPT_SNAPSHOT:
                o->snapshot = kh_parse_u64(kh_span_of(value), UINT64_MAX, &o->listener_since);
                return o->snapshot;
        case OPT_HELP:
                o->help = true;
                return true;
        case OPT_VERSION:
                o->version = true;
                return true;
        default:
                return false;
        }
}

void kh_hook_parse_options(int argc, char **argv, struct kh_hook_options *ret)
{
        int option;

        *ret = (struct kh_hook_options){
                .socket = KH_DEFAULT_SOCKET,
                .spool = KH_DEFAULT_SPOOL,
                .timeout_ns = KH_NS_PER_S,
        };
        opterr = 0;
        while (optind < argc) {
                const char *argument = argv[optind];

                option = getopt_long(argc, argv, "", options, NULL);
                if (option == -1) {
                        argument = argv[optind];
                        optind = argc; /* a word that is no option */
                } else if (apply(ret, option, optarg)) {
                        continue;
                }
                if (!ret->misunderstood)
                        ret->misunderstood = argument;
        }
}
