/* SPDX-License-Identifier: Apache-2.0 */
#include "hookctl/text.h"

#include <langinfo.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

bool kh_text_is_utf8(void)
{
        return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* The code point at S, and its length in bytes; for a byte that begins none, itself and 1. */
static uint32_t decode(const char *s, size_t *ret_n)
{
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        const unsigned char *p = (const unsigned char *)s;
        size_t n = p[0] >= 0xf8 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 1;
        uint32_t c = n == 1 ? p[0] : p[0] & (0x7fU >> n);

        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        n = 1; /* also at the terminating NUL */
                else
                        c = c << 6 | (p[i] & 0x3f);
        }
        if (n > 1 && (c < smallest[n] || c > 0x10ffff))
                n = 1;
        *ret_n = n;
        return n == 1 ? p[0] : c;
}

/*
 * Characters that are drawn, one beside the other, in the order in which they stand: no controls,
 * no directional or other format characters, nothing of no width that could hide or pile up. A
 * single byte above 0x7f is no character of UTF-8.
 */
static bool is_visible(uint32_t c, size_t n)
{
        if (c < 0x80)
                return c >= 0x20 && c != 0x7f;
        if (n == 1 || c < 0xa0 || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
                return false;
        return kh_text_is_utf8() && wcwidth((wchar_t)c) > 0;
}

static size_t put_escape(char *to, uint32_t c)
{
        enum { ESCAPE = 6 };

        if (c < 0x10000)
                return (size_t)snprintf(to, ESCAPE + 1, "\\u%04x", c);
        c -= 0x10000;
        return (size_t)snprintf(
                to, 2 * ESCAPE + 1, "\\u%04x\\u%04x", 0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
}

char *kh_text_visible(const char *s)
{
        enum { LONGEST = 6 }; /* of one byte: an escape */
        char *visible = malloc(LONGEST * strlen(s) + 1), *to = visible;
        size_t n;

        if (!visible)
                return NULL;
        for (; *s; s += n) {
                uint32_t c = decode(s, &n);

                if (is_visible(c, n)) {
                        memcpy(to, s, n);
                        to += n;
                } else {
                        to += put_escape(to, c);
                }
        }
        *to = '\0';
        return visible;
}

void kh_put_text(FILE *f, const char *s)
{
        char *visible = kh_text_visible(s);

        (void)fputs(visible ? visible : "?", f);
        free(visible);
}

size_t kh_text_fit(const char *visible, size_t limit, size_t *ret_width)
{
        size_t at = 0, n;

        *ret_width = 0;
        while (visible[at]) {
                uint32_t c = decode(visible + at, &n);
                size_t width = c < 0x80 ? 1 : (size_t)wcwidth((wchar_t)c);

                if (*ret_width + width > limit)
                        break;
                *ret_width += width;
                at += n;
        }
        return at;
}

size_t kh_text_width(const char *visible)
{
        size_t width;

        (void)kh_text_fit(visible, SIZE_MAX, &width);
        return width;
}
