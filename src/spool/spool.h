/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool: events that no listener took, one file each, for it to take in later. A directory of
 * mode 0700 that belongs to whoever writes it; a file appears in it whole or not at all.
 *
 * A file's name is BOOTTIME_NS-PID-SEQ, in decimal, so that numbers give the order of the events.
 * Beside them lies `dropped`, as many bytes long as events were thrown away to keep the bounds.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

#include <stdint.h>
#include <sys/types.h>

enum {
        KH_SPOOL_FILES_MAX = 4096,
        KH_SPOOL_BYTES_MAX = 16 * 1024 * 1024,
};

struct kh_spool_entry {
        uint64_t boottime_ns;
        uint32_t pid;
        uint32_t seq;
};

enum { KH_SPOOL_NAME_MAX = 20 + 1 + 10 + 1 + 10 + 1 }; /* with its terminator */

void kh_spool_format_name(const struct kh_spool_entry *entry, char ret[KH_SPOOL_NAME_MAX]);
bool kh_spool_parse_name(struct kh_span name, struct kh_spool_entry *ret);

/*
 * A descriptor of the directory, made if it is absent (its parent too, 0711); or a negative errno:
 * -EPERM when somebody else could write to it.
 */
int kh_spool_open(const char *path, struct kh_err *err);

/* One event, durable for as long as the machine runs; the oldest go first to make room. */
int kh_spool_put(int dir, struct kh_span event, struct kh_err *err);

/*
 * The entries, oldest first, into RET (of CAP); their number, or a negative errno. When there are
 * more, some are left for the next call.
 */
ssize_t kh_spool_list(int dir, struct kh_spool_entry *ret, size_t cap);

/* How many events were dropped since the last call; the count starts anew. */
uint64_t kh_spool_take_dropped(int dir);
