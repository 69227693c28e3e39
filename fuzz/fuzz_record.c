/* SPDX-License-Identifier: Apache-2.0 */
/* The files of state directories; the first byte says of which kind the rest is. */
#include "discovery/match.h"
#include "discovery/record.h"
#include "fuzz.h"

/* "PATH\nSPEC\nID" */
static void match(struct kh_span text)
{
        struct kh_span part[3] = { { 0 } };

        for (int i = 0; i < 3; i++) {
                const char *end = text.n ? memchr(text.p, '\n', text.n) : NULL;

                part[i] = (struct kh_span){ text.p, end ? (size_t)(end - text.p) : text.n };
                text = kh_span_from(text, end ? part[i].n + 1 : text.n);
        }
        /* A process in no cgroup is in nobody's. */
        fuzz_require(!kh_cgroup_is_of((struct kh_span){ 0 }, part[1], part[2]));
        (void)kh_cgroup_is_of(part[0], part[1], part[2]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static int (*const readers[])(char *, size_t, struct kh_record *) = {
                kh_record_read_runc,
                kh_record_read_crun,
                kh_record_read_crio,
                kh_record_read_pid,
        };
        static struct kh_record record;
        struct kh_span root;
        size_t n = size ? size - 1 : 0;
        char *text = fuzz_copy(data + (size ? 1 : 0), n);
        unsigned kind = size ? data[0] % 6U : 0;

        if (kind < 4) {
                int r = readers[kind](text, n, &record);

                fuzz_require(r == 0 || r < 0);
                fuzz_require(r < 0 || record.pid <= 4U * 1024 * 1024);
        } else if (kind == 4) {
                (void)kh_record_read_shim_root(text, n, &root);
        } else {
                match((struct kh_span){ text, n });
        }
        fuzz_free(text, n);
        return 0;
}
