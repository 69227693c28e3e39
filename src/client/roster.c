/* SPDX-License-Identifier: Apache-2.0 */
#include "client/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* FNV-1a from a seed that nobody who names containers knows. */
static uint64_t hash_id(const struct kh_roster *k, const char *id)
{
        uint64_t hash = k->seed;

        for (; *id; id++)
                hash = (hash ^ (unsigned char)*id) * 0x100000001b3ULL;
        return hash ^ hash >> 32;
}

static struct kh_roster_entry **bucket_of(const struct kh_roster *k, uint64_t hash)
{
        return &k->buckets[hash & (k->n_buckets - 1)];
}

void kh_roster_clear(struct kh_roster *k)
{
        for (size_t i = 0; i < k->n_buckets; i++) {
                while (k->buckets[i]) {
                        struct kh_roster_entry *entry = k->buckets[i];

                        k->buckets[i] = entry->next;
                        free(entry);
                }
        }
        free(k->buckets);
        *k = (struct kh_roster){ 0 };
}

static int grow(struct kh_roster *k)
{
        struct kh_roster old = *k;

        k->n_buckets = old.n_buckets ? 2 * old.n_buckets : 64;
        k->buckets = calloc(k->n_buckets, sizeof(struct kh_roster_entry *));
        if (!k->buckets) {
                *k = old;
                return -ENOMEM;
        }
        for (size_t i = 0; i < old.n_buckets; i++) {
                while (old.buckets[i]) {
                        struct kh_roster_entry *entry = old.buckets[i];
                        struct kh_roster_entry **bucket = bucket_of(k, entry->hash);

                        old.buckets[i] = entry->next;
                        entry->next = *bucket;
                        *bucket = entry;
                }
        }
        free(old.buckets);
        return 0;
}

static bool unlike(uint64_t a, uint64_t b)
{
        return a && b && a != b;
}

struct kh_roster_entry *kh_roster_find(const struct kh_roster *k, const char *id,
        const char *runtime, pid_t pid, uint64_t start_time)
{
        uint64_t hash;

        if (k->n == 0)
                return NULL;
        hash = hash_id(k, id);
        for (struct kh_roster_entry *e = *bucket_of(k, hash); e; e = e->next) {
                if (e->hash != hash || strcmp(e->id, id) != 0)
                        continue;
                if (unlike((uint64_t)e->pid, (uint64_t)pid) || unlike(e->start_time, start_time))
                        continue;
                if (!runtime || !*runtime || !*e->runtime || strcmp(e->runtime, runtime) == 0)
                        return e;
        }
        return NULL;
}

void kh_roster_take(struct kh_roster *k, struct kh_roster_entry *entry)
{
        struct kh_roster_entry **link = bucket_of(k, entry->hash);

        while (*link != entry)
                link = &(*link)->next;
        *link = entry->next;
        entry->next = NULL;
        k->n--;
}

static const char *append(char **to, const char *s)
{
        char *start = *to;

        *to = stpcpy(start, s) + 1;
        return start;
}

static struct kh_roster_entry *make_entry(const struct kubearmor_hook_container *c)
{
        const char *runtime = c->runtime ? c->runtime : "";
        size_t n = strlen(c->id) + strlen(runtime) + strlen(c->json) + 3;
        struct kh_roster_entry *entry = malloc(sizeof(*entry) + n);
        char *to;

        if (!entry)
                return NULL;
        *entry = (struct kh_roster_entry){ .pid = c->pid, .start_time = c->start_time };
        to = entry->text;
        entry->id = append(&to, c->id);
        entry->runtime = append(&to, runtime);
        entry->json = append(&to, c->json);
        return entry;
}

int kh_roster_put(struct kh_roster *k, const struct kubearmor_hook_container *c)
{
        struct kh_roster_entry *old = kh_roster_find(k, c->id, c->runtime, c->pid, c->start_time);
        struct kh_roster_entry *entry, **bucket;

        if (!old && k->n == KH_ROSTER_MAX)
                return -E2BIG;
        if (!k->seed && getrandom(&k->seed, sizeof(k->seed), GRND_NONBLOCK) < 0)
                k->seed = 0xcbf29ce484222325ULL; /* very early at boot: FNV's own */
        if (k->n >= k->n_buckets && grow(k) < 0)
                return -ENOMEM;
        entry = make_entry(c);
        if (!entry)
                return -ENOMEM;
        if (old) {
                kh_roster_take(k, old);
                free(old);
        }
        entry->hash = hash_id(k, entry->id);
        bucket = bucket_of(k, entry->hash);
        entry->next = *bucket;
        *bucket = entry;
        k->n++;
        return 0;
}

struct kh_roster_entry *kh_roster_after(
        const struct kh_roster *k, const struct kh_roster_entry *entry)
{
        size_t i = 0;

        if (entry) {
                if (entry->next)
                        return entry->next;
                i = (size_t)(bucket_of(k, entry->hash) - k->buckets) + 1;
        }
        for (; i < k->n_buckets; i++) {
                if (k->buckets[i])
                        return k->buckets[i];
        }
        return NULL;
}
