/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers as a table. Rows are gathered, laid out once to fit the terminal, and printed; those
 * of a live table that come later are printed in the same columns. (That is why it is not
 * libsmartcols: it lays out each table that it prints anew.)
 */
#pragma once

#include "kubearmor-hook.h"

#include <stdbool.h>
#include <stddef.h>

enum { KH_MAX_COLUMNS = 16 };

struct kh_table_style {
        bool live; /* TIMESTAMP and EVENT before the others */
        bool wide; /* more columns, and images whole */
        bool no_trunc;
        bool no_headers;
        bool color;
};

struct kh_row;

struct kh_table {
        struct kh_table_style style;
        size_t limit;                    /* columns of the terminal; 0: none */
        unsigned column[KH_MAX_COLUMNS]; /* those in use */
        size_t width[KH_MAX_COLUMNS];
        size_t n_columns;
        bool laid_out;
        struct kh_row *rows; /* gathered, not printed yet */
        struct kh_row **last;
};

void kh_table_init(struct kh_table *t, const struct kh_table_style *style);
void kh_table_done(struct kh_table *t);

/* Appends the event's container as a row; false when memory is out. */
bool kh_table_add(struct kh_table *t, const struct kubearmor_hook_event *event);

/* Prints the header, once, and the rows gathered so far. */
void kh_table_print(struct kh_table *t);
