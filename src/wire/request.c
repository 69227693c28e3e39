/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/request.h"

#include "base/utf8.h"
#include "wire/codec.h"

#include <errno.h>

/* KubeArmor's form: "k=v,k=v" in one string. */
static void put_labels(struct kh_buf *b, const struct kh_pairs *labels)
{
        if (labels->n == 0)
                return;
        kh_json_put_key(b, KH_SPAN("labels"));
        kh_buf_char(b, '"');
        for (unsigned i = 0; i < labels->n; i++) {
                if (i)
                        kh_buf_char(b, ',');
                kh_json_put_text(b, labels->v[i].key);
                kh_buf_char(b, '=');
                kh_json_put_text(b, labels->v[i].value);
        }
        kh_buf_char(b, '"');
}

static void put_kubearmor(
        struct kh_buf *b, const struct kh_container *c, enum kh_request_detail detail)
{
        kh_json_put_key(b, KH_SPAN("container"));
        kh_json_open(b, '{');
        kh_json_put_str_member(b, KH_SPAN("containerID"), c->id);
        kh_json_put_str_member(b, KH_SPAN("containerName"), c->name);
        kh_json_put_str_member(b, KH_SPAN("containerImage"), c->image);
        kh_json_put_str_member(b, KH_SPAN("namespaceName"), c->pod_namespace);
        kh_json_put_str_member(b, KH_SPAN("endPointName"), c->pod_name);
        kh_json_put_str_member(b, KH_SPAN("apparmorProfile"), c->apparmor_profile);
        if (c->privileged == KH_YES)
                kh_json_put_bool_member(b, KH_SPAN("privileged"), true);
        /*
         * KubeArmor's numbers are unsigned 32-bit integers: Go refuses the whole message otherwise.
         */
        if (c->ns[KH_NS_PID] <= UINT32_MAX)
                kh_json_put_u64_member(b, KH_SPAN("pidns"), c->ns[KH_NS_PID]);
        if (c->ns[KH_NS_MNT] <= UINT32_MAX)
                kh_json_put_u64_member(b, KH_SPAN("mntns"), c->ns[KH_NS_MNT]);
        kh_json_put_u64_member(b, KH_SPAN("pid"), c->pid);
        if (detail == KH_REQUEST_WHOLE)
                put_labels(b, &c->labels);
        kh_json_close(b, '}');
}

static void put_ours(struct kh_buf *b, const struct kh_request *r, enum kh_request_detail detail)
{
        bool whole = detail == KH_REQUEST_WHOLE;

        kh_json_put_key(b, KH_SPAN("oci"));
        kh_json_open(b, '{');
        kh_container_write(
                b, &r->container, whole ? KH_MEMBERS_BEYOND_KUBEARMOR : KH_MEMBERS_BOUNDED);
        kh_json_put_u64_member(b, KH_SPAN("durationUs"), r->duration_us);
        if (r->test)
                kh_json_put_bool_member(b, KH_SPAN("test"), true);
        if (!whole)
                kh_json_put_bool_member(b, KH_SPAN("cut"), true);
        kh_json_close(b, '}');
}

void kh_request_write(struct kh_buf *b, const struct kh_request *r, enum kh_request_detail detail)
{
        kh_json_open(b, '{');
        kh_json_put_key(b, KH_SPAN("operation"));
        kh_buf_u64(b, r->operation);
        kh_json_put_bool_member(b, KH_SPAN("detached"), r->detached);
        put_kubearmor(b, &r->container, detail);
        if (detail != KH_REQUEST_IDENTITY)
                put_ours(b, r, detail);
        kh_json_close(b, '}');
}

static void read_kubearmor(struct kh_json *j, struct kh_container *c, struct kh_span *labels)
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
                        kh_json_name(j, labels);
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

static void read_ours(struct kh_json *j, struct kh_request *r)
{
        struct kh_span key;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                /* These are KubeArmor's to say: whoever reads the one must not see another. */
                if (kh_span_eq(key, KH_SPAN("id")) || kh_span_eq(key, KH_SPAN("pid"))) {
                        kh_json_skip(j);
                        continue;
                }
                if (kh_container_read_member(j, key, &r->container))
                        continue;
                if (kh_span_eq(key, KH_SPAN("durationUs")))
                        kh_json_u64(j, UINT64_MAX, &r->duration_us);
                else if (kh_span_eq(key, KH_SPAN("test")))
                        kh_json_bool(j, &r->test);
                else
                        kh_json_skip(j);
        }
}

static struct kh_span cut_at(struct kh_span *rest, char separator)
{
        const char *at = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
        struct kh_span head = { rest->p, at ? (size_t)(at - rest->p) : rest->n };

        *rest = at ? kh_span_from(*rest, head.n + 1) : (struct kh_span){ 0 };
        return head;
}

static void split_labels(struct kh_span text, struct kh_pairs *labels)
{
        while (text.n) {
                struct kh_span value = cut_at(&text, ','), key = cut_at(&value, '=');

                if (key.n)
                        kh_pairs_add(labels, key, value.p ? value : KH_SPAN(""));
        }
}

bool kh_container_id_is_valid(struct kh_span id)
{
        if (id.n == 0 || id.n > KH_ID_MAX || kh_span_eq(id, KH_SPAN(".")) ||
                kh_span_eq(id, KH_SPAN("..")) || !kh_utf8_is_text(id))
                return false;
        for (size_t i = 0; i < id.n; i++) {
                unsigned char c = (unsigned char)id.p[i];

                if (c < 0x20 || c == 0x7f || c == '/')
                        return false;
        }
        return true;
}

int kh_request_read(char *text, size_t n, struct kh_request *ret, struct kh_err *err)
{
        struct kh_json j = kh_json_of(text, n);
        struct kh_span key, labels = { 0 };
        uint64_t operation = UINT64_MAX;

        ret->detached = ret->test = false;
        ret->duration_us = 0;
        kh_container_init(&ret->container);
        if (!kh_json_enter_object(&j))
                return kh_fail(err, -EBADMSG, "the request is no JSON object");
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("operation")))
                        kh_json_u64(&j, KH_OP_DELETE, &operation);
                else if (kh_span_eq(key, KH_SPAN("detached")))
                        kh_json_bool(&j, &ret->detached);
                else if (kh_span_eq(key, KH_SPAN("container")))
                        read_kubearmor(&j, &ret->container, &labels);
                else if (kh_span_eq(key, KH_SPAN("oci")))
                        read_ours(&j, ret);
                else
                        kh_json_skip(&j);
        }
        if (!kh_json_end(&j))
                return kh_fail(err, -EBADMSG, "the request is no JSON: %s", j.error);
        if (operation > KH_OP_DELETE)
                return kh_fail(err, -EINVAL, "the request's operation is neither 0 nor 1");
        if (!kh_container_id_is_valid(ret->container.id))
                return kh_fail(err, -EINVAL, "the request's containerID is no container id");
        ret->operation = (enum kh_operation)operation;
        if (ret->container.labels.n == 0)
                split_labels(labels, &ret->container.labels);
        return 0;
}
