/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/status.h"

#include "base/clock.h"
#include "hookd/core.h"
#include "hookd/sinks/tally.h"
#include "hookd/timestamp.h"
#include "json/writer.h"

static void put_count(struct kh_buf *b, struct kh_span key, uint64_t value)
{
        kh_json_put_key(b, key);
        kh_buf_u64(b, value);
}

static void put_counts(
        struct kh_buf *b, struct kh_span key, const struct kh_span *names, const uint64_t *v, int n)
{
        kh_json_put_key(b, key);
        kh_json_open(b, '{');
        for (int i = 0; i < n; i++)
                kh_json_put_u64_member(b, names[i], v[i]);
        kh_json_close(b, '}');
}

static void put_containers(struct kh_buf *b, const struct kh_core *core)
{
        const struct kh_inventory *inv = &core->inventory;
        struct kh_runtime_tally tally[KH_TALLY_RUNTIMES];
        size_t n = kh_tally_runtimes(inv, tally);
        uint64_t in_state[KH_STATE_COUNT];

        for (int i = 0; i < KH_STATE_COUNT; i++)
                in_state[i] = inv->in_state[i];
        kh_json_put_key(b, KH_SPAN("containers"));
        kh_json_open(b, '{');
        put_count(b, KH_SPAN("total"), inv->count);
        put_count(b, KH_SPAN("missedByHook"), core->counters.missed_by_hook);
        put_counts(b, KH_SPAN("byState"), kh_state_name, in_state, KH_STATE_COUNT);
        kh_json_put_key(b, KH_SPAN("byRuntime"));
        kh_json_open(b, '{');
        for (size_t i = 0; i < n; i++) {
                uint64_t total = 0;

                for (int state = 0; state < KH_STATE_COUNT; state++)
                        total += tally[i].in_state[state];
                kh_json_put_comma(b);
                kh_json_put_string(b, tally[i].name);
                kh_buf_char(b, ':');
                kh_buf_u64(b, total);
        }
        kh_json_close(b, '}');
        kh_json_close(b, '}');
}

static void put_counters(struct kh_buf *b, const struct kh_counters *c)
{
        uint64_t events[KH_CHANGE_COUNT] = { 0 }, requests[KH_OUTCOME_COUNT] = { 0 };

        for (int type = 0; type < KH_CHANGE_COUNT; type++) {
                for (int source = 0; source < KH_SOURCE_COUNT; source++)
                        events[type] += c->events[type][source];
        }
        for (int outcome = 0; outcome < KH_OUTCOME_COUNT; outcome++)
                requests[outcome] =
                        c->requests[KH_OP_CREATE][outcome] + c->requests[KH_OP_DELETE][outcome];
        put_counts(b, KH_SPAN("events"), kh_change_name, events, KH_CHANGE_COUNT);
        put_counts(b, KH_SPAN("requests"), kh_outcome_name, requests, KH_OUTCOME_COUNT);
        put_counts(b, KH_SPAN("rejected"), kh_rejection_name, c->rejected, KH_REJECT_COUNT);
}

static void put_spool(struct kh_buf *b, const struct kh_core *core)
{
        struct kh_spool_tally tally = kh_tally_spool(core->spool_dir);

        if (core->spool_dir < 0)
                return;
        kh_json_put_key(b, KH_SPAN("spool"));
        kh_json_open(b, '{');
        kh_json_put_str_member(b, KH_SPAN("directory"), kh_span_of(core->options->spool));
        put_count(b, KH_SPAN("files"), tally.files);
        put_count(b, KH_SPAN("bytes"), tally.bytes);
        put_count(b, KH_SPAN("taken"), core->counters.spool_taken);
        put_count(b, KH_SPAN("dropped"), core->counters.spool_dropped);
        kh_json_close(b, '}');
}

/* A path may have been given relative to the working directory, which nobody else knows. */
static void put_path(struct kh_buf *b, struct kh_span key, const char *path)
{
        if (path[0] == '/')
                kh_json_put_str_member(b, key, kh_span_of(path));
}

static void put_relay(struct kh_buf *b, const struct kh_relay *r)
{
        if (!r->path)
                return;
        kh_json_put_key(b, KH_SPAN("relay"));
        kh_json_open(b, '{');
        put_path(b, KH_SPAN("socket"), r->path);
        kh_json_put_str_member(b, KH_SPAN("state"), kh_relay_phase_name[r->phase]);
        put_count(b, KH_SPAN("known"), r->ledger.known_n);
        put_count(b, KH_SPAN("behind"), kh_relay_behind(r));
        put_count(b, KH_SPAN("messages"), r->messages);
        put_count(b, KH_SPAN("resent"), r->resent);
        put_count(b, KH_SPAN("snapshots"), r->snapshots);
        put_count(b, KH_SPAN("failures"), r->failures);
        kh_json_close(b, '}');
}

void kh_status_write(struct kh_buf *b, const struct kh_core *core)
{
        char time[KH_TIMESTAMP_SIZE];

        kh_json_open(b, '{');
        kh_json_put_str_member(b, KH_SPAN("type"), KH_SPAN("status"));
        kh_json_put_str_member(b, KH_SPAN("version"), KH_SPAN(KH_VERSION));
        kh_json_put_str_member(b, KH_SPAN("instance"), kh_span_of(core->subscribers.instance));
        put_count(b, KH_SPAN("pid"), (uint64_t)getpid());
        kh_json_put_str_member(
                b, KH_SPAN("startedAt"), kh_span_of(kh_timestamp(time, core->started.real_ns)));
        put_count(
                b, KH_SPAN("uptimeSeconds"), (kh_clock_ns() - core->started.boot_ns) / KH_NS_PER_S);
        put_count(b, KH_SPAN("seq"), core->seq);
        put_path(b, KH_SPAN("hookSocket"), core->options->socket);
        put_path(b, KH_SPAN("eventsSocket"), core->options->events);
        put_containers(b, core);
        put_counters(b, &core->counters);
        kh_json_put_key(b, KH_SPAN("subscribers"));
        kh_json_open(b, '{');
        put_count(b, KH_SPAN("connected"), core->subscribers.subscribed);
        put_count(b, KH_SPAN("cut"), core->counters.disconnects[KH_GONE_SLOW]);
        kh_json_close(b, '}');
        put_spool(b, core);
        put_relay(b, &core->relay);
        kh_json_close(b, '}');
        kh_buf_char(b, '\n');
}
