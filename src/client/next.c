/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a question to its events: connecting, once or again and again, and what each line means for
 * the subscriber. Nothing here waits but kubearmor_hook_next() and its relatives.
 */
#include "client/client.h"

#include "base/clock.h"
#include "json/writer.h"

#include <errno.h>

/* Before the first attempt to reconnect, doubled up to the last: a restart takes some 50 ms. */
#define PAUSE_FIRST_NS (50 * KH_NS_PER_MS)
#define PAUSE_LAST_NS  (2 * KH_NS_PER_S)

void kh_hang_up(struct kubearmor_hook *hook)
{
        kh_stream_disconnect(&hook->stream);
        kh_stream_wake_at(&hook->stream, 0);
        hook->phase = KH_PHASE_IDLE;
        hook->ahead = false;
        hook->synced = (struct kh_span){ 0 };
}

static void wake_at(struct kubearmor_hook *hook, uint64_t due_ns)
{
        hook->due_ns = due_ns;
        kh_stream_wake_at(&hook->stream, due_ns);
}

static void try_later(struct kubearmor_hook *hook)
{
        hook->phase = KH_PHASE_CONNECTING;
        wake_at(hook, kh_boottime_ns() + hook->pause_ns);
        hook->pause_ns = hook->pause_ns < PAUSE_LAST_NS / 2 ? 2 * hook->pause_ns : PAUSE_LAST_NS;
}

static int connect_and_ask(struct kubearmor_hook *hook)
{
        int rc = kh_stream_connect(&hook->stream, &hook->address, &hook->err);

        if (rc == 0)
                rc = kh_stream_send(
                        &hook->stream, (struct kh_span){ hook->ask, hook->ask_len }, &hook->err);
        if (rc < 0)
                return rc;
        hook->phase = KH_PHASE_ANSWERING;
        hook->heard = false;
        hook->answers = 0;
        wake_at(hook, kh_boottime_ns() + hook->timeout_ns);
        return 0;
}

void kh_ask_begin(struct kubearmor_hook *hook, struct kh_buf *b, struct kh_span request)
{
        kh_hang_up(hook);
        *b = kh_buf_of(hook->ask, sizeof(hook->ask));
        kh_json_open(b, '{');
        kh_json_put_str_member(b, KH_SPAN("request"), request);
}

int kh_ask(struct kubearmor_hook *hook, struct kh_buf *b, enum kh_question question)
{
        int rc;

        kh_json_close(b, '}');
        kh_buf_char(b, '\n');
        if (b->over)
                return kh_fail(&hook->err, -EINVAL, "the request is too long");
        hook->ask_len = b->len;
        hook->question = question;
        hook->reconnect = hook->away = false;
        kh_follow_reset(&hook->follow);
        rc = connect_and_ask(hook);
        if (rc != -EAGAIN)
                return rc;
        hook->give_up_ns = kh_boottime_ns() + hook->timeout_ns;
        hook->pause_ns = 10 * KH_NS_PER_MS;
        try_later(hook);
        return 0;
}

/* Whether a listener that comes back could still serve what failed with RC. */
static bool is_passing(int rc)
{
        return rc == -ECONNRESET || rc == -ETIMEDOUT || rc == -ENOBUFS || rc == -ESHUTDOWN ||
               rc == -EUSERS;
}

/*
 * The connection is lost: 1 when the room holds an event that says so, 0 when it was said before.
 */
static int lose(struct kubearmor_hook *hook, int rc)
{
        kh_hang_up(hook);
        if (!hook->reconnect || !is_passing(rc))
                return rc;
        kh_follow_reconnected(&hook->follow);
        hook->give_up_ns = UINT64_MAX;
        if (!hook->away)
                hook->pause_ns = PAUSE_FIRST_NS;
        try_later(hook);
        if (hook->away)
                return 0;
        hook->away = true;
        hook->room.event = (struct kubearmor_hook_event){
                .type = KUBEARMOR_HOOK_DISCONNECTED,
                .message = hook->err.msg,
        };
        return 1;
}

static int connect_again(struct kubearmor_hook *hook)
{
        uint64_t now = kh_boottime_ns();
        int rc;

        if (now < hook->due_ns)
                return 0;
        if (now >= hook->give_up_ns) {
                rc = kh_fail(&hook->err, -ETIMEDOUT, "the listener takes no connection");
                kh_hang_up(hook);
                return rc;
        }
        rc = connect_and_ask(hook);
        if (rc == 0)
                return 0;
        if (!hook->reconnect && rc != -EAGAIN) {
                kh_hang_up(hook);
                return rc;
        }
        try_later(hook);
        return 0;
}

/* Nothing has come: has the silence lasted too long? */
static int check_silence(struct kubearmor_hook *hook)
{
        uint64_t now = kh_boottime_ns();

        if (hook->phase != KH_PHASE_ANSWERING)
                return 0;
        if (hook->heard) {
                hook->heard = false;
                wake_at(hook, now + hook->timeout_ns);
                return 0;
        }
        if (now < hook->due_ns)
                return 0;
        return kh_fail(&hook->err, -ETIMEDOUT, "the listener does not answer");
}

