/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/relay_message.h"

#include <sys/utsname.h>

static size_t write_request(char text[KH_REQUEST_STREAM_MAX], const struct kh_request *request)
{
        struct kh_buf b = kh_buf_of(text, KH_REQUEST_STREAM_MAX);

        kh_request_write(&b, request, KH_REQUEST_IDENTITY);
        if (b.over) {
                b = kh_buf_of(text, KH_REQUEST_STREAM_MAX);
                kh_request_write(&b, request, KH_REQUEST_SHORT);
        }
        return b.len;
}

/* Of REQUEST, which is spoilt. */
static uint64_t digest_of(struct kh_request *request)
{
        static const struct kh_hash_seed seed = { 0 };
        char text[KH_REQUEST_STREAM_MAX];

        request->detached = request->running = false;
        request->node_name = request->container.image = (struct kh_span){ 0 };
        request->container.pid = 0;
        return kh_hash_bytes(&seed, (struct kh_span){ text, write_request(text, request) });
}

size_t kh_relay_write_create(char text[KH_REQUEST_STREAM_MAX], const struct kh_inventory *inv,
        const struct kh_entry *e, bool detached, uint64_t *ret_digest)
{
        static struct kh_request request; /* its lists are large */
        static struct utsname node;
        size_t n;

        kh_inventory_read(inv, e, &request.container);
        request.operation = KH_OP_CREATE;
        request.detached = detached;
        request.running = e->state == KH_STATE_RUNNING;
        request.node_name = kh_span_of(uname(&node) == 0 ? node.nodename : NULL);
        n = write_request(text, &request);
        *ret_digest = digest_of(&request);
        return n;
}

size_t kh_relay_write_delete(char text[KH_REQUEST_STREAM_MAX], struct kh_span id, bool detached)
{
        static struct kh_request request;

        request.operation = KH_OP_DELETE;
        request.detached = detached;
        request.container.id = id;
        return write_request(text, &request);
}
