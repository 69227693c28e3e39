/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI state that a hook gets on stdin (runtime-spec, runtime.md, "State"). */
#pragma once

#include "base/err.h"
#include "wire/container.h"

enum kh_oci_status {
        KH_STATUS_OTHER, /* absent, or one that the specification does not name */
        KH_STATUS_CREATING,
        KH_STATUS_CREATED,
        KH_STATUS_STARTING, /* crun's, at startContainer */
        KH_STATUS_RUNNING,
        KH_STATUS_STOPPED,
};

struct kh_oci_state {
        struct kh_span id;
        struct kh_span bundle;
        enum kh_oci_status status;
        int64_t pid; /* as the runtime says: the host's, the container's or none (0), by stage */
        struct kh_span annotations; /* the object's text, unread: the configuration has them too */
};

/*
 * Reads TEXT, which is changed, and to which the spans in *RET point. -EBADMSG for what is no JSON
 * object or was cut; -EINVAL for one without a usable id.
 */
int kh_oci_read_state(char *text, size_t n, struct kh_oci_state *ret, struct kh_err *err);
