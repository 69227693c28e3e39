/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/metrics.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/number.h"
#include "hookd/core.h"
#include "hookd/sinks/tally.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define PREFIX "kubearmor_hookd_"

__attribute__((format(printf, 2, 3))) static void put(struct kh_buf *b, const char *format, ...)
{
        size_t room = b->cap - b->len;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(b->p + b->len, room, format, ap);
        va_end(ap);
        if (n < 0 || (size_t)n >= room)
                b->over = true;
        else
                b->len += (size_t)n;
}

/* What stands before the samples of a family; the unit is the name's last word, or none. */
static void family(
        struct kh_buf *b, const char *name, const char *type, const char *unit, const char *help)
{
        put(b, "# TYPE " PREFIX "%s %s\n", name, type);
        if (unit)
                put(b, "# UNIT " PREFIX "%s %s\n", name, unit);
        put(b, "# HELP " PREFIX "%s %s\n", name, help);
}

static void gauge(
        struct kh_buf *b, const char *name, const char *unit, const char *help, uint64_t value)
{
        family(b, name, "gauge", unit, help);
        put(b, PREFIX "%s %llu\n", name, (unsigned long long)value);
}

static void counter(
        struct kh_buf *b, const char *name, const char *unit, const char *help, uint64_t value)
{
        family(b, name, "counter", unit, help);
        put(b, PREFIX "%s_total %llu\n", name, (unsigned long long)value);
}

/* One counter by one label. */
static void counters(struct kh_buf *b, const char *name, const char *help, const char *label,
        const struct kh_span *names, const uint64_t *values, int n)
{
        family(b, name, "counter", NULL, help);
        for (int i = 0; i < n; i++)
                put(b, PREFIX "%s_total{%s=\"%s\"} %llu\n", name, label, names[i].p,
                        (unsigned long long)values[i]);
}

static void put_self(struct kh_buf *b, const struct kh_core *core)
{
        family(b, "build", "info", NULL, "The version that runs.");
        put(b, PREFIX "build_info{version=\"" KH_VERSION "\"} 1\n");
        family(b, "start_time_seconds", "gauge", "seconds", "When the listener started.");
        put(b, PREFIX "start_time_seconds %llu.%03llu\n",
                (unsigned long long)(core->started.real_ns / KH_NS_PER_S),
                (unsigned long long)(core->started.real_ns / KH_NS_PER_MS % 1000));
}

/* A label's value: the name of a runtime was told by others. */
static void put_label_value(struct kh_buf *b, struct kh_span s)
{
        for (size_t i = 0; i < s.n; i++) {
                if (s.p[i] == '"' || s.p[i] == '\\')
                        kh_buf_char(b, '\\');
                kh_buf_char(b, (unsigned char)s.p[i] < 0x20 ? '?' : s.p[i]);
        }
}

static void put_containers(struct kh_buf *b, const struct kh_core *core)
{
        struct kh_runtime_tally tally[KH_TALLY_RUNTIMES];
        size_t n = kh_tally_runtimes(&core->inventory, tally);

        family(b, "containers", "gauge", NULL, "Containers that are known, by runtime and state.");
        for (size_t i = 0; i < n; i++) {
                for (int state = 0; state < KH_STATE_COUNT; state++) {
                        put(b, PREFIX "containers{runtime=\"");
                        put_label_value(b, tally[i].name);
                        put(b, "\",state=\"%s\"} %llu\n", kh_state_name[state].p,
                                (unsigned long long)tally[i].in_state[state]);
                }
        }
}

static void put_events(struct kh_buf *b, const struct kh_counters *c)
{
        family(b, "events", "counter", NULL, "Events that were announced, by type and source.");
        for (int type = 0; type < KH_CHANGE_COUNT; type++) {
                for (int source = 0; source < KH_SOURCE_COUNT; source++)
                        put(b, PREFIX "events_total{type=\"%s\",source=\"%s\"} %llu\n",
                                kh_change_name[type].p, kh_source_name[source].p,
                                (unsigned long long)c->events[type][source]);
        }
        family(b, "hook_requests", "counter", NULL, "Requests of hooks, by what became of them.");
        for (int op = 0; op < 2; op++) {
                for (int outcome = 0; outcome < KH_OUTCOME_COUNT; outcome++)
                        put(b, PREFIX "hook_requests_total{operation=\"%s\",result=\"%s\"} %llu\n",
                                op == KH_OP_CREATE ? "create" : "delete",
                                kh_outcome_name[outcome].p,
                                (unsigned long long)c->requests[op][outcome]);
        }
        counters(b, "rejected", "Peers and requests that were turned away, by reason.", "reason",
                kh_rejection_name, c->rejected, KH_REJECT_COUNT);
}

static void put_durations(struct kh_buf *b, const struct kh_counters *c)
{
        uint64_t sum = 0;

        family(b, "hook_duration_seconds", "histogram", "seconds",
                "A hook's life from its start to its request.");
        for (int i = 0; i < KH_LATENCY_BUCKETS; i++) {
                sum += c->duration[i];
                put(b, PREFIX "hook_duration_seconds_bucket{le=\"%g\"} %llu\n",
                        (double)kh_latency_bucket_us[i] / 1e6, (unsigned long long)sum);
        }
        sum += c->duration[KH_LATENCY_BUCKETS];
        put(b, PREFIX "hook_duration_seconds_bucket{le=\"+Inf\"} %llu\n", (unsigned long long)sum);
        put(b, PREFIX "hook_duration_seconds_sum %.6f\n", (double)c->duration_sum_us / 1e6);
        put(b, PREFIX "hook_duration_seconds_count %llu\n", (unsigned long long)sum);
}

