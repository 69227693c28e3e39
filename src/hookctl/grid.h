/* SPDX-License-Identifier: Apache-2.0 */
/* A small table: cells under their heads, each column as wide as its widest. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { KH_GRID_COLUMNS_MAX = 8, KH_GRID_ROWS_MAX = 64 };

struct kh_grid {
        char *cell[KH_GRID_ROWS_MAX][KH_GRID_COLUMNS_MAX]; /* made visible */
        size_t columns, rows;
};

/* A row of as many words as the first one has; NULL stands for what is not known. */
void kh_grid_add(struct kh_grid *g, size_t columns, const char *const *words);

/* Prints it, with its first row only when HEADED, and frees it. */
void kh_grid_print(struct kh_grid *g, bool headed);
