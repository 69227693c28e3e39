/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubearmor-hook: called by a container runtime at a container's creation and end, tells the
 * listener.
 *
 * Whatever happens it ends within its deadline and with 0, unless an administrator asked that a
 * container be refused: a hook that fails takes every container of the node with it.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "hook/deliver.h"
#include "hook/gather.h"
#include "hook/policy.h"
#include "hook/report.h"
#include "hook/snapshot.h"
#include "spool/spool.h"

#include <fcntl.h>
#include <poll.h>

/*
 * More state than any runtime writes: Kubernetes bounds a pod's annotations at 256 KiB, which CRI-O
 * repeats up to four times, and a byte may be written as seven ("\\u003c").
 */
enum { STATE_MAX = 8 * 1024 * 1024 };

static char state_text[STATE_MAX];
static struct kh_oci_state state;
static struct kh_gathered gathered;

/*
 * All of stdin: crun fails the container when its pipe is not read to the end. What is beyond the
 * bound is read and forgotten.
 */
static int read_state_text(uint64_t deadline_ns, size_t *ret_n, struct kh_err *err)
{
        static char beyond[65536];
        size_t n = 0;
        bool over = false;

        for (;;) {
                struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
                bool full = n == sizeof(state_text);
                int left = kh_left_ms(deadline_ns);
                ssize_t got;

                /* What is always ready, as /dev/zero is, must end as well. */
                if (left == 0 || poll(&input, 1, left) == 0)
                        return kh_fail(
                                err, -ETIMEDOUT, "the OCI state on stdin did not end in time");
                got = full ? read(STDIN_FILENO, beyond, sizeof(beyond))
                           : read(STDIN_FILENO, state_text + n, sizeof(state_text) - n);
                if (got < 0 && errno != EINTR && errno != EAGAIN)
                        return kh_fail(
                                err, -errno, "read the OCI state on stdin: %s", kh_strerror(errno));
                if (got == 0)
                        break;
                if (got > 0 && full)
                        over = true;
                else if (got > 0)
                        n += (size_t)got;
        }
        if (over)
                return kh_fail(err, -EFBIG, "the OCI state on stdin is larger than %d bytes",
                        (int)STATE_MAX);
        *ret_n = n;
        return 0;
}

static void print(struct kh_span text)
{
        (void)kh_write_all(STDOUT_FILENO, text.p, text.n);
}

static void spool_event(const struct kh_hook_options *options)
{
        struct kh_err err;
        kh_cleanup(kh_closep) int dir = -EBADF;

        if (!options->spool)
                return;
        dir = kh_spool_open(options->spool, &err);
        if (dir < 0 || kh_spool_put(dir, kh_whole_request(&gathered.request), &err) < 0)
                kh_report(options, "container '%.*s': event lost: %s", (int)state.id.n, state.id.p,
                        err.msg);
}

static bool is_create(void)
{
        return gathered.stage != KH_STAGE_POSTSTOP;
}

/* Whether the container is refused for what it mounts. */
static bool is_denied(const struct kh_hook_options *options)
{
        const struct kh_container *c = &gathered.request.container;
        struct kh_span first;

        if (!options->deny_runtime_sockets || !is_create() || c->runtime_sockets.n == 0 ||
                kh_may_have_runtime_socket(c, gathered.dialect, options))
                return false;
        first = c->runtime_sockets.v[0];
        kh_tell_user(
                "kubearmor-hook: container '%.*s' refused: it mounts '%.*s', which gives it the "
                "container runtime (--deny-runtime-sockets); drop the mount, or exempt its namespace",
                (int)c->id.n, c->id.p, (int)first.n, first.p);
        return true;
}

/*
 * A listener that begins knows nothing of what ran before. Only on the host's side: elsewhere the
 * process would be the container's, and die with it.
 */
static bool wants_snapshot(const struct kh_hook_options *options)
{
        return (gathered.stage == KH_STAGE_CREATE_RUNTIME || gathered.stage == KH_STAGE_PRESTART) &&
               !options->test && kh_is_listener(&gathered.request.container, options);
}

/* An event that could not be delivered: the exit status. */
static int undelivered(const struct kh_hook_options *options, const struct kh_err *why)
{
        const struct kh_container *c = &gathered.request.container;

        /* In the container's user namespace the hook may reach no listener at all: refusing for that
           would refuse every such container. */
        if (options->fail_closed && is_create() && !gathered.in_user_ns &&
                !kh_is_exempt(c, gathered.dialect, options)) {
                kh_tell_user(
                        "kubearmor-hook: container '%.*s' refused (--fail-closed): %s; start the "
                        "listener, or exempt the pod's namespace with --exempt-namespace",
                        (int)c->id.n, c->id.p, why->msg);
                return 1;
        }
        /* A listener that is not there yet is nothing to report: the event waits for it. */
        if (why->code != -ENOENT && why->code != -ECONNREFUSED)
                kh_report(options, "container '%.*s': %s", (int)c->id.n, c->id.p, why->msg);
        spool_event(options);
        return 0;
}

static int dry_run(void)
{
        print(kh_whole_request(&gathered.request));
        print(KH_SPAN("\n"));
        return 0;
}

static int unusable(const struct kh_hook_options *options, const struct kh_err *err)
{
        if (options->dry_run) {
                kh_tell_user("kubearmor-hook: %s; pipe a container's state to it, as in "
                             "'runc state ID | kubearmor-hook --dry-run'",
                        err->msg);
                return 1;
        }
        kh_report(options, "%s", err->msg);
        return 0;
}

/*
 * A closed stdout or stderr must not become the number of something opened here, to be written to.
 */
static void occupy_standard_streams(void)
{
        int fd;

        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= STDERR_FILENO);
        kh_close(fd);
}

static int run(const struct kh_hook_options *options, uint64_t start_ns)
{
        uint64_t deadline_ns = start_ns + options->timeout_ns;
        struct kh_err err;
        size_t n = 0;

        if (read_state_text(deadline_ns, &n, &err) < 0)
                return unusable(options, &err);
        if (options->stage == KH_STAGE_START_CONTAINER)
                return 0;
        if (kh_oci_read_state(state_text, n, &state, &err) < 0)
                return unusable(options, &err);
        kh_gather(&state, options, &gathered, &err);
        if (gathered.stage == KH_STAGE_START_CONTAINER)
                return 0;
        if (err.code < 0)
                kh_report(options, "container '%.*s': %s", (int)state.id.n, state.id.p, err.msg);
        if (is_denied(options))
                return 1;
        gathered.request.duration_us = (kh_boottime_ns() - start_ns) / 1000;
        if (options->dry_run)
                return dry_run();
        if (wants_snapshot(options))
                kh_snapshot_start(options, gathered.request.container.start_time);
        if (kh_deliver(options->socket, &gathered.request, gathered.pidfd, deadline_ns, &err) < 0)
                return undelivered(options, &err);
        return 0;
}

int main(int argc, char **argv)
{
        uint64_t start_ns = kh_boottime_ns();
        struct kh_hook_options options;

        kh_hook_parse_options(argc, argv, &options);
        if (options.help) {
                print(kh_span_of(kh_hook_help));
                return 0;
        }
        if (options.version) {
                print(KH_SPAN("kubearmor-hook " KH_VERSION "\n"));
                return 0;
        }
        if (options.misunderstood)
                kh_report(&options, "argument '%s' is not understood, ignored",
                        options.misunderstood);
        if (options.fail_closed || options.deny_runtime_sockets || options.dry_run)
                occupy_standard_streams();
        if (options.snapshot)
                return kh_snapshot_run(&options);
        return run(&options, start_ns);
}
