/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/line.h"

#include "hookd/counters.h"
#include "hookd/timestamp.h"
#include "json/writer.h"

size_t kh_line_length(const struct kh_line *line)
{
        return line->piece[0].n + line->piece[1].n + line->piece[2].n;
}

static struct kh_span timestamp(char buf[KH_TIMESTAMP_SIZE], uint64_t real_ns)
{
        return (struct kh_span){ kh_timestamp(buf, real_ns), KH_TIMESTAMP_SIZE - 1 };
}

/* `head` ends with {"...","container": ; the pieces are cut from one room. */
static void finish(
        struct kh_line *line, struct kh_buf *b, const struct kh_entry *e, struct kh_span state)
{
        char time[KH_TIMESTAMP_SIZE];
        size_t head;

        kh_json_put_key(b, KH_SPAN("container"));
        kh_json_open(b, '{');
        head = b->len;
        kh_buf_char(b, ','); /* the text before it is never empty: it has the id */
        kh_buf_lit(b, "\"state\":");
        kh_json_put_string(b, state);
        kh_json_put_str_member(b, KH_SPAN("source"), kh_source_name[e->source]);
        kh_json_put_str_member(b, KH_SPAN("createdAt"), timestamp(time, e->created_real_ns));
        kh_buf_lit(b, "}}\n");
        line->piece[0] = (struct kh_span){ b->p, head };
        line->piece[1] = kh_entry_text(e);
        line->piece[2] = (struct kh_span){ b->p + head, b->len - head };
}

void kh_line_snapshot(struct kh_line *line, const struct kh_entry *e)
{
        struct kh_buf b = kh_buf_of(line->room, sizeof(line->room));

        kh_json_open(&b, '{');
        kh_json_put_str_member(&b, KH_SPAN("type"), KH_SPAN("container"));
        finish(line, &b, e, kh_state_name[e->state]);
}

void kh_line_event(
        struct kh_line *line, const struct kh_change *change, uint64_t seq, uint64_t real_ns)
{
        struct kh_buf b = kh_buf_of(line->room, sizeof(line->room));
        const struct kh_entry *e = change->entry;
        bool removed = change->type == KH_REMOVED;
        char time[KH_TIMESTAMP_SIZE];

        kh_json_open(&b, '{');
        kh_json_put_str_member(&b, KH_SPAN("type"), kh_change_name[change->type]);
        kh_json_put_u64_member(&b, KH_SPAN("seq"), seq);
        kh_json_put_str_member(&b, KH_SPAN("time"), timestamp(time, real_ns));
        kh_json_put_str_member(&b, KH_SPAN("source"), kh_source_name[change->source]);
        if (removed)
                kh_json_put_str_member(&b, KH_SPAN("reason"), kh_reason_name[change->reason]);
        finish(line, &b, e, removed ? KH_SPAN("removed") : kh_state_name[e->state]);
}

static void put_count(struct kh_buf *b, struct kh_span key, uint64_t value)
{
        kh_json_put_key(b, key);
        kh_buf_u64(b, value);
}

void kh_line_synced(struct kh_buf *b, const char *instance, uint64_t seq, uint64_t count)
{
        kh_json_open(b, '{');
        kh_json_put_str_member(b, KH_SPAN("type"), KH_SPAN("synced"));
        kh_json_put_str_member(b, KH_SPAN("instance"), kh_span_of(instance));
        put_count(b, KH_SPAN("seq"), seq);
        put_count(b, KH_SPAN("count"), count);
        kh_buf_lit(b, "}\n");
}

void kh_line_error(struct kh_buf *b, struct kh_span error, const char *message)
{
        kh_json_open(b, '{');
        kh_json_put_str_member(b, KH_SPAN("type"), KH_SPAN("error"));
        kh_json_put_str_member(b, KH_SPAN("error"), error);
        kh_json_put_str_member(b, KH_SPAN("message"), kh_span_of(message));
        kh_buf_lit(b, "}\n");
}
