/* SPDX-License-Identifier: Apache-2.0 */
#include "discovery/record.h"

#include "base/number.h"
#include "json/reader.h"

#include <errno.h>

/* PID_MAX_LIMIT of linux/threads.h. */
enum { PID_MAX = 4 * 1024 * 1024 };

void kh_record_init(struct kh_record *record)
{
        record->runtime = record->bundle = record->rootfs = (struct kh_span){ 0 };
        record->annotations.n = record->annotations.dropped = 0;
        record->pid = 0;
        record->start_time = 0;
}

static void read_pid_member(struct kh_json *j, struct kh_record *record)
{
        uint64_t pid;

        if (kh_json_u64(j, PID_MAX, &pid))
                record->pid = (uint32_t)pid;
}

/* Annotations and, last, the bundle, each as "key=value". */
static void read_runc_labels(struct kh_json *j, struct kh_record *record)
{
        struct kh_span label;

        if (!kh_json_enter_array(j))
                return;
        while (kh_json_element(j)) {
                struct kh_pair pair;
                const char *equals;

                if (!kh_json_string(j, &label) || !label.n)
                        continue;
                equals = memchr(label.p, '=', label.n);
                if (!equals)
                        continue;
                pair.key = (struct kh_span){ label.p, (size_t)(equals - label.p) };
                pair.value = kh_span_from(label, pair.key.n + 1);
                if (kh_span_eq(pair.key, KH_SPAN("bundle")))
                        record->bundle = pair.value;
                else
                        kh_pairs_add(&record->annotations, pair.key, pair.value);
        }
}

static void read_runc_config(struct kh_json *j, struct kh_record *record)
{
        struct kh_span key;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("rootfs")))
                        kh_json_name(j, &record->rootfs);
                else if (kh_span_eq(key, KH_SPAN("labels")))
                        read_runc_labels(j, record);
                else
                        kh_json_skip(j);
        }
}

int kh_record_read_runc(char *text, size_t n, struct kh_record *record)
{
        struct kh_json j = kh_json_of(text, n);
        struct kh_span key;

        kh_record_init(record);
        record->runtime = KH_SPAN("runc");
        if (n == 0 || !kh_json_enter_object(&j))
                return -EBADMSG;
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("init_process_pid")))
                        read_pid_member(&j, record);
                else if (kh_span_eq(key, KH_SPAN("init_process_start")))
                        kh_json_u64(&j, UINT64_MAX, &record->start_time);
                else if (kh_span_eq(key, KH_SPAN("config")))
                        read_runc_config(&j, record);
                else
                        kh_json_skip(&j);
        }
        return kh_json_end(&j) ? 0 : -EBADMSG;
}

int kh_record_read_crun(char *text, size_t n, struct kh_record *record)
{
        struct kh_json j = kh_json_of(text, n);
        struct kh_span key;

        kh_record_init(record);
        record->runtime = KH_SPAN("crun");
        if (n == 0 || !kh_json_enter_object(&j))
                return -EBADMSG;
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("pid")))
                        read_pid_member(&j, record);
                else if (kh_span_eq(key, KH_SPAN("process-start-time")))
                        kh_json_u64(&j, UINT64_MAX, &record->start_time);
                else if (kh_span_eq(key, KH_SPAN("bundle")))
                        kh_json_name(&j, &record->bundle);
                else if (kh_span_eq(key, KH_SPAN("rootfs")))
                        kh_json_name(&j, &record->rootfs);
                else
                        kh_json_skip(&j);
        }
        return kh_json_end(&j) ? 0 : -EBADMSG;
}

int kh_record_read_crio(char *text, size_t n, struct kh_record *record)
{
        struct kh_json j = kh_json_of(text, n);
        struct kh_span key, start = { 0 };

        kh_record_init(record);
        if (n == 0 || !kh_json_enter_object(&j))
                return -EBADMSG;
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("initPid")))
                        read_pid_member(&j, record);
                else if (kh_span_eq(key, KH_SPAN("initStartTime")))
                        kh_json_string(&j, &start);
                else if (kh_span_eq(key, KH_SPAN("bundle")))
                        kh_json_name(&j, &record->bundle);
                else
                        kh_json_skip(&j);
        }
        (void)kh_parse_u64(start, UINT64_MAX, &record->start_time);
        return kh_json_end(&j) ? 0 : -EBADMSG;
}

int kh_record_read_pid(char *text, size_t n, struct kh_record *record)
{
        struct kh_span digits = { text, n };
        uint64_t pid;

        kh_record_init(record);
        if (kh_span_ends(digits, KH_SPAN("\n")))
                digits.n--;
        if (!kh_parse_u64(digits, PID_MAX, &pid))
                return -EBADMSG;
        record->pid = (uint32_t)pid;
        return 0;
}

int kh_record_read_shim_root(char *text, size_t n, struct kh_span *ret)
{
        struct kh_json j = kh_json_of(text, n);
        struct kh_span key;

        *ret = (struct kh_span){ 0 };
        if (n == 0 || !kh_json_enter_object(&j))
                return -EBADMSG;
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("root")))
                        kh_json_name(&j, ret);
                else
                        kh_json_skip(&j);
        }
        return kh_json_end(&j) ? 0 : -EBADMSG;
}
