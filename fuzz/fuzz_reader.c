/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON reader: a walk into every value, and the block-wise skip beside one by bytes. */
#include "fuzz.h"
#include "reference.h"
#include "json/reader.h"

/* Consumes whatever comes; each step looks at what it is given in another way. */
static void walk(struct kh_json *j, const uint8_t *how, size_t how_n)
{
        enum { DEPTH = 32 };
        bool is_object[DEPTH];
        int depth = 0;

        for (size_t step = 0;; step++) {
                uint8_t choice = how_n ? how[step % how_n] : 0;
                enum kh_json_type type = kh_json_peek(j);
                struct kh_span s = { 0 };
                uint64_t u;
                int64_t i;
                bool b;

                if (depth < DEPTH && type == KH_JSON_OBJECT && choice & 1) {
                        is_object[depth++] = true;
                        kh_json_enter_object(j);
                } else if (depth < DEPTH && type == KH_JSON_ARRAY && choice & 1) {
                        is_object[depth++] = false;
                        kh_json_enter_array(j);
                } else if (choice & 2) {
                        kh_json_string(j, &s);
                } else if (choice & 4) {
                        kh_json_u64(j, UINT32_MAX, &u);
                } else if (choice & 8) {
                        kh_json_i64(j, &i);
                } else if (choice & 16) {
                        kh_json_bool(j, &b);
                } else {
                        kh_json_raw(j, &s);
                }
                while (depth &&
                        !(is_object[depth - 1] ? kh_json_member(j, &s) : kh_json_element(j)))
                        depth--;
                if (depth == 0)
                        break;
        }
        (void)kh_json_end(j);
}

static void skip(char *text, size_t n)
{
        struct kh_json j = kh_json_of(text, n);
        enum kh_json_type type = kh_json_peek(&j);
        const char *start = j.p;
        size_t expected;

        if (type != KH_JSON_OBJECT && type != KH_JSON_ARRAY)
                return;
        expected = reference_length(start, n - (size_t)(start - text));
        fuzz_require(kh_json_skip(&j) == (expected > 0));
        fuzz_require(!expected || j.p == start + expected);
}

/* What is read in pieces is framed where the skip ends. */
static void frame(char *text, size_t n)
{
        struct kh_json_frame at_once = { 0 }, in_pieces = { 0 };
        ptrdiff_t expected = kh_json_frame(&at_once, text, n), got = 0;

        for (size_t i = 0; i <= n && got == 0; i++)
                got = kh_json_frame(&in_pieces, text, i);
        fuzz_require(got == expected);
        if (expected > 0) {
                struct kh_json j = kh_json_of(text, n);

                fuzz_require(kh_json_skip(&j) && j.p == text + expected);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = fuzz_copy(data, size);
        struct kh_json j = kh_json_of(text, size);

        skip(text, size);
        frame(text, size);
        walk(&j, data, size < 16 ? size : 16);
        fuzz_free(text, size);
        return 0;
}
