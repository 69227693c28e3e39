/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share. */
#pragma once

#include "base/span.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly that size, to be freed, so that a sanitizer sees the first byte beyond it. */
static inline char *fuzz_copy(const void *p, size_t n)
{
        char *copy = malloc(n ? n : 1);

        if (!copy)
                abort();
        if (n)
                memcpy(copy, p, n);
        return n ? copy : copy + 1; /* even a first byte is beyond an empty text */
}

static inline void fuzz_free(char *copy, size_t n)
{
        free(n ? copy : copy - 1);
}

/* What must hold for any input. */
#define fuzz_require(condition)                                                                    \
        do {                                                                                       \
                if (!(condition))                                                                  \
                        abort();                                                                   \
        } while (0)
