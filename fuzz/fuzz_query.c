/* SPDX-License-Identifier: Apache-2.0 */
/* A client's request on the listener's events socket. */
#include "fuzz.h"
#include "hookd/sinks/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = fuzz_copy(data, size);
        struct kh_query query;
        const char *wrong = kh_query_read(text, size, &query);

        if (!wrong)
                fuzz_require(query.kind <= KH_QUERY_METRICS && query.pid <= INT32_MAX);
        fuzz_free(text, size);
        return 0;
}
