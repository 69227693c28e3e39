/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/request.h"

#include "base/utf8.h"
#include "wire/codec.h"
#include "wire/kubearmor.h"

#include <errno.h>

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
        if (detail == KH_REQUEST_WHOLE || detail == KH_REQUEST_BOUNDED)
                put_ours(b, r, detail);
        kh_kubearmor_write(b, r, detail);
        kh_json_close(b, '}');
}

static bool read_ours(struct kh_json *j, struct kh_request *r)
{
        struct kh_span key;

        if (!kh_json_enter_object(j))
                return false;
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
        return true;
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
        bool ours = false;

        ret->detached = ret->running = ret->test = false;
        ret->node_name = (struct kh_span){ 0 };
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
                        kh_kubearmor_read(&j, &ret->container, &labels);
                else if (kh_span_eq(key, KH_SPAN("oci")))
                        ours = read_ours(&j, ret);
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
        /* Ours are in `oci`, where a comma is no separator and annotations are no labels. */
        if (ours)
                labels = (struct kh_span){ 0 };
        kh_kubearmor_take_names(&ret->container, labels);
        return 0;
}
