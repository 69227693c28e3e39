/* SPDX-License-Identifier: Apache-2.0 */
#include "client/follow.h"

#include "base/cleanup.h"
#include "json/reader.h"
#include "json/writer.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

void kh_follow_init(struct kh_follow *f)
{
        struct kh_hash_seed seed = { 0 };

        /* Very early at boot there may be no secret yet; then nobody runs who could misuse that. */
        (void)getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
        *f = (struct kh_follow){ .told = &f->rosters[0], .now = &f->rosters[1] };
        kh_roster_init(f->told, seed);
        kh_roster_init(f->now, seed);
        kh_list_init(&f->gone);
}

void kh_follow_reset(struct kh_follow *f)
{
        kh_roster_clear(f->told);
        kh_roster_clear(f->now);
        kh_list_for_each(node, next, &f->gone) {
                free(kh_roster_entry_of(node));
        }
        kh_list_init(&f->gone);
        free(f->line);
        f->line = NULL;
        f->cap = 0;
        f->again = f->comparing = false;
}

void kh_follow_reconnected(struct kh_follow *f)
{
        kh_roster_clear(f->now);
        f->again = true;
}

static void forget(struct kh_roster *r, const struct kubearmor_hook_container *c)
{
        struct kh_roster_entry *entry = kh_roster_find(r, c);

        if (!entry)
                return;
        kh_roster_take(r, entry);
        free(entry);
}

/* Takes those that are not in `now` out of `told`, into `gone`. */
static void collect_gone(struct kh_follow *f)
{
        kh_list_for_each(node, next, &f->told->all) {
                struct kh_roster_entry *entry = kh_roster_entry_of(node);

                if (kh_roster_find_like(f->now, entry))
                        continue;
                kh_roster_take(f->told, entry);
                kh_list_append(&f->gone, &entry->all);
        }
}

static int note(struct kh_follow *f, const struct kubearmor_hook_event *event)
{
        switch (event->type) {
        case KUBEARMOR_HOOK_CONTAINER:
                return kh_roster_put(f->again ? f->now : f->told, event->container);
        case KUBEARMOR_HOOK_CREATED:
        case KUBEARMOR_HOOK_UPDATED:
                return kh_roster_put(f->told, event->container);
        case KUBEARMOR_HOOK_REMOVED:
                forget(f->told, event->container);
                return 0;
        default:
                return 0;
        }
}

int kh_follow_note(
        struct kh_follow *f, const struct kubearmor_hook_event *event, struct kh_err *err)
{
        int rc = note(f, event);

        if (rc == -E2BIG)
                return kh_fail(
                        err, rc, "the listener tells of more than %d containers", KH_ROSTER_MAX);
        if (rc < 0)
                return kh_fail(err, rc, "out of memory");
        if (!f->again)
                return 1;
        if (event->type == KUBEARMOR_HOOK_CONTAINER)
                return 0;
        if (event->type != KUBEARMOR_HOOK_SYNCED)
                return 1;
        collect_gone(f);
        f->comparing = true;
        f->at = &f->now->all;
        return 0;
}

/* The members of a container object but those in SKIP, into B. */
static void copy_members(
        struct kh_buf *b, const char *json, const struct kh_span *skip, size_t n_skip)
{
        kh_cleanup(kh_freep) char *text = strdup(json); /* reading changes it */
        struct kh_json j = kh_json_of(text, text ? strlen(text) : 0);
        struct kh_span key, value;

        b->over |= !text;
        if (!text || !kh_json_enter_object(&j))
                return;
        while (kh_json_member(&j, &key) && kh_json_raw(&j, &value)) {
                bool skipped = false;

                for (size_t i = 0; i < n_skip; i++)
                        skipped |= kh_span_eq(key, skip[i]);
                if (skipped)
                        continue;
                kh_json_put_comma(b);
                kh_json_put_string(b, key);
                kh_buf_char(b, ':');
                kh_buf_span(b, value);
        }
}

/*
 * How the listener learnt of a container may change when it restarts; that is no news of it. False
 * when in doubt.
 */
