/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/toml.h"

#include <ctype.h>

/* Arrays and inline tables within one another. */
enum { NESTING_MAX = 64 };

static bool fail(struct kh_toml *t, const char *what)
{
        if (!t->error)
                t->error = what;
        return false;
}

static int peek(const struct kh_toml *t)
{
        return t->at < t->text.n ? (unsigned char)t->text.p[t->at] : -1;
}

static bool is_next(const struct kh_toml *t, struct kh_span word)
{
        return kh_span_starts(kh_span_from(t->text, t->at), word);
}

static void skip_blanks(struct kh_toml *t)
{
        while (peek(t) == ' ' || peek(t) == '\t')
                t->at++;
}

static void skip_comment(struct kh_toml *t)
{
        if (peek(t) != '#')
                return;
        while (peek(t) != '\n' && peek(t) != -1 && !is_next(t, KH_SPAN("\r\n"))) {
                if (peek(t) == '\r')
                        (void)fail(t, "a carriage return in a comment");
                t->at++;
        }
}

static bool skip_newline(struct kh_toml *t)
{
        if (is_next(t, KH_SPAN("\r\n")))
                t->at += 2;
        else if (peek(t) == '\n')
                t->at++;
        else
                return false;
        return true;
}

static void skip_blank_lines(struct kh_toml *t)
{
        do {
                skip_blanks(t);
                skip_comment(t);
        } while (skip_newline(t));
}

/* A string in QUOTE, on one line. */
static bool skip_quoted(struct kh_toml *t, char quote, bool *ret_escaped)
{
        *ret_escaped = false;
        for (t->at++; peek(t) != quote; t->at++) {
                if (peek(t) == -1 || peek(t) == '\n')
                        return fail(t, "a string does not end");
                if (peek(t) == '\\' && quote == '"') {
                        *ret_escaped = true;
                        t->at++;
                }
        }
        t->at++;
        return true;
}

/* A string in three times QUOTE, which may end in up to two more. */
static bool skip_long_quoted(struct kh_toml *t, char quote)
{
        unsigned run = 0;

        for (t->at += 3; run < 3; t->at++) {
                if (peek(t) == -1)
                        return fail(t, "a string does not end");
                run = peek(t) == quote ? run + 1 : 0;
                if (peek(t) == '\\' && quote == '"')
                        t->at++;
        }
        for (int more = 0; more < 2 && peek(t) == quote; more++)
                t->at++;
        return true;
}

static bool skip_string(struct kh_toml *t)
{
        bool escaped;

        if (is_next(t, KH_SPAN("\"\"\"")) || is_next(t, KH_SPAN("'''")))
                return skip_long_quoted(t, (char)peek(t));
        return skip_quoted(t, (char)peek(t), &escaped);
}

static bool is_bare(int c)
{
        return c > 0 && (isalnum(c) || strchr("+-_.:", c));
}

static bool skip_scalar(struct kh_toml *t)
{
        size_t start = t->at;

        if (peek(t) == '"' || peek(t) == '\'')
                return skip_string(t);
        while (is_bare(peek(t)))
                t->at++;
        /* a date and a time of day may stand apart */
        if (t->at - start == 10 && peek(t) == ' ' && t->at + 1 < t->text.n &&
                isdigit((unsigned char)t->text.p[t->at + 1]))
                for (t->at++; is_bare(peek(t));)
                        t->at++;
        return t->at > start || fail(t, "a value is missing");
}

/*
 * Any value. Within brackets only balance and strings matter: where the value ends is all that is
 * to be known.
 */
static bool skip_value(struct kh_toml *t)
{
        char closing[NESTING_MAX];
        int depth = 0;

        if (peek(t) != '[' && peek(t) != '{')
                return skip_scalar(t);
        do {
                int c = peek(t);

                if (c == '"' || c == '\'') {
                        if (!skip_string(t))
                                return false;
                        continue;
                }
                if (c == -1 || depth == NESTING_MAX)
                        return fail(t, "an array or table does not end, or is too deep");
                if (c == '#') {
                        skip_comment(t);
                        continue;
                }
                if (c == '[' || c == '{')
                        closing[depth++] = c == '[' ? ']' : '}';
                else if ((c == ']' || c == '}') && closing[--depth] != c)
                        return fail(t, "brackets do not match");
                t->at++;
        } while (depth > 0);
        return true;
}

