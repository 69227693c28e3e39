/* SPDX-License-Identifier: Apache-2.0 */
#include "client/event.h"

#include "wire/codec.h"
#include "json/reader.h"

#include <errno.h>
#include <stdlib.h>

/* The members of any line, not yet cut. */
struct line {
        struct kh_span type, time, source, reason, instance, error, message;
        struct kh_span container; /* its text */
        uint64_t seq, count;
        bool derived;
};

/* Those that the listener adds to a container object. */
struct life {
        struct kh_span state, source, created_at;
};

void kh_event_room_done(struct kh_event_room *room)
{
        free(room->text);
        room->text = NULL;
}

const char *kh_cut(struct kh_span s)
{
        char *end;

        if (!s.p)
                return NULL;
        end = (char *)s.p + s.n;
        /* A name that could not be decoded is a constant "", which is terminated already. */
        if (*end)
                *end = '\0';
        return s.p;
}

static struct kh_span *string_member(struct line *l, struct kh_span key)
{
        const struct {
                struct kh_span key;
                struct kh_span *member;
        } members[] = {
                { KH_SPAN("type"), &l->type },
                { KH_SPAN("time"), &l->time },
                { KH_SPAN("source"), &l->source },
                { KH_SPAN("reason"), &l->reason },
                { KH_SPAN("instance"), &l->instance },
                { KH_SPAN("error"), &l->error },
                { KH_SPAN("message"), &l->message },
        };

        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                if (kh_span_eq(key, members[i].key))
                        return members[i].member;
        }
        return NULL;
}

static bool read_line(struct kh_json j, struct line *l)
{
        struct kh_span key, *string;

        if (!kh_json_enter_object(&j))
                return false;
        while (kh_json_member(&j, &key)) {
                string = string_member(l, key);
                if (string)
                        kh_json_string(&j, string);
                else if (kh_span_eq(key, KH_SPAN("seq")))
                        kh_json_u64(&j, UINT64_MAX, &l->seq);
                else if (kh_span_eq(key, KH_SPAN("count")))
                        kh_json_u64(&j, UINT64_MAX, &l->count);
                else if (kh_span_eq(key, KH_SPAN("derived")))
                        kh_json_bool(&j, &l->derived);
                else if (kh_span_eq(key, KH_SPAN("container")))
                        kh_json_raw(&j, &l->container);
                else
                        kh_json_skip(&j);
        }
        return kh_json_end(&j);
}

static bool read_container(struct kh_json j, struct kh_container *c, struct life *life)
{
        struct kh_span key;

        kh_container_init(c);
        if (!kh_json_enter_object(&j))
                return false;
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("state")))
                        kh_json_string(&j, &life->state);
                else if (kh_span_eq(key, KH_SPAN("source")))
                        kh_json_string(&j, &life->source);
                else if (kh_span_eq(key, KH_SPAN("createdAt")))
                        kh_json_string(&j, &life->created_at);
                else if (!kh_container_read_member(&j, key, c))
                        kh_json_skip(&j);
        }
        return kh_json_end(&j) && c->id.n > 0;
}

static size_t cut_pairs(const struct kh_pairs *pairs, struct kubearmor_hook_pair *ret)
{
        for (unsigned i = 0; i < pairs->n; i++) {
                ret[i].name = kh_cut(pairs->v[i].key);
                ret[i].value = kh_cut(pairs->v[i].value);
        }
        return pairs->n;
}

static const char *type_name(enum kh_container_type type)
{
        if (type == KH_TYPE_UNKNOWN)
                return NULL;
        return type == KH_TYPE_SANDBOX ? "sandbox" : "container";
}

static void fill_lists(struct kh_event_room *room)
{
        const struct kh_container *c = &room->parsed;
        struct kubearmor_hook_container *out = &room->container;

        out->runtime_sockets = room->sockets;
        out->n_runtime_sockets = c->runtime_sockets.n;
        for (unsigned i = 0; i < c->runtime_sockets.n; i++)
                room->sockets[i] = kh_cut(c->runtime_sockets.v[i]);
        out->labels = room->labels;
        out->n_labels = cut_pairs(&c->labels, room->labels);
        out->annotations = room->annotations;
        out->n_annotations = cut_pairs(&c->annotations, room->annotations);
}

_Static_assert(
        KUBEARMOR_HOOK_NS_COUNT == (int)KH_NS_COUNT && KUBEARMOR_HOOK_NS_TIME == (int)KH_NS_TIME,
        "one order of namespaces");
_Static_assert(
        KUBEARMOR_HOOK_YES == (int)KH_YES && KUBEARMOR_HOOK_NO == (int)KH_NO, "one tri-state");

