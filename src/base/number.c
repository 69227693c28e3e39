/* SPDX-License-Identifier: Apache-2.0 */
#include "base/number.h"

bool kh_parse_u64(struct kh_span text, uint64_t max, uint64_t *ret)
{
        uint64_t value = 0;

        if (text.n == 0)
                return false;
        for (size_t i = 0; i < text.n; i++) {
                unsigned digit = (unsigned char)text.p[i] - (unsigned)'0';

                if (digit > 9 || value > (UINT64_MAX - digit) / 10)
                        return false;
                value = value * 10 + digit;
        }
        if (value > max)
                return false;
        *ret = value;
        return true;
}

static bool unit_ns(struct kh_span unit, uint64_t *ret)
{
        if (kh_span_eq(unit, KH_SPAN("us")))
                *ret = 1000;
        else if (kh_span_eq(unit, KH_SPAN("ms")))
                *ret = 1000 * 1000;
        else if (kh_span_eq(unit, KH_SPAN("s")))
                *ret = 1000 * 1000 * 1000;
        else if (kh_span_eq(unit, KH_SPAN("m")))
                *ret = 60ULL * 1000 * 1000 * 1000;
        else
                return false;
        return true;
}

bool kh_parse_duration_ns(struct kh_span text, uint64_t *ret_ns)
{
        const uint64_t longest_ns = 3600ULL * 1000 * 1000 * 1000;
        uint64_t whole = 0, unit, fraction_ns = 0;
        size_t digits = 0, end;

        while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
                digits++;
        if (!kh_parse_u64((struct kh_span){ text.p, digits }, longest_ns, &whole))
                return false;
        end = digits;
        if (end < text.n && text.p[end] == '.') {
                do
                        end++;
                while (end < text.n && text.p[end] >= '0' && text.p[end] <= '9');
                if (end == digits + 1)
                        return false;
        }
        if (!unit_ns(kh_span_from(text, end), &unit) || whole > longest_ns / unit)
                return false;
        for (size_t i = digits + 1, scale = unit / 10; i < end && scale; i++, scale /= 10)
                fraction_ns += (uint64_t)(text.p[i] - '0') * scale;
        *ret_ns = whole * unit + fraction_ns;
        return *ret_ns <= longest_ns;
}