static bool read_part(struct kh_toml *t, struct kh_span *ret)
{
        size_t start = t->at;
        bool escaped = false;
        int c = peek(t);

        if (c == '"' || c == '\'') {
                if (!skip_quoted(t, (char)c, &escaped))
                        return false;
                *ret = (struct kh_span){ t->text.p + start + 1, t->at - start - 2 };
                return !escaped || fail(t, "a key with escapes");
        }
        while (c != -1 && (isalnum(c) || c == '_' || c == '-')) {
                t->at++;
                c = peek(t);
        }
        *ret = (struct kh_span){ t->text.p + start, t->at - start };
        return ret->n > 0 || fail(t, "a key is missing");
}

/* A dotted key, behind what RET has. */
static bool read_key(struct kh_toml *t, struct kh_toml_key *ret, size_t *ret_last)
{
        for (;;) {
                skip_blanks(t);
                if (ret->n == KH_TOML_DEPTH_MAX)
                        return fail(t, "a key of too many parts");
                *ret_last = t->at;
                if (!read_part(t, &ret->part[ret->n++]))
                        return false;
                skip_blanks(t);
                if (peek(t) != '.')
                        return true;
                t->at++;
        }
}

static bool expect(struct kh_toml *t, struct kh_span word, const char *what)
{
        if (!is_next(t, word))
                return fail(t, what);
        t->at += word.n;
        return true;
}

static bool end_line(struct kh_toml *t, struct kh_toml_item *item)
{
        skip_blanks(t);
        skip_comment(t);
        if (!skip_newline(t) && peek(t) != -1)
                return fail(t, "something follows a statement on its line");
        item->end = t->at;
        return true;
}

static bool read_table(struct kh_toml *t, struct kh_toml_item *item)
{
        bool is_array = is_next(t, KH_SPAN("[["));
        struct kh_span close = is_array ? KH_SPAN("]]") : KH_SPAN("]");

        t->at += close.n;
        skip_blanks(t);
        item->kind = is_array ? KH_TOML_ARRAY_TABLE : KH_TOML_TABLE;
        item->key.n = 0;
        item->name = t->at;
        if (!read_key(t, &item->key, &item->last_part) ||
                !expect(t, close, "a table's name does not end"))
                return false;
        t->table = item->key;
        return true;
}

static bool read_value(struct kh_toml *t, struct kh_toml_item *item)
{
        item->kind = KH_TOML_VALUE;
        item->key = t->table;
        item->name = t->at;
        if (!read_key(t, &item->key, &item->last_part) || !expect(t, KH_SPAN("="), "no value"))
                return false;
        skip_blanks(t);
        item->value = t->at;
        if (!skip_value(t))
                return false;
        item->value_end = t->at;
        return true;
}

struct kh_toml kh_toml_of(struct kh_span text)
{
        struct kh_span bom = KH_SPAN("\xef\xbb\xbf");

        return (struct kh_toml){
                .text = text.p ? text : KH_SPAN(""),
                .at = text.p && kh_span_starts(text, bom) ? bom.n : 0,
        };
}

bool kh_toml_next(struct kh_toml *t, struct kh_toml_item *ret)
{
        if (t->error)
                return false;
        skip_blank_lines(t);
        if (t->error || peek(t) == -1)
                return false;
        *ret = (struct kh_toml_item){ .line = t->at };
        while (ret->line > 0 && strchr(" \t", t->text.p[ret->line - 1]))
                ret->line--;
        return (peek(t) == '[' ? read_table(t, ret) : read_value(t, ret)) && end_line(t, ret);
}

static void skip_array_filler(struct kh_toml *t)
{
        size_t before;

        do {
                before = t->at;
                skip_blank_lines(t);
                if (peek(t) == ',')
                        t->at++;
        } while (t->at != before);
}

bool kh_toml_element(struct kh_span array, size_t *at, struct kh_span *ret)
{
        struct kh_toml t = { .text = array, .at = *at };
        size_t start;

        if (*at == 0 && !expect(&t, KH_SPAN("["), "no array"))
                return false;
        skip_array_filler(&t);
        start = t.at;
        if (peek(&t) == ']' || peek(&t) == -1 || !skip_value(&t))
                return false;
        *ret = (struct kh_span){ array.p + start, t.at - start };
        *at = t.at;
        return true;
}

