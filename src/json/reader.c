/* SPDX-License-Identifier: Apache-2.0 */
#include "json/reader.h"

#include "base/number.h"
#include "base/utf8.h"
#include "json/unescape.h"

#include <errno.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool fail(struct kh_json *j, const char *what)
{
        if (!j->error)
                j->error = what;
        return false;
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void skip_blanks(struct kh_json *j)
{
        while (j->p < j->end && is_blank(*j->p))
                j->p++;
}

enum kh_json_type kh_json_peek(struct kh_json *j)
{
        if (j->error)
                return KH_JSON_INVALID;
        skip_blanks(j);
        if (j->p == j->end) {
                fail(j, "ends too early");
                return KH_JSON_INVALID;
        }
        switch (*j->p) {
        case '{':
                return KH_JSON_OBJECT;
        case '[':
                return KH_JSON_ARRAY;
        case '"':
                return KH_JSON_STRING;
        case 't':
        case 'f':
                return KH_JSON_BOOL;
        case 'n':
                return KH_JSON_NULL;
        case '-':
        case '0' ... '9':
                return KH_JSON_NUMBER;
        default:
                fail(j, "not a JSON value");
                return KH_JSON_INVALID;
        }
}

/* The first '"' or '\\' at or after P. */
static char *find_quote(char *p, const char *end)
{
#ifdef __SSE2__
        const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');

        for (; end - p >= 16; p += 16) {
                __m128i x = _mm_loadu_si128((const __m128i *)p);
                unsigned hit = (unsigned)_mm_movemask_epi8(
                        _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash)));

                if (hit)
                        return p + __builtin_ctz(hit);
        }
#endif
        while (p < end && *p != '"' && *p != '\\')
                p++;
        return p;
}

/*
 * Past the string that starts at the cursor, its text between the quotes in *RET. *ESCAPE is its
 * first backslash, or NULL.
 */
static bool take_string(struct kh_json *j, struct kh_span *ret, char **escape)
{
        char *start = j->p + 1, *p = start;

        *escape = NULL;
        for (;;) {
                p = find_quote(p, j->end);
                if (j->end - p < 1)
                        return fail(j, "a string does not end");
                if (*p == '"')
                        break;
                if (!*escape)
                        *escape = p;
                if (j->end - p < 2)
                        return fail(j, "a string does not end");
                p += 2;
        }
        *ret = (struct kh_span){ start, (size_t)(p - start) };
        j->p = p + 1;
        return true;
}

/* Goes on byte by byte from P to LIMIT; returns where the depth became 0, or NULL. */
static char *balance_bytes(
        char *p, const char *limit, size_t *depth, bool *in_string, char **stopped)
{
        for (; p < limit; p++) {
                if (*in_string) {
                        if (*p == '\\')
                                p++;
                        else if (*p == '"')
                                *in_string = false;
                } else if (*p == '"') {
                        *in_string = true;
                } else if (*p == '{' || *p == '[') {
                        ++*depth;
                } else if ((*p == '}' || *p == ']') && --*depth == 0) {
                        return p + 1;
                }
        }
        *stopped = p; /* one past LIMIT where an escape straddles it */
        return NULL;
}

#ifdef __SSE2__
enum { BLOCK = 64 };

struct block {
        uint64_t quotes, backslashes, opens, closes;
};

/* '[' and ']' differ from '{' and '}' by bit 0x20 alone. */
static struct block scan_block(const char *p)
{
        const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
        const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');
        const __m128i fold = _mm_set1_epi8(0x20);
        struct block b = { 0 };

        for (unsigned i = 0; i < BLOCK; i += 16) {
                __m128i x = _mm_loadu_si128((const __m128i *)(p + i));
                __m128i folded = _mm_or_si128(x, fold);

                b.quotes |= (uint64_t)(uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, quote)) << i;
                b.backslashes |= (uint64_t)(uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, backslash))
                                 << i;
                b.opens |= (uint64_t)(uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(folded, open)) << i;
                b.closes |= (uint64_t)(uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(folded, close))
                            << i;
        }
        return b;
}

