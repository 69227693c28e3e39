/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

char *kh_text_reserve(struct kh_text *t, size_t n)
{
        size_t wanted = t->n + n + 1;
        char *p;

        if (t->failed)
                return NULL;
        if (wanted > t->cap) {
                size_t cap = wanted < 2 * t->cap ? 2 * t->cap : wanted;

                p = wanted < n ? NULL : realloc(t->p, cap);
                if (!p) {
                        t->failed = true;
                        return NULL;
                }
                t->p = p;
                t->cap = cap;
        }
        t->p[t->n] = '\0';
        return t->p + t->n;
}

void kh_text_put(struct kh_text *t, const char *p, size_t n)
{
        char *room = kh_text_reserve(t, n);

        if (!room)
                return;
        if (n)
                memcpy(room, p, n);
        t->n += n;
        t->p[t->n] = '\0';
}

void kh_text_printf(struct kh_text *t, const char *format, ...)
{
        va_list ap;
        char *room;
        int n;

        va_start(ap, format);
        n = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        room = n < 0 ? NULL : kh_text_reserve(t, (size_t)n);
        if (!room) {
                t->failed = true;
                return;
        }
        va_start(ap, format);
        (void)vsnprintf(room, (size_t)n + 1, format, ap);
        va_end(ap);
        t->n += (size_t)n;
}

void kh_text_done(struct kh_text *t)
{
        free(t->p);
        *t = (struct kh_text){ 0 };
}
