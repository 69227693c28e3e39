/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of others on a terminal. Whoever starts a container chooses its names, labels and image, and
 * may put into them what a terminal obeys or what turns a line around. Everything that is not
 * plainly visible, or that the locale cannot show, is written as \uXXXX, which JSON undoes.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* S made visible, which the caller frees; NULL when memory is out. */
char *kh_text_visible(const char *s);

/* The same, written. */
void kh_put_text(FILE *f, const char *s);

/* Terminal columns that visible text takes. */
size_t kh_text_width(const char *visible);

/* How many bytes of visible text take at most LIMIT columns, and how many columns they take. */
size_t kh_text_fit(const char *visible, size_t limit, size_t *ret_width);

/* Whether the locale can show characters beyond ASCII. */
bool kh_text_is_utf8(void);
