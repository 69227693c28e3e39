/* SPDX-License-Identifier: Apache-2.0 */
#include "json/writer.h"

static bool needs_escape(unsigned char c)
{
        return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

static void put_escape(struct kh_buf *b, unsigned char c)
{
        static const char hex[] = "0123456789abcdef";
        char text[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

        switch (c) {
        case '"':
        case '\\':
                text[1] = (char)c;
                kh_buf_put(b, text, 2);
                break;
        case '\n':
                kh_buf_lit(b, "\\n");
                break;
        case '\t':
                kh_buf_lit(b, "\\t");
                break;
        default:
                kh_buf_put(b, text, sizeof(text));
        }
}

void kh_json_put_text(struct kh_buf *b, struct kh_span s)
{
        size_t from = 0;

        for (size_t i = 0; i < s.n; i++) {
                unsigned char c = (unsigned char)s.p[i];

                if (!needs_escape(c))
                        continue;
                kh_buf_put(b, s.p + from, i - from);
                put_escape(b, c);
                from = i + 1;
        }
        if (s.n)
                kh_buf_put(b, s.p + from, s.n - from);
}

void kh_json_put_string(struct kh_buf *b, struct kh_span s)
{
        kh_buf_char(b, '"');
        kh_json_put_text(b, s);
        kh_buf_char(b, '"');
}

void kh_json_put_comma(struct kh_buf *b)
{
        char last = b->len ? b->p[b->len - 1] : '{';

        if (last != '{' && last != '[' && last != ':' && last != '\n')
                kh_buf_char(b, ',');
}

void kh_json_open(struct kh_buf *b, char bracket)
{
        kh_json_put_comma(b);
        kh_buf_char(b, bracket);
}

void kh_json_close(struct kh_buf *b, char bracket)
{
        kh_buf_char(b, bracket);
}

void kh_json_put_key(struct kh_buf *b, struct kh_span key)
{
        kh_json_put_comma(b);
        kh_buf_char(b, '"');
        kh_buf_span(b, key);
        kh_buf_lit(b, "\":");
}

void kh_json_put_str_member(struct kh_buf *b, struct kh_span key, struct kh_span value)
{
        if (!value.p)
                return;
        kh_json_put_key(b, key);
        kh_json_put_string(b, value);
}

void kh_json_put_u64_member(struct kh_buf *b, struct kh_span key, uint64_t value)
{
        if (value == 0)
                return;
        kh_json_put_key(b, key);
        kh_buf_u64(b, value);
}

void kh_json_put_bool_member(struct kh_buf *b, struct kh_span key, bool value)
{
        kh_json_put_key(b, key);
        if (value)
                kh_buf_lit(b, "true");
        else
                kh_buf_lit(b, "false");
}