static int finish_snapshot(struct kubearmor_hook *hook)
{
        hook->away = false;
        if (hook->question == KH_ASK_SUBSCRIBE) {
                hook->phase = KH_PHASE_LIVE;
                kh_stream_wake_at(&hook->stream, 0);
                return 1;
        }
        /* The line that `room.event.json` is stays in the stream's buffer. */
        kh_hang_up(hook);
        if (hook->question == KH_ASK_LOOKUP && hook->answers == 0)
                return kh_fail(&hook->err, -ESRCH, "no such container");
        return 1;
}

/* What was read is in the room: 1 when the subscriber is to have it now. */
static int take_event(struct kubearmor_hook *hook, struct kh_span line)
{
        int rc = 1;

        if (hook->room.event.type == KUBEARMOR_HOOK_CONTAINER)
                hook->answers++;
        if (hook->reconnect)
                rc = kh_follow_note(&hook->follow, &hook->room.event, &hook->err);
        if (rc < 0 || hook->room.event.type != KUBEARMOR_HOOK_SYNCED)
                return rc;
        if (rc == 0)
                hook->synced = line;
        else
                rc = finish_snapshot(hook);
        return rc;
}

/* The difference between two snapshots, then the later one's `synced`. */
static int tell_difference(struct kubearmor_hook *hook)
{
        struct kh_span line;
        uint64_t seq = hook->room.event.seq;
        int rc = kh_follow_next(&hook->follow, seq, &line, &hook->err);

        if (rc < 0)
                return rc;
        if (rc > 0)
                return kh_event_read(&hook->room, line, &hook->err);
        line = hook->synced;
        hook->synced = (struct kh_span){ 0 };
        rc = kh_event_read(&hook->room, line, &hook->err);
        return rc < 0 ? rc : finish_snapshot(hook);
}

static int read_event(struct kubearmor_hook *hook)
{
        struct kh_span line;
        int rc;

        for (;;) {
                if (hook->synced.p)
                        return tell_difference(hook);
                rc = kh_stream_line(&hook->stream, &line, &hook->err);
                if (rc == 0)
                        return check_silence(hook);
                if (rc < 0)
                        return rc;
                hook->heard = true;
                rc = kh_event_read(&hook->room, line, &hook->err);
                if (rc > 0)
                        rc = take_event(hook, line);
                if (rc != 0)
                        return rc;
        }
}

/* Without waiting: 1 when the room holds the next event, 0 when there is none yet. */
static int advance(struct kubearmor_hook *hook)
{
        int rc = 0;

        if (hook->ahead) {
                hook->ahead = false;
                return 1;
        }
        if (hook->phase == KH_PHASE_IDLE)
                return kh_fail(&hook->err, -ENODATA, "nothing more is to come");
        if (hook->phase == KH_PHASE_CONNECTING)
                rc = connect_again(hook);
        if (rc < 0 || hook->phase == KH_PHASE_CONNECTING)
                return rc;
        rc = read_event(hook);
        return rc < 0 ? lose(hook, rc) : rc;
}

static int wait_for_event(struct kubearmor_hook *hook, uint64_t deadline_ns)
{
        for (;;) {
                int rc = advance(hook);

                if (rc != 0)
                        return rc;
                if (kh_left_ns(deadline_ns) == 0)
                        return 0;
                rc = kh_stream_wait(&hook->stream, deadline_ns, &hook->err);
                if (rc < 0)
                        return rc;
        }
}

int kubearmor_hook_next(
        struct kubearmor_hook *hook, int timeout_ms, const struct kubearmor_hook_event **ret)
{
        uint64_t deadline_ns = UINT64_MAX;
        int rc;

        if (timeout_ms >= 0)
                deadline_ns =
                        timeout_ms ? kh_boottime_ns() + (uint64_t)timeout_ms * KH_NS_PER_MS : 0;
        rc = wait_for_event(hook, deadline_ns);
        if (rc > 0)
                *ret = &hook->room.event;
        return rc;
}

int kh_look_ahead(struct kubearmor_hook *hook)
{
        int rc = wait_for_event(hook, UINT64_MAX);

        if (rc > 0)
                hook->ahead = true;
        return rc;
}

int kh_next_line(struct kubearmor_hook *hook, struct kh_span *ret)
{
        for (;;) {
                int rc = 0;

                if (hook->phase == KH_PHASE_CONNECTING)
                        rc = connect_again(hook);
                if (rc == 0 && hook->phase == KH_PHASE_ANSWERING) {
                        rc = kh_stream_line(&hook->stream, ret, &hook->err);
                        hook->heard |= rc > 0;
                        if (rc == 0)
                                rc = check_silence(hook);
                }
                if (rc == 0)
                        rc = kh_stream_wait(&hook->stream, UINT64_MAX, &hook->err);
                if (rc != 0)
                        return rc;
        }
}