static void fill_container(struct kh_event_room *room, const struct life *life, const char *json)
{
        const struct kh_container *c = &room->parsed;

        room->container = (struct kubearmor_hook_container){
                .id = kh_cut(c->id),
                .name = kh_cut(c->name),
                .image = kh_cut(c->image),
                .type = type_name(c->type),
                .state = kh_cut(life->state),
                .source = kh_cut(life->source),
                .created_at = kh_cut(life->created_at),
                .pod_name = kh_cut(c->pod_name),
                .pod_namespace = kh_cut(c->pod_namespace),
                .pod_uid = kh_cut(c->pod_uid),
                .sandbox_id = kh_cut(c->sandbox_id),
                .runtime = kh_cut(c->runtime),
                .stage = kh_cut(c->stage),
                .bundle = kh_cut(c->bundle),
                .rootfs = kh_cut(c->rootfs),
                .pid = (pid_t)c->pid,
                .start_time = c->start_time,
                .host_namespaces = c->ns_host,
                .joined_namespaces = c->ns_joined,
                .cgroup_path = kh_cut(c->cgroup_path),
                .cgroup_spec_path = kh_cut(c->cgroup_spec_path),
                .cgroup_id = c->cgroup_id,
                .command = kh_cut(c->command),
                .uid = c->uid,
                .gid = c->gid,
                .apparmor_profile = kh_cut(c->apparmor_profile),
                .selinux_label = kh_cut(c->selinux_label),
                .privileged = (enum kubearmor_hook_known)c->privileged,
                .seccomp = (enum kubearmor_hook_known)c->seccomp,
                .json = json,
        };
        for (int i = 0; i < KH_NS_COUNT; i++)
                room->container.namespaces[i] = c->ns[i];
        fill_lists(room);
}

static enum kubearmor_hook_event_type type_of(struct kh_span name)
{
        static const struct {
                struct kh_span name;
                enum kubearmor_hook_event_type type;
        } types[] = {
                { KH_SPAN("container"), KUBEARMOR_HOOK_CONTAINER },
                { KH_SPAN("synced"), KUBEARMOR_HOOK_SYNCED },
                { KH_SPAN("created"), KUBEARMOR_HOOK_CREATED },
                { KH_SPAN("updated"), KUBEARMOR_HOOK_UPDATED },
                { KH_SPAN("removed"), KUBEARMOR_HOOK_REMOVED },
        };

        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
                if (kh_span_eq(name, types[i].name))
                        return types[i].type;
        }
        return 0;
}

int kh_event_error(struct kh_span name, struct kh_span message, struct kh_err *err)
{
        static const struct {
                struct kh_span name;
                int code;
        } errors[] = {
                { KH_SPAN("bad-request"), -EINVAL },
                { KH_SPAN("not-found"), -ESRCH },
                { KH_SPAN("ambiguous"), -ENOTUNIQ },
                { KH_SPAN("slow-subscriber"), -ENOBUFS },
                { KH_SPAN("shutdown"), -ESHUTDOWN },
                { KH_SPAN("too-many-subscribers"), -EUSERS },
                { KH_SPAN("not-permitted"), -EACCES },
        };
        int code = -EBADMSG;

        for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
                if (kh_span_eq(name, errors[i].name))
                        code = errors[i].code;
        }
        if (!message.p)
                message = name;
        return kh_fail(err, code, "the listener says: %.*s", (int)message.n, message.p);
}

static int ensure(struct kh_event_room *room, size_t cap)
{
        char *text;

        if (cap <= room->cap)
                return 0;
        text = realloc(room->text, cap);
        if (!text)
                return -ENOMEM;
        room->text = text;
        room->cap = cap;
        return 0;
}

static int fail_line(struct kh_err *err)
{
        return kh_fail(err, -EBADMSG, "the listener wrote a line that is none of the protocol's");
}

static int read_its_container(struct kh_event_room *room, const struct line *l, char *copy)
{
        struct life life = { 0 };

        /* Its own text is kept before the reading cuts it up. */
        memcpy(copy, l->container.p, l->container.n);
        copy[l->container.n] = '\0';
        if (!read_container(
                    kh_json_of((char *)l->container.p, l->container.n), &room->parsed, &life))
                return -EBADMSG;
        fill_container(room, &life, copy);
        return 0;
}

int kh_event_read(struct kh_event_room *room, struct kh_span line, struct kh_err *err)
{
        struct line l = { 0 };
        enum kubearmor_hook_event_type type;

        if (ensure(room, 2 * (line.n + 1)) < 0)
                return kh_fail(err, -ENOMEM, "out of memory");
        memcpy(room->text, line.p, line.n);
        room->text[line.n] = '\0';
        if (!read_line(kh_json_of(room->text, line.n), &l))
                return fail_line(err);
        if (kh_span_eq(l.type, KH_SPAN("error")))
                return kh_event_error(l.error, l.message, err);
        type = type_of(l.type);
        if (type == 0)
                return 0;
        if (type != KUBEARMOR_HOOK_SYNCED &&
                (!l.container.p || read_its_container(room, &l, room->text + line.n + 1) < 0))
                return fail_line(err);
        room->event = (struct kubearmor_hook_event){
                .type = type,
                .container = type == KUBEARMOR_HOOK_SYNCED ? NULL : &room->container,
                .seq = l.seq,
                .time = kh_cut(l.time),
                .source = kh_cut(l.source),
                .reason = kh_cut(l.reason),
                .derived = l.derived,
                .instance = kh_cut(l.instance),
                .count = l.count,
                .json = line.p,
        };
        return 1;
}