/* Bit i of the result: the exclusive or of bits 0 to i. */
static uint64_t prefix_xor(uint64_t x)
{
        for (unsigned shift = 1; shift < 64; shift *= 2)
                x ^= x << shift;
        return x;
}

/*
 * Past the containers that are open at P, 64 bytes a step: which bytes lie within strings follows
 * from the quotes alone, as long as a block has no backslash; one that has is walked by bytes.
 */
static char *balance_blocks(
        char *p, const char *end, size_t *depth, bool *in_string, char **stopped)
{
        while (end - p >= BLOCK) {
                struct block b = scan_block(p);
                uint64_t inside;

                if (b.backslashes) {
                        char *done = balance_bytes(p, p + BLOCK, depth, in_string, &p);

                        if (done)
                                return done;
                        continue;
                }
                inside = prefix_xor(b.quotes) ^ (*in_string ? ~0ULL : 0);
                for (uint64_t left = (b.opens | b.closes) & ~inside; left; left &= left - 1) {
                        unsigned at = (unsigned)__builtin_ctzll(left);

                        if (b.opens >> at & 1)
                                ++*depth;
                        else if (--*depth == 0)
                                return p + at + 1;
                }
                *in_string = inside >> 63;
                p += BLOCK;
        }
        *stopped = p;
        return NULL;
}
#endif

static bool skip_container(struct kh_json *j)
{
        size_t depth = 1;
        bool in_string = false;
        char *p = j->p + 1, *done = NULL;

#ifdef __SSE2__
        done = balance_blocks(p, j->end, &depth, &in_string, &p);
#endif
        if (!done)
                done = balance_bytes(p, j->end, &depth, &in_string, &p);
        if (!done)
                return fail(j, "ends too early");
        j->p = done;
        return true;
}

static bool take_word(struct kh_json *j, struct kh_span word)
{
        if ((size_t)(j->end - j->p) < word.n || memcmp(j->p, word.p, word.n) != 0)
                return fail(j, "not a JSON value");
        j->p += word.n;
        return true;
}

static struct kh_span take_number(struct kh_json *j)
{
        const char *start = j->p;

        while (j->p < j->end && ((*j->p >= '0' && *j->p <= '9') || *j->p == '-' || *j->p == '+' ||
                                        *j->p == '.' || *j->p == 'e' || *j->p == 'E'))
                j->p++;
        return (struct kh_span){ start, (size_t)(j->p - start) };
}

bool kh_json_skip(struct kh_json *j)
{
        struct kh_span text;
        char *escape;

        switch (kh_json_peek(j)) {
        case KH_JSON_OBJECT:
        case KH_JSON_ARRAY:
                return skip_container(j);
        case KH_JSON_STRING:
                return take_string(j, &text, &escape);
        case KH_JSON_NUMBER:
                (void)take_number(j);
                return true;
        case KH_JSON_BOOL:
                return take_word(j, *j->p == 't' ? KH_SPAN("true") : KH_SPAN("false"));
        case KH_JSON_NULL:
                return take_word(j, KH_SPAN("null"));
        case KH_JSON_INVALID:
                break;
        }
        return false;
}

bool kh_json_raw(struct kh_json *j, struct kh_span *ret)
{
        const char *start;

        if (kh_json_peek(j) == KH_JSON_INVALID)
                return false;
        start = j->p;
        if (!kh_json_skip(j))
                return false;
        *ret = (struct kh_span){ start, (size_t)(j->p - start) };
        return true;
}

/* Whether a value of TYPE comes; one of another type is passed over. */
static bool expect(struct kh_json *j, enum kh_json_type type)
{
        if (kh_json_peek(j) == type)
                return true;
        kh_json_skip(j);
        return false;
}

bool kh_json_enter_object(struct kh_json *j)
{
        if (!expect(j, KH_JSON_OBJECT))
                return false;
        j->p++;
        j->first = true;
        return true;
}

bool kh_json_enter_array(struct kh_json *j)
{
        if (!expect(j, KH_JSON_ARRAY))
                return false;
        j->p++;
        j->first = true;
        return true;
}

