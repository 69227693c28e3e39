/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/kubearmor.h"

#define NO_POD_NAMESPACE KH_SPAN("container_namespace")
#define NAMESPACE_LABEL  KH_SPAN("namespaceName")
#define NAME_LABEL       KH_SPAN("kubearmor.io/container.name")
#define TYPE_LABEL       KH_SPAN("containerType")

enum { SHORT_MAX = 100 }; /* bytes of a name where names have to be short */

static bool is_in_pod(const struct kh_container *c)
{
        return c->pod_name.p || c->pod_namespace.p || c->pod_uid.p;
}

/* The name of a container of no pod; it always has one. */
static struct kh_span name_of(const struct kh_container *c)
{
        return c->name.n ? c->name : c->id;
}

/* The one string "k=v,k=v". */
struct labels {
        struct kh_buf *b;
        bool all; /* else those that fit */
        bool any;
};

static bool has(struct kh_span s, char c)
{
        return s.n && memchr(s.p, c, s.n);
}

/*
 * KubeArmor cuts at each comma, so that one in a value would put a label of its author's choice
 * beside it, another container's name say.
 */
static void put_label(struct labels *l, struct kh_span key, struct kh_span value)
{
        static const size_t closing = sizeof("\"}}") - 1;
        const struct kh_buf before = *l->b;

        if (!key.n || has(key, ',') || has(key, '=') || has(value, ','))
                return;
        if (!l->all && before.over)
                return;
        if (l->any)
                kh_buf_char(l->b, ',');
        kh_json_put_text(l->b, key);
        kh_buf_char(l->b, '=');
        kh_json_put_text(l->b, value);
        if (!l->all && (l->b->over || l->b->cap - l->b->len < closing))
                *l->b = before;
        else
                l->any = true;
}

/* Those of the engine's metadata and of the specification that are not ours to say. */
static void put_pairs(struct labels *l, const struct kh_pairs *pairs)
{
        for (unsigned i = 0; i < pairs->n; i++) {
                if (!kh_span_eq(pairs->v[i].key, NAMESPACE_LABEL))
                        put_label(l, pairs->v[i].key, pairs->v[i].value);
        }
}

static void put_labels(struct kh_buf *b, const struct kh_container *c, bool all)
{
        struct labels l = { b, all, false };
        struct kh_span manager = kh_pairs_get(&c->annotations, KH_SPAN("io.container.manager"));
        const struct kh_buf before = *b;

        kh_json_put_key(b, KH_SPAN("labels"));
        kh_buf_char(b, '"');
        if (is_in_pod(c)) {
                put_pairs(&l, &c->labels);
        } else {
                put_label(&l, NAMESPACE_LABEL, NO_POD_NAMESPACE);
                if (!kh_pairs_get(&c->labels, NAME_LABEL).p)
                        put_label(&l, NAME_LABEL, name_of(c));
                if (kh_span_eq(manager, KH_SPAN("libpod")) &&
                        !kh_pairs_get(&c->labels, TYPE_LABEL).p)
                        put_label(&l, TYPE_LABEL, KH_SPAN("podman"));
                put_pairs(&l, &c->labels);
                put_pairs(&l, &c->annotations);
        }
        kh_buf_char(b, '"');
        if (!l.any)
                *b = before;
}

static void put_name(
        struct kh_buf *b, struct kh_span key, struct kh_span name, enum kh_request_detail detail)
{
        if (detail != KH_REQUEST_SHORT || name.n <= SHORT_MAX)
                kh_json_put_str_member(b, key, name);
}

static void put_names(struct kh_buf *b, const struct kh_container *c, enum kh_request_detail detail)
{
        bool in_pod = is_in_pod(c);

        put_name(b, KH_SPAN("containerName"), in_pod ? c->name : name_of(c), detail);
        put_name(b, KH_SPAN("containerImage"), c->image, detail);
        put_name(b, KH_SPAN("namespaceName"), in_pod ? c->pod_namespace : NO_POD_NAMESPACE, detail);
        put_name(b, KH_SPAN("endPointName"), in_pod ? c->pod_name : name_of(c), detail);
        put_name(b, KH_SPAN("apparmorProfile"), c->apparmor_profile, detail);
}

