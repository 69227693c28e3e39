/* SPDX-License-Identifier: Apache-2.0 */
/* Short texts: numbers, durations, spool names, container ids, paths of runtime sockets. */
#include "base/number.h"
#include "fuzz.h"
#include "oci/runtime_socket.h"
#include "spool/spool.h"
#include "wire/request.h"

/*
 * A name that is taken is the one that its entry is written as: else nobody could remove its file.
 */
static void spool_name(struct kh_span text)
{
        struct kh_spool_entry entry;
        char name[KH_SPOOL_NAME_MAX];

        if (!kh_spool_parse_name(text, &entry))
                return;
        kh_spool_format_name(&entry, name);
        fuzz_require(kh_span_eq(text, kh_span_of(name)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *copy = fuzz_copy(data, size);
        struct kh_span text = { copy, size };
        uint64_t number = 0;

        if (kh_parse_u64(text, UINT32_MAX, &number))
                fuzz_require(number <= UINT32_MAX);
        if (kh_parse_duration_ns(text, &number))
                fuzz_require(number <= 3600000000000ULL);
        if (kh_container_id_is_valid(text))
                fuzz_require(size <= KH_ID_MAX && !memchr(copy, '/', size));
        spool_name(text);
        (void)kh_is_runtime_socket(text);
        fuzz_free(copy, size);
        return 0;
}
