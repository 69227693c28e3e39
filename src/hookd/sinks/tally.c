/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/tally.h"

#include "spool/spool.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct kh_runtime_tally *find(
        struct kh_runtime_tally tally[KH_TALLY_RUNTIMES], size_t *n, struct kh_span name)
{
        for (size_t i = 0; i < *n; i++) {
                if (kh_span_eq(tally[i].name, name))
                        return &tally[i];
        }
        if (*n == KH_TALLY_RUNTIMES - 1)
                name = KH_SPAN("other");
        if (*n < KH_TALLY_RUNTIMES)
                tally[(*n)++] = (struct kh_runtime_tally){ .name = name };
        return &tally[*n - 1];
}

size_t kh_tally_runtimes(
        const struct kh_inventory *inv, struct kh_runtime_tally ret[KH_TALLY_RUNTIMES])
{
        size_t n = 0;

        kh_list_for_each(node, next, &inv->all) {
                const struct kh_entry *e = kh_container_of(node, struct kh_entry, all);

                find(ret, &n, kh_entry_piece(e, e->runtime))->in_state[e->state]++;
        }
        return n;
}

struct kh_spool_tally kh_tally_spool(int dir)
{
        static struct kh_spool_entry entries[KH_SPOOL_FILES_MAX];
        ssize_t n = dir < 0 ? 0 : kh_spool_list(dir, entries, KH_SPOOL_FILES_MAX);
        struct kh_spool_tally tally = { 0 };

        for (ssize_t i = 0; i < n; i++) {
                char name[KH_SPOOL_NAME_MAX];
                struct stat st;

                kh_spool_format_name(&entries[i], name);
                if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue; /* a hook made room */
                tally.files++;
                tally.bytes += (uint64_t)st.st_size;
        }
        return tally;
}
