/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/diff.h"

#include "base/cleanup.h"

#include <stdint.h>

enum { CONTEXT = 3 };

/*
 * Lines that differ, on both sides multiplied: the table of common subsequences takes four bytes
 * each. What is larger is shown as taken out and put in.
 */
enum { TABLE_MAX = 4 * 1024 * 1024 };

struct lines {
        struct kh_span *v;
        size_t n;
};

static struct lines split(const struct kh_text *text)
{
        struct lines l = { .v = calloc(text->n + 1, sizeof(*l.v)) };

        for (size_t at = 0; l.v && at < text->n;) {
                const char *end = memchr(text->p + at, '\n', text->n - at);
                size_t next = end ? (size_t)(end - text->p) + 1 : text->n;

                l.v[l.n++] = (struct kh_span){ text->p + at, next - at };
                at = next;
        }
        return l;
}

/* A line of the result: where it stands in either text. */
struct step {
        char kind; /* ' ', '-', '+' */
        size_t from, to;
};

struct script {
        struct step *v;
        size_t n;
};

static void push(struct script *s, char kind, size_t *from, size_t *to)
{
        s->v[s->n++] = (struct step){ kind, *from, *to };
        *from += kind != '+';
        *to += kind != '-';
}

/* The longest common subsequence of what lies between equal heads and tails. */
static void compare_middle(const struct lines *a, const struct lines *b, size_t a_end, size_t b_end,
        size_t *from, size_t *to, struct script *s)
{
        size_t a0 = *from, b0 = *to, n = a_end - a0, m = b_end - b0;
        kh_cleanup(kh_freep) uint32_t *common =
                n && m && (n + 1) * (m + 1) <= TABLE_MAX / sizeof(*common)
                        ? calloc((n + 1) * (m + 1), sizeof(*common))
                        : NULL;

        for (size_t i = n; common && i-- > 0;) {
                for (size_t j = m; j-- > 0;) {
                        uint32_t *here = &common[i * (m + 1) + j];
                        uint32_t down = here[m + 1], right = here[1];

                        *here = kh_span_eq(a->v[a0 + i], b->v[b0 + j]) ? here[m + 2] + 1
                                : down > right                         ? down
                                                                       : right;
                }
        }
        while (*from < a_end || *to < b_end) {
                size_t i = *from - a0, j = *to - b0;

                if (common && i < n && j < m && kh_span_eq(a->v[*from], b->v[*to]))
                        push(s, ' ', from, to);
                else if (i < n &&
                         (j == m || !common ||
                                 common[(i + 1) * (m + 1) + j] >= common[i * (m + 1) + j + 1]))
                        push(s, '-', from, to);
                else
                        push(s, '+', from, to);
        }
}

static struct script compare(const struct lines *a, const struct lines *b)
{
        struct script s = { .v = calloc(a->n + b->n + 1, sizeof(*s.v)) };
        size_t from = 0, to = 0, a_end = a->n, b_end = b->n;

        if (!s.v)
                return s;
        while (from < a_end && to < b_end && kh_span_eq(a->v[from], b->v[to]))
                push(&s, ' ', &from, &to);
        while (a_end > from && b_end > to && kh_span_eq(a->v[a_end - 1], b->v[b_end - 1])) {
                a_end--;
                b_end--;
        }
        compare_middle(a, b, a_end, b_end, &from, &to, &s);
        while (from < a->n)
                push(&s, ' ', &from, &to);
        return s;
}

static void put_line(struct kh_text *out, char kind, struct kh_span line)
{
        kh_text_put(out, &kind, 1);
        kh_text_span(out, line);
        if (line.n == 0 || line.p[line.n - 1] != '\n')
                kh_text_printf(out, "\n\\ No newline at end of file\n");
}

static void put_range(struct kh_text *out, char kind, size_t start, size_t n)
{
        kh_text_printf(out, "%c%zu", kind, n ? start + 1 : start);
        if (n != 1)
                kh_text_printf(out, ",%zu", n);
}

static void put_hunk(struct kh_text *out, const struct script *s, size_t first, size_t end,
        const struct lines *a, const struct lines *b)
{
        size_t removed = 0, added = 0;

        for (size_t i = first; i < end; i++) {
                removed += s->v[i].kind != '+';
                added += s->v[i].kind != '-';
        }
        kh_text_printf(out, "@@ ");
        put_range(out, '-', s->v[first].from, removed);
        kh_text_printf(out, " ");
        put_range(out, '+', s->v[first].to, added);
        kh_text_printf(out, " @@\n");
        for (size_t i = first; i < end; i++) {
                const struct step *step = &s->v[i];

                put_line(out, step->kind, step->kind == '+' ? b->v[step->to] : a->v[step->from]);
        }
}

static void put_hunks(
        struct kh_text *out, const struct script *s, const struct lines *a, const struct lines *b)
{
        for (size_t i = 0; i < s->n; i++) {
                size_t first, end = i + 1;

                if (s->v[i].kind == ' ')
                        continue;
                first = i > CONTEXT ? i - CONTEXT : 0;
                for (size_t j = i; j < s->n && j < end + 2 * (size_t)CONTEXT; j++) {
                        if (s->v[j].kind != ' ')
                                end = j + 1;
                }
                i = end - 1;
                end = end + CONTEXT < s->n ? end + CONTEXT : s->n;
                put_hunk(out, s, first, end, a, b);
        }
}

void kh_diff(
        struct kh_text *out, const char *path, const struct kh_text *from, const struct kh_text *to)
{
        struct lines a, b;
        struct script s;

        if (kh_text_eq(from, to))
                return;
        a = split(from);
        b = split(to);
        s = a.v && b.v ? compare(&a, &b) : (struct script){ 0 };
        kh_text_printf(out, "--- %s%s\n", from->p ? "" : "/dev/null", from->p ? path : "");
        kh_text_printf(out, "+++ %s%s\n", to->p ? "" : "/dev/null", to->p ? path : "");
        if (s.v)
                put_hunks(out, &s, &a, &b);
        else
                out->failed = true;
        free(a.v);
        free(b.v);
        free(s.v);
}
