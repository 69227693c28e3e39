/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the hook socket: what is read and written again says the same. */
#include "fuzz.h"
#include "wire/request.h"

/* Each byte of a request becomes at most six. */
static struct kh_span write_request(const struct kh_request *r, size_t cap, char **ret_room)
{
        struct kh_buf b;

        *ret_room = malloc(cap);
        fuzz_require(*ret_room);
        b = kh_buf_of(*ret_room, cap);
        kh_request_write(&b, r, KH_REQUEST_WHOLE);
        fuzz_require(!b.over);
        return kh_buf_view(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct kh_request r;
        const size_t cap = 24 * size + 4096;
        char *text = fuzz_copy(data, size), *first, *second, *copy;
        struct kh_err err = { 0 };
        struct kh_span written, again;

        if (kh_request_read(text, size, &r, &err) < 0) {
                fuzz_require(err.code < 0 && err.msg[0]);
                fuzz_free(text, size);
                return 0;
        }
        fuzz_require(kh_container_id_is_valid(r.container.id));
        written = write_request(&r, cap, &first);
        copy = fuzz_copy(written.p, written.n);
        fuzz_require(kh_request_read(copy, written.n, &r, &err) == 0);
        again = write_request(&r, cap, &second);
        fuzz_require(kh_span_eq(written, again));
        fuzz_free(copy, written.n);
        free(first);
        free(second);
        fuzz_free(text, size);
        return 0;
}
