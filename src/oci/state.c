/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/state.h"

#include "wire/request.h"
#include "json/reader.h"

#include <errno.h>

static enum kh_oci_status read_status(struct kh_json *j)
{
        static const struct {
                struct kh_span name;
                enum kh_oci_status status;
        } known[] = {
                { { "creating", 8 }, KH_STATUS_CREATING },
                { { "created", 7 }, KH_STATUS_CREATED },
                { { "starting", 8 }, KH_STATUS_STARTING },
                { { "running", 7 }, KH_STATUS_RUNNING },
                { { "stopped", 7 }, KH_STATUS_STOPPED },
        };
        struct kh_span s;

        if (!kh_json_string(j, &s))
                return KH_STATUS_OTHER;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
                if (kh_span_eq(s, known[i].name))
                        return known[i].status;
        }
        return KH_STATUS_OTHER;
}

int kh_oci_read_state(char *text, size_t n, struct kh_oci_state *ret, struct kh_err *err)
{
        struct kh_json j = kh_json_of(text, n);
        struct kh_span key;

        *ret = (struct kh_oci_state){ 0 };
        if (n == 0)
                return kh_fail(err, -EBADMSG, "no OCI state on stdin");
        if (!kh_json_enter_object(&j))
                return kh_fail(err, -EBADMSG, "the OCI state on stdin is no JSON object");
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("id")))
                        kh_json_string(&j, &ret->id);
                else if (kh_span_eq(key, KH_SPAN("status")))
                        ret->status = read_status(&j);
                else if (kh_span_eq(key, KH_SPAN("pid")))
                        kh_json_i64(&j, &ret->pid);
                else if (kh_span_eq(key, KH_SPAN("bundle")))
                        kh_json_string(&j, &ret->bundle);
                else if (kh_span_eq(key, KH_SPAN("annotations")))
                        kh_json_raw(&j, &ret->annotations);
                else
                        kh_json_skip(&j);
        }
        if (!kh_json_end(&j))
                return kh_fail(err, -EBADMSG, "the OCI state on stdin is no JSON: %s", j.error);
        if (!kh_container_id_is_valid(ret->id))
                return kh_fail(err, -EINVAL, "the OCI state on stdin has no usable id");
        return 0;
}
