/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inventory on /run, so that a listener that was killed begins where it ended. One file of JSON
 * lines: a header, then a line for each change, written by one call before anybody is told of it.
 * When most of it is history, it is rewritten beside and renamed into place. A line that was cut
 * off in the middle of a write is passed over.
 */
#pragma once

#include "base/err.h"
#include "hookd/inventory/inventory.h"

struct kh_journal {
        const struct kh_inventory *inventory;
        int dir;
        int fd; /* -EBADF: there is no journal, or it has to be rewritten first */
        uint64_t bytes;
        uint64_t retry_ns; /* a failed rewrite is not tried again before that */
        uint64_t rewrites;
        uint64_t errors;
};

/*
 * Makes the directory DIR (0700) if need be, and takes its journal into the inventory, unless that
 * is of another boot. *RET_SAME_PIDS: the pids in it are numbers of our own pid namespace.
 */
int kh_journal_open(struct kh_journal *j, const char *dir, struct kh_inventory *inventory,
        bool *ret_same_pids, struct kh_err *err);
void kh_journal_close(struct kh_journal *j);

/*
 * A change, before it is told. A failure is logged and counted: the journal has to be mended then.
 */
void kh_journal_write(struct kh_journal *j, const struct kh_change *change);

/* Whether it lacks a change; then when a rewrite is due that mends it. */
static inline bool kh_journal_is_broken(const struct kh_journal *j)
{
        return j->dir >= 0 && j->fd < 0;
}
void kh_journal_mend(struct kh_journal *j);
