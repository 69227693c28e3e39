/* SPDX-License-Identifier: Apache-2.0 */
#include "hookctl/table.h"

#include "base/number.h"
#include "hookctl/columns.h"
#include "hookctl/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct kh_row {
        struct kh_row *next;
        char *cell[KH_MAX_COLUMNS]; /* visible text; NULL: not known */
};

/* As ls and ps do: $COLUMNS, else the terminal's own word; what is no terminal has no limit. */
static size_t terminal_columns(void)
{
        const char *columns = getenv("COLUMNS");
        struct winsize size = { 0 };
        uint64_t n;

        if (columns && kh_parse_u64(kh_span_of(columns), 10000, &n))
                return n;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
                return 0;
        return size.ws_col;
}

static bool is_used(const struct kh_column *column, const struct kh_table_style *style)
{
        switch (column->use) {
        case KH_COLUMN_LIVE:
                return style->live;
        case KH_COLUMN_STILL:
                return !style->live;
        case KH_COLUMN_WIDE:
                return style->wide;
        case KH_COLUMN_ALWAYS:
                break;
        }
        return true;
}

void kh_table_init(struct kh_table *t, const struct kh_table_style *style)
{
        *t = (struct kh_table){ .style = *style };
        t->last = &t->rows;
        t->limit = style->no_trunc ? 0 : terminal_columns();
        for (unsigned i = 0; i < kh_n_columns; i++) {
                if (!is_used(&kh_columns[i], style))
                        continue;
                t->column[t->n_columns] = i;
                t->width[t->n_columns] = strlen(kh_columns[i].name);
                if (style->live && kh_columns[i].live_width > t->width[t->n_columns])
                        t->width[t->n_columns] = kh_columns[i].live_width;
                t->n_columns++;
        }
}

static void free_row(struct kh_row *row)
{
        for (size_t i = 0; i < KH_MAX_COLUMNS; i++)
                free(row->cell[i]);
        free(row);
}

static struct kh_row *take_row(struct kh_table *t)
{
        struct kh_row *row = t->rows;

        if (!row)
                return NULL;
        t->rows = row->next;
        if (!t->rows)
                t->last = &t->rows;
        return row;
}

void kh_table_done(struct kh_table *t)
{
        struct kh_row *row;

        while ((row = take_row(t)))
                free_row(row);
}

bool kh_table_add(struct kh_table *t, const struct kubearmor_hook_event *event)
{
        struct kh_row *row = calloc(1, sizeof(*row));
        char scratch[KH_CELL_MAX];

        if (!row)
                return false;
        for (size_t i = 0; i < t->n_columns; i++) {
                const char *text =
                        kh_column_text(&kh_columns[t->column[i]], event, &t->style, scratch);

                row->cell[i] = kh_text_visible(text && *text ? text : "-");
                if (!row->cell[i]) {
                        free_row(row);
                        return false;
                }
        }
        *t->last = row;
        t->last = &row->next;
        return true;
}

static size_t total_width(const struct kh_table *t)
{
        size_t total = t->n_columns - 1;

        for (size_t i = 0; i < t->n_columns; i++)
                total += t->width[i];
        return total;
}

/* Takes from the widest column that can spare it, as often as it needs. */
static void shrink(struct kh_table *t)
{
        for (size_t total = total_width(t); total > t->limit; total--) {
                size_t widest = t->n_columns;

                for (size_t i = 0; i < t->n_columns; i++) {
                        size_t least = kh_columns[t->column[i]].least;

                        if (least == 0 || t->width[i] <= least)
                                continue;
                        if (widest == t->n_columns || t->width[i] > t->width[widest])
                                widest = i;
                }
                if (widest == t->n_columns)
                        return;
                t->width[widest]--;
        }
}

static void lay_out(struct kh_table *t)
{
        for (const struct kh_row *row = t->rows; row; row = row->next) {
                for (size_t i = 0; i < t->n_columns; i++) {
                        size_t width = kh_text_width(row->cell[i]);

                        if (width > t->width[i])
                                t->width[i] = width;
                }
        }
        if (t->limit)
                shrink(t);
        t->laid_out = true;
}

static void print_cell(const struct kh_table *t, size_t i, const char *text, const char *color)
{
        size_t n = strlen(text), width = kh_text_width(text);
        bool cut = t->limit && width > t->width[i];
        bool last = i + 1 == t->n_columns;

        if (cut)
                n = kh_text_fit(text, t->width[i] - 1, &width);
        if (color)
                (void)printf("\033[%sm", color);
        (void)fwrite(text, 1, n, stdout);
        if (cut) {
                (void)fputs(kh_text_is_utf8() ? "\u2026" : "~", stdout);
                width++;
        }
        if (color)
                (void)fputs("\033[0m", stdout);
        if (!last)
                (void)printf("%*s", (int)(width < t->width[i] ? t->width[i] - width : 0) + 1, "");
}

static void print_header(const struct kh_table *t)
{
        for (size_t i = 0; i < t->n_columns; i++)
                print_cell(t, i, kh_columns[t->column[i]].name, t->style.color ? "1" : NULL);
        (void)putchar('\n');
}

static void print_row(const struct kh_table *t, const struct kh_row *row)
{
        for (size_t i = 0; i < t->n_columns; i++) {
                const struct kh_column *column = &kh_columns[t->column[i]];
                const char *text = row->cell[i];

                print_cell(t, i, text,
                        t->style.color && column->is_word ? kh_column_color(text) : NULL);
        }
        (void)putchar('\n');
}

void kh_table_print(struct kh_table *t)
{
        struct kh_row *row;

        if (!t->laid_out) {
                lay_out(t);
                if (!t->style.no_headers)
                        print_header(t);
        }
        while ((row = take_row(t))) {
                print_row(t, row);
                free_row(row);
        }
}
