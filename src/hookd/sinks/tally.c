/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/tally.h"

#include "spool/spool.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct kh_runtime_tally *look_up(
        struct kh_runtime_tally *tally, size_t n, struct kh_span name)
{
        for (size_t i = 0; i < n; i++) {
                if (kh_span_eq(tally[i].name, name))
                        return &tally[i];
        }
        return NULL;
}

/* Whoever tells of a container may call its runtime anything, at any length. */
static struct kh_runtime_tally *tally_of(
        struct kh_runtime_tally tally[KH_TALLY_RUNTIMES], size_t *n, struct kh_span name)
{
        const struct kh_span other = KH_SPAN("other");
        struct kh_runtime_tally *found;

        if (name.n > KH_TALLY_NAME_MAX)
                name = other;
        found = look_up(tally, *n, name);
        if (!found && *n >= KH_TALLY_RUNTIMES - 1) {
                name = other;
                found = look_up(tally, *n, name);
        }
        if (found)
                return found;
        tally[*n] = (struct kh_runtime_tally){ .name = name };
        return &tally[(*n)++];
}

size_t kh_tally_runtimes(
        const struct kh_inventory *inv, struct kh_runtime_tally ret[KH_TALLY_RUNTIMES])
{
        size_t n = 0;

        kh_list_for_each(node, next, &inv->all) {
                const struct kh_entry *e = kh_container_of(node, struct kh_entry, all);

                tally_of(ret, &n, kh_entry_piece(e, e->runtime))->in_state[e->state]++;
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
