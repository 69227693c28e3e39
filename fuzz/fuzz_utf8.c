/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text within JSON strings: what is unescaped and is text comes back when it is written and read.
 */
#include "base/utf8.h"
#include "fuzz.h"
#include "json/reader.h"
#include "json/unescape.h"
#include "json/writer.h"

static void round_trip(struct kh_span text)
{
        size_t cap = 6 * text.n + 2; /* "\u0001" is the longest that a byte becomes */
        char *room = malloc(cap);
        struct kh_span back;
        struct kh_json j;
        struct kh_buf b;

        fuzz_require(room);
        b = kh_buf_of(room, cap);
        kh_json_put_string(&b, text);
        fuzz_require(!b.over);
        j = kh_json_of(room, b.len);
        fuzz_require(kh_json_string(&j, &back) && kh_json_end(&j) && kh_span_eq(back, text));
        free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = fuzz_copy(data, size);
        char *end = kh_json_unescape(text, text + size);
        struct kh_span plain = { text, end ? (size_t)(end - text) : 0 };

        if (end) {
                fuzz_require(plain.n <= size);
                if (kh_utf8_is_text(plain))
                        round_trip(plain);
        }
        fuzz_free(text, size);
        return 0;
}
