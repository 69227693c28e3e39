/* SPDX-License-Identifier: Apache-2.0 */
#include "json/unescape.h"

#include <stdint.h>
#include <string.h>

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* The four digits behind "\u"; -1 when they are none. */
static int32_t hex4(const char *p, const char *end)
{
        int32_t value = 0;

        if (end - p < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                int digit = hex_digit(p[i]);

                if (digit < 0)
                        return -1;
                value = value << 4 | digit;
        }
        return value;
}

static char *put_utf8(char *out, uint32_t c)
{
        if (c < 0x80) {
                *out++ = (char)c;
        } else if (c < 0x800) {
                *out++ = (char)(0xc0 | c >> 6);
                *out++ = (char)(0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
                *out++ = (char)(0xe0 | c >> 12);
                *out++ = (char)(0x80 | (c >> 6 & 0x3f));
                *out++ = (char)(0x80 | (c & 0x3f));
        } else {
                *out++ = (char)(0xf0 | c >> 18);
                *out++ = (char)(0x80 | (c >> 12 & 0x3f));
                *out++ = (char)(0x80 | (c >> 6 & 0x3f));
                *out++ = (char)(0x80 | (c & 0x3f));
        }
        return out;
}

/* The character of the \u escape whose digits start at *IN, which moves behind it; 0 when none. */
static uint32_t unicode_escape(const char **in, const char *end)
{
        int32_t high = hex4(*in, end), low;

        if (high < 0)
                return 0;
        *in += 4;
        if (high < 0xd800 || high > 0xdfff)
                return (uint32_t)high;
        if (high > 0xdbff || end - *in < 6 || (*in)[0] != '\\' || (*in)[1] != 'u')
                return 0;
        low = hex4(*in + 2, end);
        if (low < 0xdc00 || low > 0xdfff)
                return 0;
        *in += 6;
        return 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

char *kh_json_unescape(char *start, const char *end)
{
        static const char plain[] = "\"\\/bfnrt";
        static const char meant[] = "\"\\/\b\f\n\r\t";
        const char *in = start;
        char *out = start;

        while (in < end) {
                const char *known;
                uint32_t c;

                if (*in != '\\') {
                        *out++ = *in++;
                        continue;
                }
                if (end - in < 2)
                        return NULL;
                if (in[1] == 'u') {
                        in += 2;
                        c = unicode_escape(&in, end);
                        if (c == 0)
                                return NULL;
                        out = put_utf8(out, c);
                        continue;
                }
                known = memchr(plain, in[1], sizeof(plain) - 1);
                if (!known)
                        return NULL;
                *out++ = meant[known - plain];
                in += 2;
        }
        return out;
}