/* Go refuses the whole message for a number that is no uint32. */
static void put_number(struct kh_buf *b, struct kh_span key, uint64_t number)
{
        if (number <= UINT32_MAX)
                kh_json_put_u64_member(b, key, number);
}

void kh_kubearmor_write(struct kh_buf *b, const struct kh_request *r, enum kh_request_detail detail)
{
        const struct kh_container *c = &r->container;

        kh_json_put_key(b, KH_SPAN("container"));
        kh_json_open(b, '{');
        kh_json_put_str_member(b, KH_SPAN("containerID"), c->id);
        if (r->operation == KH_OP_CREATE) {
                put_names(b, c, detail);
                if (c->privileged == KH_YES)
                        kh_json_put_bool_member(b, KH_SPAN("privileged"), true);
                put_number(b, KH_SPAN("pidns"), c->ns[KH_NS_PID]);
                put_number(b, KH_SPAN("mntns"), c->ns[KH_NS_MNT]);
                put_number(b, KH_SPAN("pid"), c->pid);
                kh_json_put_str_member(b, KH_SPAN("node_name"), r->node_name);
                kh_json_put_str_member(
                        b, KH_SPAN("status"), r->running ? KH_SPAN("running") : KH_SPAN("stopped"));
                put_labels(b, c, detail == KH_REQUEST_WHOLE);
        }
        kh_json_close(b, '}');
}

void kh_kubearmor_read(struct kh_json *j, struct kh_container *c, struct kh_span *ret_labels)
{
        struct kh_span key;
        uint64_t number;
        bool yes;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("containerID")))
                        kh_json_name(j, &c->id);
                else if (kh_span_eq(key, KH_SPAN("containerName")))
                        kh_json_name(j, &c->name);
                else if (kh_span_eq(key, KH_SPAN("containerImage")))
                        kh_json_name(j, &c->image);
                else if (kh_span_eq(key, KH_SPAN("namespaceName")))
                        kh_json_name(j, &c->pod_namespace);
                else if (kh_span_eq(key, KH_SPAN("endPointName")))
                        kh_json_name(j, &c->pod_name);
                else if (kh_span_eq(key, KH_SPAN("apparmorProfile")))
                        kh_json_name(j, &c->apparmor_profile);
                else if (kh_span_eq(key, KH_SPAN("labels")))
                        kh_json_name(j, ret_labels);
                else if (kh_span_eq(key, KH_SPAN("pidns")))
                        kh_json_u64(j, UINT32_MAX, &c->ns[KH_NS_PID]);
                else if (kh_span_eq(key, KH_SPAN("mntns")))
                        kh_json_u64(j, UINT32_MAX, &c->ns[KH_NS_MNT]);
                else if (kh_span_eq(key, KH_SPAN("pid")))
                        c->pid = kh_json_u64(j, INT32_MAX, &number) ? (uint32_t)number : 0;
                else if (!kh_span_eq(key, KH_SPAN("privileged")))
                        kh_json_skip(j);
                /* Go writes false for "nobody said" as well: only true is an answer. */
                else if (kh_json_bool(j, &yes) && yes)
                        c->privileged = KH_YES;
        }
}

static struct kh_span cut_at(struct kh_span *rest, char separator)
{
        const char *at = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
        struct kh_span head = { rest->p, at ? (size_t)(at - rest->p) : rest->n };

        *rest = at ? kh_span_from(*rest, head.n + 1) : (struct kh_span){ 0 };
        return head;
}

static bool repeats_name(const struct kh_container *c, struct kh_span key, struct kh_span value)
{
        return (kh_span_eq(key, NAMESPACE_LABEL) && kh_span_eq(value, NO_POD_NAMESPACE)) ||
               (kh_span_eq(key, NAME_LABEL) && kh_span_eq(value, name_of(c)));
}

void kh_kubearmor_take_names(struct kh_container *c, struct kh_span labels)
{
        if (kh_span_eq(c->pod_namespace, NO_POD_NAMESPACE))
                c->pod_namespace = c->pod_name = (struct kh_span){ 0 };
        if (kh_span_eq(c->name, c->id))
                c->name = (struct kh_span){ 0 };
        while (labels.n) {
                struct kh_span value = cut_at(&labels, ','), key = cut_at(&value, '=');

                if (key.n && !repeats_name(c, key, value))
                        kh_pairs_add(&c->labels, key, value.p ? value : KH_SPAN(""));
        }
}
