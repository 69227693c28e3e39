/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/toml_edit.h"

#include "base/err.h"

#include <ctype.h>
#include <errno.h>

static size_t line_number(struct kh_span text, size_t at)
{
        size_t n = 1;

        for (size_t i = 0; i < at && i < text.n; i++)
                n += text.p[i] == '\n';
        return n;
}

static int malformed(const struct kh_toml *t, struct kh_err *err)
{
        return kh_fail(err, -EBADMSG, "not TOML that is understood: %s, in line %zu", t->error,
                line_number(t->text, t->at));
}

static int finish(const struct kh_text *ret, struct kh_err *err)
{
        return ret->failed ? kh_fail(err, -ENOMEM, "out of memory") : 0;
}

static const char *newline_of(struct kh_span text)
{
        const char *end = text.n ? memchr(text.p, '\n', text.n) : NULL;

        return end && end > text.p && end[-1] == '\r' ? "\r\n" : "\n";
}

static void put_part(struct kh_text *out, struct kh_span part)
{
        bool bare = part.n > 0;

        for (size_t i = 0; i < part.n; i++)
                bare = bare && (isalnum((unsigned char)part.p[i]) || strchr("_-", part.p[i]));
        if (bare)
                kh_text_span(out, part);
        else
                kh_toml_put_string(out, part);
}

/* Where in a text a key of a table is, or could be put. */
struct spot {
        bool has_value, has_sibling, has_header, blocked;
        struct kh_toml_item value, sibling, header;
        size_t blocked_at;
};

static void look_at(struct spot *spot, const struct kh_toml_item *item,
        const struct kh_toml_key *table, struct kh_span name)
{
        bool inside = kh_toml_key_starts(&item->key, table);

        if (item->kind == KH_TOML_VALUE && inside && item->key.n == table->n + 1) {
                spot->has_sibling = true;
                spot->sibling = *item;
                if (kh_span_eq(item->key.part[table->n], name)) {
                        spot->has_value = true;
                        spot->value = *item;
                }
        } else if (item->kind == KH_TOML_TABLE && inside && item->key.n == table->n) {
                spot->has_header = true;
                spot->header = *item;
        } else if (item->kind != KH_TOML_TABLE && item->key.n <= table->n && item->key.n > 0 &&
                   kh_toml_key_starts(table, &item->key)) {
                spot->blocked = true; /* an inline table, or one of several of the same name */
                spot->blocked_at = item->line;
        }
}

static bool ends_line(struct kh_span text)
{
        return text.n == 0 || text.p[text.n - 1] == '\n';
}

/* A line of ours that is put behind AT; where the text's last line has no end, ours has none. */
static void put_line_end(struct kh_text *out, struct kh_span text, size_t at)
{
        bool whole = at < text.n || ends_line(text);

        kh_text_printf(out, " " KH_TOML_MARK "%s", whole ? newline_of(text) : "");
}

/* What is put behind AT, which must be at the beginning of a line. */
static void copy_to(struct kh_text *out, struct kh_span text, size_t at)
{
        kh_text_put(out, text.p, at);
        if (at == text.n && !ends_line(text))
                kh_text_printf(out, "%s", newline_of(text));
}

static void put_beside(struct kh_text *out, struct kh_span text, const struct kh_toml_item *sibling,
        const char *name, struct kh_span value)
{
        copy_to(out, text, sibling->end);
        kh_text_put(out, text.p + sibling->line, sibling->last_part - sibling->line);
        kh_text_printf(out, "%s = ", name);
        kh_text_span(out, value);
        put_line_end(out, text, sibling->end);
        kh_text_span(out, kh_span_from(text, sibling->end));
}

static void put_first(struct kh_text *out, struct kh_span text, const struct kh_toml_item *header,
        const char *name, struct kh_span value)
{
        size_t indent = 0;

        while (strchr(" \t", text.p[header->line + indent]))
                indent++;
        copy_to(out, text, header->end);
        kh_text_put(out, text.p + header->line, indent);
        kh_text_printf(out, "%s%s = ", indent ? "  " : "", name);
        kh_text_span(out, value);
        put_line_end(out, text, header->end);
        kh_text_span(out, kh_span_from(text, header->end));
}

static void put_table(struct kh_text *out, struct kh_span text, const struct kh_toml_key *table,
        const char *name, struct kh_span value)
{
        copy_to(out, text, text.n);
        kh_text_put(out, "[", 1);
        for (unsigned i = 0; i < table->n; i++) {
                kh_text_put(out, ".", i > 0);
                put_part(out, table->part[i]);
        }
        kh_text_put(out, "]", 1);
        put_line_end(out, text, 0);
        kh_text_printf(out, "%s = ", name);
        kh_text_span(out, value);
        put_line_end(out, text, text.n);
}

/* A key of no table stands before the first header. */
static void put_on_top(
        struct kh_text *out, struct kh_span text, const char *name, struct kh_span value)
{
        size_t bom = kh_toml_of(text).at;

        kh_text_put(out, text.p, bom);
        kh_text_printf(out, "%s = ", name);
        kh_text_span(out, value);
        put_line_end(out, text, bom);
        kh_text_span(out, kh_span_from(text, bom));
}

int kh_toml_set(struct kh_span text, const struct kh_toml_key *table, const char *name,
        struct kh_span value, struct kh_text *ret, struct kh_err *err)
{
        struct kh_toml t = kh_toml_of(text);
        struct spot spot = { .blocked = false };
        struct kh_toml_item item;