static void put_utf8(struct kh_text *out, uint32_t c)
{
        unsigned more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        static const unsigned char lead[] = { 0, 0xc0, 0xe0, 0xf0 };
        char byte = (char)(lead[more] | c >> 6 * more);

        kh_text_put(out, &byte, 1);
        while (more-- > 0) {
                byte = (char)(0x80 | (c >> 6 * more & 0x3f));
                kh_text_put(out, &byte, 1);
        }
}

static bool put_unicode(struct kh_text *out, struct kh_span *s, unsigned digits)
{
        uint32_t c = 0;

        if (s->n < digits)
                return false;
        for (unsigned i = 0; i < digits; i++) {
                const char *hex = "0123456789abcdef";
                const char *found = strchr(hex, tolower((unsigned char)s->p[i]));

                if (!s->p[i] || !found)
                        return false;
                c = c << 4 | (uint32_t)(found - hex);
        }
        *s = kh_span_from(*s, digits);
        if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
                return false;
        put_utf8(out, c);
        return true;
}

/* Behind a backslash. */
static bool put_escape(struct kh_text *out, struct kh_span *s)
{
        static const char names[] = "btnfr\"\\", meant[] = "\b\t\n\f\r\"\\";
        char c = s->n ? s->p[0] : '\0';
        const char *found = c ? strchr(names, c) : NULL;

        if (!c)
                return false;
        *s = kh_span_from(*s, 1);
        if (c == 'u' || c == 'U')
                return put_unicode(out, s, c == 'u' ? 4 : 8);
        if (!found)
                return false;
        kh_text_put(out, &meant[found - names], 1);
        return true;
}

bool kh_toml_string(struct kh_span value, struct kh_text *ret)
{
        bool is_literal = value.n && value.p[0] == '\'';
        struct kh_span s;

        if (value.n < 2 || (value.p[0] != '"' && !is_literal))
                return false;
        /* no path or name in a configuration spans lines */
        if (kh_span_starts(value, KH_SPAN("\"\"\"")) || kh_span_starts(value, KH_SPAN("'''")))
                return false;
        s = (struct kh_span){ value.p + 1, value.n - 2 };
        kh_text_put(ret, "", 0);
        while (s.n) {
                char c = s.p[0];

                s = kh_span_from(s, 1);
                if (c == '\\' && !is_literal) {
                        if (!put_escape(ret, &s))
                                return false;
                } else {
                        kh_text_put(ret, &c, 1);
                }
        }
        return true;
}

void kh_toml_put_string(struct kh_text *t, struct kh_span text)
{
        kh_text_put(t, "\"", 1);
        for (size_t i = 0; i < text.n; i++) {
                unsigned char c = (unsigned char)text.p[i];

                if (c == '"' || c == '\\')
                        kh_text_printf(t, "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                        kh_text_printf(t, "\\u%04X", c);
                else
                        kh_text_put(t, text.p + i, 1);
        }
        kh_text_put(t, "\"", 1);
}

bool kh_toml_key_starts(const struct kh_toml_key *key, const struct kh_toml_key *prefix)
{
        for (unsigned i = 0; i < prefix->n; i++) {
                if (i >= key->n || !kh_span_eq(key->part[i], prefix->part[i]))
                        return false;
        }
        return true;
}

struct kh_toml_key kh_toml_key_of(const char *const *parts)
{
        struct kh_toml_key key = { .n = 0 };

        while (*parts && key.n < KH_TOML_DEPTH_MAX)
                key.part[key.n++] = kh_span_of(*parts++);
        return key;
}

bool kh_toml_find(struct kh_span text, const struct kh_toml_key *key, struct kh_span *ret,
        const char **ret_error)
{
        struct kh_toml t = kh_toml_of(text);
        struct kh_toml_item item;
        bool found = false;

        while (kh_toml_next(&t, &item)) {
                if (item.kind != KH_TOML_VALUE || !kh_toml_key_eq(&item.key, key))
                        continue;
                *ret = (struct kh_span){ t.text.p + item.value, item.value_end - item.value };
                found = true;
        }
        if (ret_error)
                *ret_error = t.error;
        return found && !t.error;
}
