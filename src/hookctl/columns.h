/* SPDX-License-Identifier: Apache-2.0 */
/* The columns that a table of containers can have: what each says of an event. */
#pragma once

#include "hookctl/table.h"

enum kh_column_use {
        KH_COLUMN_ALWAYS,
        KH_COLUMN_LIVE,  /* only in a live table */
        KH_COLUMN_STILL, /* only in one that is not */
        KH_COLUMN_WIDE,
};

enum { KH_CELL_MAX = 64 };

struct kh_column {
        const char *name;
        enum kh_column_use use;
        size_t live_width; /* at least, in a live table, whose later rows nobody knows */
        size_t least;      /* where the terminal is narrow; 0: it does not shrink */
        bool is_word;      /* one of the few that have a colour */
        size_t member;     /* offset of a string of the container's, where CELL is NULL */
        const char *(*cell)(const struct kubearmor_hook_event *event,
                const struct kh_table_style *style, char *scratch);
};

extern const struct kh_column kh_columns[];
extern const size_t kh_n_columns;

/* What a column says; NULL when not known. It may be in SCRATCH, of KH_CELL_MAX bytes. */
const char *kh_column_text(const struct kh_column *column, const struct kubearmor_hook_event *event,
        const struct kh_table_style *style, char *scratch);

/* The colour of an event's or a state's name, an SGR parameter, or NULL. */
const char *kh_column_color(const char *word);

/* "90s", "3m", "47h", "4d": one unit, of which there are at least two. */
const char *kh_format_age(uint64_t seconds, char *scratch);