        text = t.text;
        while (kh_toml_next(&t, &item))
                look_at(&spot, &item, table, kh_span_of(name));
        if (t.error)
                return malformed(&t, err);
        if (spot.blocked)
                return kh_fail(err, -EOPNOTSUPP,
                        "line %zu gives it by an inline table or an array of tables",
                        line_number(text, spot.blocked_at));
        if (spot.has_value) {
                kh_text_put(ret, text.p, spot.value.value);
                kh_text_span(ret, value);
                kh_text_span(ret, kh_span_from(text, spot.value.value_end));
        } else if (spot.has_sibling) {
                put_beside(ret, text, &spot.sibling, name, value);
        } else if (spot.has_header) {
                put_first(ret, text, &spot.header, name, value);
        } else if (table->n) {
                put_table(ret, text, table, name, value);
        } else {
                put_on_top(ret, text, name, value);
        }
        return finish(ret, err);
}

/* The text of an array with one element more, the last. */
static void put_element(struct kh_text *out, struct kh_span array, struct kh_span element)
{
        struct kh_span last = { array.p + 1, 0 }, e;
        size_t at = 0;
        bool any = false;

        while (kh_toml_element(array, &at, &e)) {
                last = e;
                any = true;
        }
        at = (size_t)(last.p + last.n - array.p);
        kh_text_put(out, array.p, at);
        kh_text_put(out, ", ", any ? 2 : 0);
        kh_text_span(out, element);
        kh_text_span(out, kh_span_from(array, at));
}

int kh_toml_add_import(
        struct kh_span text, const char *pattern, struct kh_text *ret, struct kh_err *err)
{
        const struct kh_toml_key root = { .n = 0 }, imports = KH_TOML_KEY("imports");
        struct kh_text element = { 0 }, value = { 0 };
        struct kh_span array = { 0 };
        const char *error;
        int r;

        kh_toml_put_string(&element, kh_span_of(pattern));
        if (!kh_toml_find(text, &imports, &array, &error))
                array = KH_SPAN("[]");
        if (array.p[0] == '[') {
                put_element(&value, array, kh_text_view(&element));
                r = value.failed
                            ? kh_fail(err, -ENOMEM, "out of memory")
                            : kh_toml_set(text, &root, "imports", kh_text_view(&value), ret, err);
        } else {
                r = kh_fail(err, -EBADMSG, "its imports are no array");
        }
        kh_text_done(&element);
        kh_text_done(&value);
        return r;
}

static bool names_our_file(struct kh_span value)
{
        struct kh_text path = { 0 };
        const char *slash = kh_toml_string(value, &path) && path.p ? strrchr(path.p, '/') : NULL;
        bool ours = slash && strncmp(slash + 1, KH_TOML_OUR_FILE, strlen(KH_TOML_OUR_FILE)) == 0;

        kh_text_done(&path);
        return ours;
}

/* The array without the elements that name files of ours. */
static void strip_array(struct kh_text *out, struct kh_span array)
{
        struct kh_span e, previous = { 0 };
        size_t at = 0, done = 0;
        bool dropping_first = false;

        while (kh_toml_element(array, &at, &e)) {
                size_t start = (size_t)(e.p - array.p);

                if (dropping_first) {
                        done = start;
                        dropping_first = false;
                }
                if (!names_our_file(e)) {
                        previous = e;
                        continue;
                }
                if (previous.p) {
                        size_t keep = (size_t)(previous.p + previous.n - array.p);

                        if (keep > done)
                                kh_text_put(out, array.p + done, keep - done);
                } else {
                        kh_text_put(out, array.p + done, start - done);
                        dropping_first = true;
                }
                done = at;
        }
        kh_text_span(out, kh_span_from(array, done));
}

static bool is_marked(struct kh_span text, const struct kh_toml_item *item)
{
        struct kh_span line = { text.p + item->line, item->end - item->line };

        while (line.n && strchr("\r\n", line.p[line.n - 1]))
                line.n--;
        return kh_span_ends(line, KH_SPAN(KH_TOML_MARK));
}

/* Behind a last line without an end ours was put, and an end for it. */
static void drop_newline(struct kh_text *t)
{
        if (t->n && t->p[t->n - 1] == '\n')
                t->n--;
        if (t->n && t->p[t->n - 1] == '\r')
                t->n--;
        t->p[t->n] = '\0';
}

int kh_toml_strip(struct kh_span text, struct kh_text *ret, struct kh_err *err)
{
        struct kh_toml t = kh_toml_of(text);
        struct kh_toml_item item;
        size_t done = 0;

        kh_text_put(ret, "", 0);
        while (kh_toml_next(&t, &item)) {
                bool is_value = item.kind == KH_TOML_VALUE;
                struct kh_span value = { text.p + item.value, item.value_end - item.value };

                if (is_marked(text, &item)) {
                        kh_text_put(ret, text.p + done, item.line - done);
                        done = item.end;
                } else if (is_value && names_our_file(value)) {
                        kh_text_put(ret, text.p + done, item.value - done);
                        kh_text_put(ret, "\"\"", 2);
                        done = item.value_end;
                } else if (is_value && item.key.n == 1 && value.p[0] == '[' &&
                           kh_span_eq(item.key.part[0], KH_SPAN("imports"))) {
                        kh_text_put(ret, text.p + done, item.value - done);
                        strip_array(ret, value);
                        done = item.value_end;
                }
        }
        if (t.error)
                return malformed(&t, err);
        if (text.n)
                kh_text_span(ret, kh_span_from(text, done));
        if (!ret->failed && done > 0 && done == text.n && !ends_line(text))
                drop_newline(ret);
        return finish(ret, err);
}