static bool same_facts(const char *a, const char *b)
{
        static const struct kh_span how[] = {
                { "source", 6 },
                { "stage", 5 },
                { "createdAt", 9 },
        };
        size_t n_a = strlen(a), n_b = strlen(b);
        kh_cleanup(kh_freep) char *text = NULL;
        struct kh_buf facts_a, facts_b;

        if (n_a == n_b && memcmp(a, b, n_a) == 0)
                return true;
        text = malloc(n_a + n_b + 1);
        if (!text)
                return false;
        facts_a = kh_buf_of(text, n_a);
        facts_b = kh_buf_of(text + n_a, n_b);
        copy_members(&facts_a, a, how, sizeof(how) / sizeof(how[0]));
        copy_members(&facts_b, b, how, sizeof(how) / sizeof(how[0]));
        return !facts_a.over && !facts_b.over &&
               kh_span_eq(kh_buf_view(&facts_a), kh_buf_view(&facts_b));
}

static void put_now(struct kh_buf *b)
{
        struct timespec now = { 0 };
        struct tm utc = { 0 };
        char text[48];

        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &utc);
        (void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ",
                utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                utc.tm_sec, now.tv_nsec);
        kh_json_put_str_member(b, KH_SPAN("time"), kh_span_of(text));
}

static void write_derived(
        struct kh_buf *b, struct kh_span type, uint64_t seq, const char *json, bool removed)
{
        static const struct kh_span state[] = { { "state", 5 } };

        kh_json_open(b, '{');
        kh_json_put_str_member(b, KH_SPAN("type"), type);
        kh_json_put_key(b, KH_SPAN("seq"));
        kh_buf_u64(b, seq);
        put_now(b);
        kh_json_put_str_member(b, KH_SPAN("source"), KH_SPAN("snapshot"));
        kh_json_put_bool_member(b, KH_SPAN("derived"), true);
        kh_json_put_key(b, KH_SPAN("container"));
        kh_json_open(b, '{');
        copy_members(b, json, state, removed ? 1 : 0);
        if (removed)
                kh_json_put_str_member(b, KH_SPAN("state"), KH_SPAN("removed"));
        kh_json_close(b, '}');
        kh_json_close(b, '}');
}

static int derive(struct kh_follow *f, struct kh_span type, uint64_t seq, const char *json,
        bool removed, struct kh_span *ret, struct kh_err *err)
{
        enum { AROUND = 512 }; /* the members of the line itself: constants and three numbers */
        size_t cap = strlen(json) + AROUND;
        struct kh_buf b;

        if (cap > f->cap) {
                char *line = realloc(f->line, cap);

                if (!line)
                        return kh_fail(err, -ENOMEM, "out of memory");
                f->line = line;
                f->cap = cap;
        }
        b = kh_buf_of(f->line, f->cap);
        write_derived(&b, type, seq, json, removed);
        if (!kh_buf_terminate(&b))
                return kh_fail(err, -ENOMEM, "out of memory");
        *ret = kh_buf_view(&b);
        return 1;
}

static int next_gone(struct kh_follow *f, uint64_t seq, struct kh_span *ret, struct kh_err *err)
{
        kh_cleanup(kh_freep) struct kh_roster_entry *entry = kh_roster_entry_of(f->gone.next);

        kh_list_del(&entry->all);
        return derive(f, KH_SPAN("removed"), seq, entry->json, true, ret, err);
}

int kh_follow_next(struct kh_follow *f, uint64_t seq, struct kh_span *ret, struct kh_err *err)
{
        struct kh_roster *now = f->now;

        if (!f->comparing)
                return 0;
        if (!kh_list_is_empty(&f->gone))
                return next_gone(f, seq, ret, err);
        while ((f->at = f->at->next) != &now->all) {
                const struct kh_roster_entry *entry = kh_roster_entry_of(f->at);
                const struct kh_roster_entry *told = kh_roster_find_like(f->told, entry);

                if (!told)
                        return derive(f, KH_SPAN("created"), seq, entry->json, false, ret, err);
                if (!same_facts(told->json, entry->json))
                        return derive(f, KH_SPAN("updated"), seq, entry->json, false, ret, err);
        }
        kh_roster_clear(f->told);
        f->now = f->told;
        f->told = now;
        f->comparing = false;
        return 0;
}
