/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that the hook finds out about a container: state, configuration, /proc. */
#pragma once

#include "hook/options.h"
#include "oci/annotations.h"
#include "oci/state.h"
#include "wire/request.h"

struct kh_gathered {
        struct kh_request request;
        enum kh_stage stage;
        enum kh_dialect dialect;
        bool in_user_ns; /* called in the container's user namespace: without rights on the host */
        int pidfd;       /* the caller's to close; -EBADF when there is none */
};

/*
 * Fills RET, a static one (its lists are large), from STATE. Spans point into STATE's text and into
 * buffers of this file's own, which stay valid. What could not be found out is absent; the reason,
 * when it is worth a line in the log, is in *ERR, whose code is 0 otherwise.
 */
void kh_gather(struct kh_oci_state *state, const struct kh_hook_options *options,
        struct kh_gathered *ret, struct kh_err *err);
