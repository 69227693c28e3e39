/* SPDX-License-Identifier: Apache-2.0 */
/* The listener about itself. */
#include "client/status.h"

#include "client/client.h"
#include "json/reader.h"

#include <errno.h>
#include <stdlib.h>

enum {
        COUNTS_MAX = 256,              /* names in all of the status's maps */
        METRICS_MAX = 4 * 1024 * 1024, /* some hundred series are 32 KiB */
};

struct kh_status_room {
        struct kubearmor_hook_status status;
        char *text; /* the line, cut up */
        struct kubearmor_hook_count counts[COUNTS_MAX];
        struct kh_span names[COUNTS_MAX]; /* of counts, until they are cut */
        size_t n_counts;
};

/* Its strings, until they are cut. */
struct strings {
        struct kh_span type, version, instance, started_at, hook_socket, events_socket, spool;
        struct kh_span relay, relay_state;
        struct kh_span error, message;
};

void kh_status_room_free(struct kh_status_room *room)
{
        if (!room)
                return;
        free(room->text);
        free(room);
}

/* A map of numbers; what is no number, or one too many, is passed over. */
static void read_count(struct kh_status_room *room, struct kh_json *j, struct kh_span name,
        struct kubearmor_hook_counts *counts)
{
        uint64_t value;

        if (!kh_json_u64(j, UINT64_MAX, &value) || room->n_counts == COUNTS_MAX)
                return;
        room->names[room->n_counts] = name;
        room->counts[room->n_counts++].value = value;
        counts->n++;
}

static void begin_counts(struct kh_status_room *room, struct kubearmor_hook_counts *counts)
{
        *counts = (struct kubearmor_hook_counts){ .v = room->counts + room->n_counts };
}

static void read_counts(
        struct kh_status_room *room, struct kh_json *j, struct kubearmor_hook_counts *counts)
{
        struct kh_span name;

        begin_counts(room, counts);
        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &name))
                read_count(room, j, name, counts);
}

static void read_containers(struct kh_status_room *room, struct kh_json *j)
{
        struct kh_span name;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &name)) {
                if (kh_span_eq(name, KH_SPAN("total")))
                        kh_json_u64(j, UINT64_MAX, &room->status.containers);
                else if (kh_span_eq(name, KH_SPAN("byState")))
                        read_counts(room, j, &room->status.containers_by_state);
                else if (kh_span_eq(name, KH_SPAN("byRuntime")))
                        read_counts(room, j, &room->status.containers_by_runtime);
                else
                        kh_json_skip(j);
        }
}

static void read_spool(struct kh_status_room *room, struct kh_json *j, struct kh_span *directory)
{
        struct kh_span name;

        begin_counts(room, &room->status.spooled);
        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &name)) {
                if (kh_span_eq(name, KH_SPAN("directory")))
                        kh_json_string(j, directory);
                else
                        read_count(room, j, name, &room->status.spooled);
        }
}

static void read_relay(struct kh_status_room *room, struct kh_json *j, struct strings *s)
{
        struct kh_span name;

        begin_counts(room, &room->status.relayed);
        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &name)) {
                if (kh_span_eq(name, KH_SPAN("socket")))
                        kh_json_string(j, &s->relay);
                else if (kh_span_eq(name, KH_SPAN("state")))
                        kh_json_string(j, &s->relay_state);
                else
                        read_count(room, j, name, &room->status.relayed);
        }
}

static struct kh_span *string_member(struct strings *s, struct kh_span key)
{
        const struct {
                struct kh_span key;
                struct kh_span *member;
        } members[] = {
                { KH_SPAN("type"), &s->type },
                { KH_SPAN("version"), &s->version },
                { KH_SPAN("instance"), &s->instance },
                { KH_SPAN("startedAt"), &s->started_at },
                { KH_SPAN("hookSocket"), &s->hook_socket },
                { KH_SPAN("eventsSocket"), &s->events_socket },
                { KH_SPAN("error"), &s->error },
                { KH_SPAN("message"), &s->message },
        };

        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                if (kh_span_eq(key, members[i].key))
                        return members[i].member;
        }
        return NULL;
}

static struct kubearmor_hook_counts *counts_member(
        struct kubearmor_hook_status *status, struct kh_span key)
{
        if (kh_span_eq(key, KH_SPAN("events")))
                return &status->events;
        if (kh_span_eq(key, KH_SPAN("requests")))
                return &status->requests;
        if (kh_span_eq(key, KH_SPAN("rejected")))
                return &status->rejected;
        if (kh_span_eq(key, KH_SPAN("subscribers")))
                return &status->subscribers;
        return NULL;
}

static void read_member(
        struct kh_status_room *room, struct kh_json *j, struct kh_span key, struct strings *s)
{
        struct kh_span *string = string_member(s, key);
        struct kubearmor_hook_counts *counts = counts_member(&room->status, key);
        uint64_t number;

