/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of the events socket (docs/protocol.md, docs/events.schema.json). */
#pragma once

#include "base/buf.h"
#include "hookd/inventory/inventory.h"

enum {
        KH_INSTANCE_SIZE = 33, /* 32 digits, terminated */
        /* What stands before and behind a container's text. */
        KH_LINE_EXTRA = 512,
};

/*
 * A line that has a container in it, in three pieces so that the container's text is not copied:
 * what stands before it, the text, what stands behind.
 */
struct kh_line {
        struct kh_span piece[3];
        char room[KH_LINE_EXTRA];
};

size_t kh_line_length(const struct kh_line *line);

void kh_line_snapshot(struct kh_line *line, const struct kh_entry *e);
void kh_line_event(
        struct kh_line *line, const struct kh_change *change, uint64_t seq, uint64_t real_ns);

void kh_line_synced(struct kh_buf *b, const char *instance, uint64_t seq, uint64_t count);
void kh_line_error(struct kh_buf *b, struct kh_span error, const char *message);
