/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The skipper steps over what nobody needs 64 bytes at a time. Random documents, made of what could
 * mislead it, at every offset from its blocks' borders, beside a reader of single bytes.
 */
#include "fixture.h"

#include "reference.h"
#include "json/reader.h"

enum { TEXT_MAX = 4096, DEPTH_MAX = 40 };

struct text {
        char p[TEXT_MAX];
        size_t n;
};

static void put(struct text *t, const char *s)
{
        for (; *s && t->n < TEXT_MAX - DEPTH_MAX; s++)
                t->p[t->n++] = *s;
}

/* Strings of quotes, brackets and backslashes, in runs of any length. */
static void put_string(struct text *t, struct fixture_random *r)
{
        static const char *const piece[] = { "\\\"", "\\\\", "{", "}", "[", "]", ",", ":", "a",
                "\\u005c", "\\/", "\xc3\xa4", "\x80", "\xdb", "\xfd", "\xa2" };
        uint32_t n = fixture_below(r, 4) ? fixture_below(r, 12) : fixture_below(r, 150);

        put(t, "\"");
        while (n--)
                put(t, piece[fixture_below(r, sizeof(piece) / sizeof(piece[0]))]);
        put(t, "\"");
}

static void put_scalar(struct text *t, struct fixture_random *r)
{
        static const char *const scalar[] = { "true", "false", "null", "0", "-1.5e+10", " 7 ",
                "\n" };
        uint32_t which = fixture_below(r, 14);

        if (which < 6)
                put(t, scalar[which]);
        else
                put_string(t, r);
}

/* A container, and whatever follows it. */
static void make_document(struct text *t, struct fixture_random *r)
{
        char closing[DEPTH_MAX];
        size_t depth = 0, items = 1 + fixture_below(r, 60);

        t->n = 0;
        do {
                bool object = fixture_below(r, 2);

                if (depth < DEPTH_MAX && (depth == 0 || fixture_below(r, 3) == 0)) {
                        put(t, object ? "{" : "[");
                        closing[depth++] = object ? '}' : ']';
                } else if (depth > 1 && fixture_below(r, 3) == 0) {
                        t->p[t->n++] = closing[--depth];
                } else {
                        put_scalar(t, r);
                        put(t, fixture_below(r, 2) ? "," : ":");
                }
        } while (--items && t->n < TEXT_MAX - 2 * DEPTH_MAX);
        while (depth)
                t->p[t->n++] = closing[--depth];
}

static void assert_skipped_alike(const char *p, size_t n)
{
        char *text = fixture_guarded((struct kh_span){ p, n });
        struct kh_json j = kh_json_of(text, n);
        size_t expected = reference_length(p, n);

        if (kh_json_skip(&j) != (expected > 0))
                fail_msg("%s: %.*s", expected ? "does not end" : "ends", (int)n, p);
        if (expected && (size_t)(j.p - text) != expected)
                fail_msg("%zu bytes, not %td: %.*s", expected, j.p - text, (int)n, p);
        assert_memory_equal(text, p, n);
}

static void random_documents_and_what_follows_them(void **state)
{
        struct fixture_random r = { 20240229 };
        struct text t;

        (void)state;
        for (int round = 0; round < 30000; round++) {
                make_document(&t, &r);
                assert_skipped_alike(t.p, t.n);
                for (uint32_t more = fixture_below(&r, 3); more; more--)
                        put_scalar(&t, &r);
                assert_skipped_alike(t.p, t.n);
        }
}

static void random_documents_cut_anywhere(void **state)
{
        struct fixture_random r = { 4711 };
        struct text t;

        (void)state;
        for (int round = 0; round < 300; round++) {
                make_document(&t, &r);
                for (size_t n = 1; n < t.n; n++)
                        assert_skipped_alike(t.p, n);
        }
}

static void random_bytes(void **state)
{
        static const char alphabet[] = "{}[]\"\"\\\\a \x00\xff";
        struct fixture_random r = { 99 };
        struct text t;

        (void)state;
        for (int round = 0; round < 100000; round++) {
                t.p[0] = fixture_below(&r, 2) ? '{' : '[';
                t.n = 1 + fixture_below(&r, 300);
                for (size_t i = 1; i < t.n; i++)
                        t.p[i] = alphabet[fixture_below(&r, sizeof(alphabet) - 1)];
                assert_skipped_alike(t.p, t.n);
        }
}

/* A quote, a backslash, an escape and a bracket at each place of the first three blocks. */
static void each_trap_at_each_place(void **state)
{
        static const char *const trap[] = { "\"", "\\", "\\\"", "\\\\", "\"}", "}", "]", "\"]\"",
                "\\\\\"", "\\u0022" };

        (void)state;
        for (size_t k = 0; k < sizeof(trap) / sizeof(trap[0]); k++) {
                for (size_t at = 2; at < 200; at++) {
                        struct text t = { .n = 0 };

                        put(&t, "[\"");
                        while (t.n < at)
                                put(&t, "x");
                        put(&t, trap[k]);
                        put(&t, "x\",{\"y\":\"}\"}]");
                        for (int more = 0; more < 70; more++) {
                                assert_skipped_alike(t.p, t.n);
                                put(&t, " ");
                        }
                }
        }
}

static void a_frame_and_a_skip_end_alike(void **state)
{
        struct fixture_random r = { 7 };
        struct text t;

        (void)state;
        for (int round = 0; round < 20000; round++) {
                struct kh_json_frame f = { 0 };
                size_t expected;

                make_document(&t, &r);
                put(&t, " {}");
                expected = reference_length(t.p, t.n);
                if (t.p[0] != '{')
                        continue;
                assert_int_equal(kh_json_frame(&f, t.p, t.n), expected);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(random_documents_and_what_follows_them),
                cmocka_unit_test(random_documents_cut_anywhere),
                cmocka_unit_test(random_bytes),
                cmocka_unit_test(each_trap_at_each_place),
                cmocka_unit_test(a_frame_and_a_skip_end_alike),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