/* At the next item of a container that CLOSE ends: false at its end. */
static bool next_item(struct kh_json *j, char close)
{
        bool first = j->first;

        if (j->error)
                return false;
        j->first = false;
        skip_blanks(j);
        if (j->p == j->end)
                return fail(j, "ends too early");
        if (*j->p == close) {
                j->p++;
                return false;
        }
        if (first)
                return true;
        if (*j->p != ',')
                return fail(j, "a comma is missing");
        j->p++;
        skip_blanks(j);
        return true;
}

static bool decode_string(struct kh_json *j, struct kh_span *ret)
{
        struct kh_span text;
        char *escape;

        if (!take_string(j, &text, &escape))
                return false;
        if (escape) {
                char *end = kh_json_unescape(escape, text.p + text.n);

                if (!end)
                        return false;
                text.n = (size_t)(end - text.p);
        }
        if (!kh_utf8_is_text(text))
                return false;
        *ret = text;
        return true;
}

bool kh_json_member(struct kh_json *j, struct kh_span *ret_key)
{
        if (!next_item(j, '}'))
                return false;
        if (j->p == j->end || *j->p != '"')
                return fail(j, "a member has no name");
        *ret_key = (struct kh_span){ "", 0 };
        (void)decode_string(j, ret_key); /* an undecodable name matches none that a caller knows */
        if (j->error)
                return false;
        skip_blanks(j);
        if (j->p == j->end || *j->p != ':')
                return fail(j, "a colon is missing");
        j->p++;
        return true;
}

bool kh_json_element(struct kh_json *j)
{
        return next_item(j, ']');
}

bool kh_json_string(struct kh_json *j, struct kh_span *ret)
{
        return expect(j, KH_JSON_STRING) && decode_string(j, ret);
}

bool kh_json_name(struct kh_json *j, struct kh_span *ret)
{
        struct kh_span s;

        if (!kh_json_string(j, &s) || s.n == 0)
                return false;
        *ret = s;
        return true;
}

bool kh_json_u64(struct kh_json *j, uint64_t max, uint64_t *ret)
{
        return expect(j, KH_JSON_NUMBER) && kh_parse_u64(take_number(j), max, ret);
}

bool kh_json_i64(struct kh_json *j, int64_t *ret)
{
        struct kh_span text;
        uint64_t magnitude;
        bool negative;

        if (!expect(j, KH_JSON_NUMBER))
                return false;
        text = take_number(j);
        negative = text.n && text.p[0] == '-';
        if (!kh_parse_u64(kh_span_from(text, negative), INT64_MAX, &magnitude))
                return false;
        *ret = negative ? -(int64_t)magnitude : (int64_t)magnitude;
        return true;
}

bool kh_json_bool(struct kh_json *j, bool *ret)
{
        bool value;

        if (!expect(j, KH_JSON_BOOL))
                return false;
        value = *j->p == 't';
        if (!take_word(j, value ? KH_SPAN("true") : KH_SPAN("false")))
                return false;
        *ret = value;
        return true;
}

bool kh_json_end(struct kh_json *j)
{
        if (j->error)
                return false;
        skip_blanks(j);
        return j->p == j->end || fail(j, "something follows the document");
}

ptrdiff_t kh_json_frame(struct kh_json_frame *f, const char *text, size_t n)
{
        for (; f->scanned < n; f->scanned++) {
                char c = text[f->scanned];

                if (f->escaped) {
                        f->escaped = false;
                } else if (f->in_string) {
                        f->escaped = c == '\\';
                        f->in_string = c != '"';
                } else if (c == '"' && f->depth) {
                        f->in_string = true;
                } else if (c == '{' || (c == '[' && f->depth)) {
                        f->depth++;
                } else if ((c == '}' || c == ']') && f->depth) {
                        if (--f->depth == 0)
                                return (ptrdiff_t)(f->scanned + 1);
                } else if (!f->depth && !is_blank(c)) {
                        return -EBADMSG;
                }
        }
        return 0;
}