static void put_subscribers(struct kh_buf *b, const struct kh_core *core)
{
        gauge(b, "subscribers", NULL, "Clients that are subscribed.", core->subscribers.subscribed);
        counters(b, "subscriber_disconnects", "Clients of the events socket that ended, by reason.",
                "reason", kh_disconnect_name, core->counters.disconnects, KH_DISCONNECT_COUNT);
        gauge(b, "subscriber_queue_bytes", "bytes", "What waits to be read by clients.",
                kh_subscribers_queued(&core->subscribers));
        counter(b, "acknowledgement_timeouts", NULL,
                "Hooks that were answered before every subscriber had acknowledged.",
                core->counters.ack_timeouts);
}

static void put_spool(struct kh_buf *b, const struct kh_core *core)
{
        struct kh_spool_tally tally = kh_tally_spool(core->spool_dir);

        gauge(b, "spool_files", NULL, "Events that lie in the spool.", tally.files);
        gauge(b, "spool_bytes", "bytes", "Their size.", tally.bytes);
        counter(b, "spool_taken", NULL, "Events that were taken from the spool.",
                core->counters.spool_taken);
        counter(b, "containers_missed_by_hook", NULL,
                "Containers that were found while they ran, without any hook having told.",
                core->counters.missed_by_hook);
        counter(b, "spool_dropped", NULL, "Events that hooks dropped because the spool was full.",
                core->counters.spool_dropped);
        counter(b, "spool_discarded", NULL, "Files of the spool that were no events.",
                core->counters.spool_bad);
}

static void put_relay(struct kh_buf *b, const struct kh_relay *r)
{
        if (!r->path)
                return;
        gauge(b, "relay_live", NULL, "Whether the relay's peer has its snapshot and gets events.",
                r->phase == KH_RELAY_LIVE);
        gauge(b, "relay_known", NULL, "Containers that the relay's peer was told of.",
                r->ledger.known_n);
        gauge(b, "relay_behind", NULL, "Containers of which it has yet to hear.",
                kh_relay_behind(r));
        counter(b, "relay_messages", NULL, "Messages that it took.", r->messages);
        counter(b, "relay_resent", NULL, "Messages that it was not ready for.", r->resent);
        counter(b, "relay_snapshots", NULL, "Snapshots that it took.", r->snapshots);
        counter(b, "relay_failures", NULL, "Connections to it that failed or were lost.",
                r->failures);
}

static void put_trouble(struct kh_buf *b, const struct kh_core *core)
{
        counter(b, "accept_pauses", NULL, "Times that no more connections could be taken.",
                core->counters.accept_pauses);
        counter(b, "unanswered", NULL, "Peers that had gone before their answer.",
                core->counters.unanswered);
        gauge(b, "journal_bytes", "bytes", "Size of the journal.", core->journal.bytes);
        counter(b, "journal_rewrites", NULL, "Times that the journal was rewritten.",
                core->journal.rewrites);
        counter(b, "journal_errors", NULL, "Times that the journal could not be written.",
                core->journal.errors);
}

static uint64_t count_descriptors(void)
{
        DIR *dir = opendir("/proc/self/fd");
        uint64_t n = 0;

        if (!dir)
                return 0;
        while (readdir(dir))
                n++;
        (void)closedir(dir);
        return n > 3 ? n - 3 : 0; /* ".", "..", and the directory itself */
}

static uint64_t resident_bytes(void)
{
        char text[256];
        ssize_t n = kh_read_kernel_file(AT_FDCWD, "/proc/self/statm", text, sizeof(text));
        const char *second = n > 0 ? memchr(text, ' ', (size_t)n) : NULL;
        const char *third =
                second ? memchr(second + 1, ' ', (size_t)(text + n - second - 1)) : NULL;
        uint64_t pages = 0;

        if (third)
                (void)kh_parse_u64((struct kh_span){ second + 1, (size_t)(third - second) - 1 },
                        UINT32_MAX, &pages);
        return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_process(struct kh_buf *b)
{
        struct rlimit limit = { 0 };

        (void)getrlimit(RLIMIT_NOFILE, &limit);
        gauge(b, "process_open_fds", NULL, "Open descriptors.", count_descriptors());
        gauge(b, "process_max_fds", NULL, "Descriptors that may be open.", limit.rlim_cur);
        gauge(b, "process_resident_memory_bytes", "bytes", "Resident memory.", resident_bytes());
}

void kh_metrics_write(struct kh_buf *b, const struct kh_core *core)
{
        put_self(b, core);
        put_containers(b, core);
        put_events(b, &core->counters);
        put_durations(b, &core->counters);
        put_subscribers(b, core);
        put_spool(b, core);
        put_relay(b, &core->relay);
        put_trouble(b, core);
        put_process(b);
        kh_buf_lit(b, "# EOF\n");
}
