/* SPDX-License-Identifier: Apache-2.0 */
/* What the block-wise skipper is measured against: one byte after the other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The length of the object or array that P starts with; 0 when it does not end within N bytes. */
static inline size_t reference_length(const char *p, size_t n)
{
        size_t depth = 0;
        bool in_string = false;

        for (size_t i = 0; i < n; i++) {
                if (in_string && p[i] == '\\')
                        i++;
                else if (p[i] == '"')
                        in_string = !in_string;
                else if (!in_string && (p[i] == '{' || p[i] == '['))
                        depth++;
                else if (!in_string && (p[i] == '}' || p[i] == ']') && --depth == 0)
                        return i + 1;
        }
        return 0;
}