        if (string)
                kh_json_string(j, string);
        else if (counts)
                read_counts(room, j, counts);
        else if (kh_span_eq(key, KH_SPAN("uptimeSeconds")))
                kh_json_u64(j, UINT64_MAX, &room->status.uptime_seconds);
        else if (kh_span_eq(key, KH_SPAN("pid")))
                room->status.pid = kh_json_u64(j, INT32_MAX, &number) ? (pid_t)number : 0;
        else if (kh_span_eq(key, KH_SPAN("seq")))
                kh_json_u64(j, UINT64_MAX, &room->status.seq);
        else if (kh_span_eq(key, KH_SPAN("containers")))
                read_containers(room, j);
        else if (kh_span_eq(key, KH_SPAN("spool")))
                read_spool(room, j, &s->spool);
        else if (kh_span_eq(key, KH_SPAN("relay")))
                read_relay(room, j, s);
        else
                kh_json_skip(j);
}

static void cut_strings(struct kh_status_room *room, const struct strings *s)
{
        room->status.version = kh_cut(s->version);
        room->status.instance = kh_cut(s->instance);
        room->status.started_at = kh_cut(s->started_at);
        room->status.hook_socket = kh_cut(s->hook_socket);
        room->status.events_socket = kh_cut(s->events_socket);
        room->status.spool = kh_cut(s->spool);
        room->status.relay = kh_cut(s->relay);
        room->status.relay_state = kh_cut(s->relay_state);
        for (size_t i = 0; i < room->n_counts; i++)
                room->counts[i].name = kh_cut(room->names[i]);
}

static int read_status(struct kh_status_room *room, struct kh_span line, struct kh_err *err)
{
        struct strings s = { 0 };
        struct kh_span key;
        struct kh_json j;

        room->status = (struct kubearmor_hook_status){ .json = line.p };
        room->n_counts = 0;
        free(room->text);
        room->text = strndup(line.p, line.n);
        if (!room->text)
                return kh_fail(err, -ENOMEM, "out of memory");
        j = kh_json_of(room->text, strlen(room->text));
        if (kh_json_enter_object(&j)) {
                while (kh_json_member(&j, &key))
                        read_member(room, &j, key, &s);
        }
        if (kh_json_end(&j) && kh_span_eq(s.type, KH_SPAN("error")))
                return kh_event_error(s.error, s.message, err);
        if (j.error || !kh_span_eq(s.type, KH_SPAN("status")))
                return kh_fail(err, -EBADMSG, "the listener's answer is no status");
        cut_strings(room, &s);
        return 0;
}

static int ask_line(struct kubearmor_hook *hook, struct kh_span request, struct kh_span *ret)
{
        struct kh_buf b;
        int rc;

        kh_ask_begin(hook, &b, request);
        rc = kh_ask(hook, &b, KH_ASK_LOOKUP);
        return rc < 0 ? rc : kh_next_line(hook, ret);
}

int kubearmor_hook_status(struct kubearmor_hook *hook, const struct kubearmor_hook_status **ret)
{
        struct kh_span line;
        int rc;

        if (!hook->status)
                hook->status = calloc(1, sizeof(*hook->status));
        if (!hook->status)
                return kh_fail(&hook->err, -ENOMEM, "out of memory");
        rc = ask_line(hook, KH_SPAN("status"), &line);
        if (rc > 0)
                rc = read_status(hook->status, line, &hook->err);
        kh_hang_up(hook);
        if (rc == 0)
                *ret = &hook->status->status;
        return rc;
}

static int append_metrics(struct kubearmor_hook *hook, size_t *n, struct kh_span line)
{
        char *text;

        if (line.n >= METRICS_MAX - *n)
                return kh_fail(&hook->err, -EMSGSIZE, "the listener's metrics are too long");
        text = realloc(hook->metrics, *n + line.n + 2);
        if (!text)
                return kh_fail(&hook->err, -ENOMEM, "out of memory");
        memcpy(text + *n, line.p, line.n);
        *n += line.n;
        text[(*n)++] = '\n';
        text[*n] = '\0';
        hook->metrics = text;
        return 0;
}

static int read_metrics(struct kubearmor_hook *hook)
{
        struct kh_span line;
        size_t n = 0;
        int rc = ask_line(hook, KH_SPAN("metrics"), &line);

        if (rc > 0 && kh_span_starts(line, KH_SPAN("{"))) {
                rc = kh_event_read(&hook->room, line, &hook->err);
                return rc < 0 ? rc
                              : kh_fail(&hook->err, -EBADMSG,
                                        "the listener's answer is no metrics");
        }
        while (rc > 0) {
                rc = append_metrics(hook, &n, line);
                if (rc < 0 || kh_span_eq(line, KH_SPAN("# EOF")))
                        break;
                rc = kh_next_line(hook, &line);
        }
        return rc;
}

int kubearmor_hook_metrics(struct kubearmor_hook *hook, const char **ret)
{
        int rc = read_metrics(hook);

        kh_hang_up(hook);
        if (rc == 0)
                *ret = hook->metrics;
        return rc;
}
