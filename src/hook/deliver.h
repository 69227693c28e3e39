/* SPDX-License-Identifier: Apache-2.0 */
/* Sending one request to the listener and waiting for its word, within a deadline. */
#pragma once

#include "base/err.h"
#include "wire/request.h"

/*
 * 0 when the listener has taken it. Otherwise a negative errno and *ERR:
 * -ENOENT, -ECONNREFUSED: nobody listens; -ETIMEDOUT: no answer, or never ready, until DEADLINE;
 * -EPROTO: an answer that is none; -ECONNRESET: closed without one; others as connect(2) has them.
 *
 * PIDFD, if it is one, goes along; what is larger than KH_REQUEST_STREAM_MAX goes whole in a memfd.
 */
int kh_deliver(const char *socket_path, const struct kh_request *request, int pidfd,
        uint64_t deadline_ns, struct kh_err *err);

/*
 * The same in two steps, for several requests on one connection: the descriptor or the error of
 * connecting, and the rest. SOCKET_PATH is for *ERR alone.
 */
int kh_deliver_connect(const char *socket_path, uint64_t deadline_ns, struct kh_err *err);
int kh_deliver_on(int fd, const char *socket_path, const struct kh_request *request, int pidfd,
        uint64_t deadline_ns, struct kh_err *err);

/*
 * The whole request as text, in a buffer that stays valid until the next call of either function;
 * without labels and annotations when it would be larger than KH_REQUEST_MAX.
 */
struct kh_span kh_whole_request(const struct kh_request *request);
