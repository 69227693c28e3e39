/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

/* The length of the sequence at P, 0 when it is malformed. */
static size_t sequence_length(const unsigned char *p, size_t left)
{
        /* RFC 3629 section 4: the second byte's range depends on the first. */
        unsigned char low = 0x80, high = 0xbf;
        size_t n;

        if (p[0] >= 0xc2 && p[0] <= 0xdf)
                n = 2;
        else if (p[0] >= 0xe0 && p[0] <= 0xef)
                n = 3;
        else if (p[0] >= 0xf0 && p[0] <= 0xf4)
                n = 4;
        else
                return 0;
        if (p[0] == 0xe0)
                low = 0xa0;
        else if (p[0] == 0xed)
                high = 0x9f;
        else if (p[0] == 0xf0)
                low = 0x90;
        else if (p[0] == 0xf4)
                high = 0x8f;
        if (left < n || p[1] < low || p[1] > high)
                return 0;
        for (size_t i = 2; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        }
        return n;
}

bool kh_utf8_is_text(struct kh_span s)
{
        const unsigned char *p = (const unsigned char *)s.p;

        for (size_t i = 0; i < s.n;) {
                size_t n = 1;

                if (p[i] == 0)
                        return false;
                if (p[i] >= 0x80) {
                        n = sequence_length(p + i, s.n - i);
                        if (n == 0)
                                return false;
                }
                i += n;
        }
        return true;
}
