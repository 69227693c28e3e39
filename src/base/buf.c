/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

void kh_buf_u64(struct kh_buf *b, uint64_t value)
{
        char digits[20]; /* UINT64_MAX has 20 digits */
        size_t at = sizeof(digits);

        do {
                digits[--at] = (char)('0' + value % 10);
                value /= 10;
        } while (value);
        kh_buf_put(b, digits + at, sizeof(digits) - at);
}

void kh_buf_i64(struct kh_buf *b, int64_t value)
{
        if (value >= 0) {
                kh_buf_u64(b, (uint64_t)value);
                return;
        }
        kh_buf_char(b, '-');
        kh_buf_u64(b, -(uint64_t)value);
}

bool kh_buf_terminate(struct kh_buf *b)
{
        if (b->cap == 0)
                return false;
        if (b->over || b->len == b->cap) {
                b->p[0] = '\0';
                return false;
        }
        b->p[b->len] = '\0';
        return true;
}
