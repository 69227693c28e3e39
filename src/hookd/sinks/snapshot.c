/* SPDX-License-Identifier: Apache-2.0 */
/* What a client gets first: every container there is, while what happens meanwhile waits. */
#include "hookd/core.h"
#include "hookd/sinks/subscriber.h"
#include "hookd/timestamp.h"

enum {
        CHUNK = 64 * 1024, /* lines a system call, about thirty */
        CHUNKS_A_TURN = 4,
};

static const struct kh_entry *entry_after(
        const struct kh_inventory *inv, const struct kh_list *node)
{
        return node->next == &inv->all ? NULL : kh_container_of(node->next, struct kh_entry, all);
}

/* The marker, then what happened meanwhile. */
static void end_snapshot(struct kh_subscriber *c)
{
        char text[256];
        struct kh_buf b = kh_buf_of(text, sizeof(text));

        kh_line_synced(&b, c->owner->instance, c->snapshot_seq, c->snapshot_count);
        kh_subscriber_set_phase(
                c, c->query.kind == KH_QUERY_SUBSCRIBE ? KH_SUB_LIVE : KH_SUB_ENDING);
        kh_subscriber_give_text(c, kh_buf_view(&b));
        if (c->phase == KH_SUB_GONE)
                return;
        kh_outbox_move(&c->outbox, &c->later);
        if (kh_outbox_flush(&c->outbox, c->fd) < 0)
                kh_subscriber_drop(c);
        kh_subscriber_finish(c);
}

/* Gathers lines of the snapshot from the cursor on; one that is larger than the room goes alone. */
static void put_chunk(struct kh_subscriber *c, struct kh_buf *b)
{
        const struct kh_inventory *inv = &c->owner->core->inventory;
        struct kh_line line;

        while (c->cursor && c->cursor->serial <= c->last_serial) {
                const struct kh_entry *e = c->cursor;

                if (kh_filter_matches(&c->query.filter, e)) {
                        kh_line_snapshot(&line, e);
                        if (kh_line_length(&line) > b->cap - b->len)
                                return;
                        for (int i = 0; i < 3; i++)
                                kh_buf_span(b, line.piece[i]);
                        c->snapshot_count++;
                }
                c->cursor = entry_after(inv, &e->all);
        }
        c->cursor = NULL;
}

/* As much of the snapshot as the socket takes, and not more than a turn's share. */
void kh_subscriber_go_on(struct kh_subscriber *c)
{
        static char chunk[CHUNK + KH_ENTRY_TEXT_MAX + KH_LINE_EXTRA];

        for (int i = 0; i < CHUNKS_A_TURN && c->cursor && kh_outbox_is_empty(&c->outbox); i++) {
                struct kh_buf b = kh_buf_of(chunk, CHUNK);
                struct kh_shared *shared = NULL;
                int r;

                put_chunk(c, &b);
                if (b.len == 0 && c->cursor) {
                        b = kh_buf_of(chunk, sizeof(chunk));
                        put_chunk(c, &b);
                }
                if (b.len == 0)
                        break;
                r = kh_outbox_write(
                        &c->outbox, c->fd, (struct kh_span[]){ kh_buf_view(&b) }, 1, &shared);
                kh_shared_unref(shared);
                if (r < 0) {
                        kh_subscriber_drop(c);
                        return;
                }
                c->moved_ns = kh_clock_ns();
        }
        if (!c->cursor)
                end_snapshot(c);
        else
                kh_subscriber_watch(c);
}

void kh_subscriber_start_snapshot(struct kh_subscriber *c)
{
        const struct kh_core *core = c->owner->core;

        c->cursor = entry_after(&core->inventory, &core->inventory.all);
        c->last_serial = core->inventory.last_serial;
        c->snapshot_seq = c->sent = c->acked = core->seq;
        kh_subscriber_set_phase(c, KH_SUB_SNAPSHOT);
        kh_subscriber_go_on(c);
}

/* Whether this change is none of the client's: its snapshot is still to come to that container. */
static bool is_still_to_come(const struct kh_subscriber *c, const struct kh_change *change)
{
        return c->phase == KH_SUB_SNAPSHOT && c->cursor &&
               change->entry->serial <= c->last_serial &&
               change->entry->serial >= c->cursor->serial;
}

/* A cursor never points to what is gone. */
static void follow(struct kh_subscriber *c, const struct kh_change *change)
{
        if (c->phase != KH_SUB_SNAPSHOT || c->cursor != change->was)
                return;
        c->cursor = change->type == KH_REMOVED
                            ? entry_after(&c->owner->core->inventory, &change->entry->all)
                            : change->entry;
}

bool kh_subscriber_is_concerned(struct kh_subscriber *c, const struct kh_change *change)
{
        bool concerned = c->query.kind == KH_QUERY_SUBSCRIBE &&
                         (c->phase == KH_SUB_LIVE || c->phase == KH_SUB_SNAPSHOT) &&
                         !is_still_to_come(c, change) &&
                         kh_filter_matches(&c->query.filter, change->entry);

        follow(c, change);
        return concerned;
}
