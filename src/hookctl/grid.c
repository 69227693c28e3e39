/* SPDX-License-Identifier: Apache-2.0 */
#include "hookctl/grid.h"

#include "hookctl/text.h"

#include <stdlib.h>

void kh_grid_add(struct kh_grid *g, size_t columns, const char *const *words)
{
        if (g->rows == KH_GRID_ROWS_MAX)
                return;
        g->columns = columns;
        for (size_t i = 0; i < columns; i++)
                g->cell[g->rows][i] = kh_text_visible(words[i] && *words[i] ? words[i] : "-");
        g->rows++;
}

static size_t width_of(const struct kh_grid *g, size_t row, size_t column)
{
        return g->cell[row][column] ? kh_text_width(g->cell[row][column]) : 0;
}

void kh_grid_print(struct kh_grid *g, bool headed)
{
        size_t width[KH_GRID_COLUMNS_MAX] = { 0 };

        for (size_t row = !headed; row < g->rows; row++) {
                for (size_t i = 0; i < g->columns; i++) {
                        size_t w = width_of(g, row, i);

                        width[i] = w > width[i] ? w : width[i];
                }
        }
        for (size_t row = !headed; row < g->rows; row++) {
                for (size_t i = 0; i < g->columns; i++) {
                        bool last = i + 1 == g->columns;

                        (void)printf("%s%*s", g->cell[row][i] ? g->cell[row][i] : "",
                                last ? 0 : (int)(width[i] - width_of(g, row, i) + 2), "");
                }
                (void)putchar('\n');
        }
        for (; g->rows; g->rows--) {
                for (size_t i = 0; i < g->columns; i++)
                        free(g->cell[g->rows - 1][i]);
        }
}
