/* SPDX-License-Identifier: Apache-2.0 */
#include "client/roster.h"

#include <errno.h>
#include <stdlib.h>

void kh_roster_init(struct kh_roster *r, struct kh_hash_seed seed)
{
        kh_list_init(&r->all);
        kh_hash_init(&r->by_id);
        r->seed = seed;
}

void kh_roster_clear(struct kh_roster *r)
{
        kh_list_for_each(node, next, &r->all) {
                free(kh_roster_entry_of(node));
        }
        kh_hash_done(&r->by_id);
        kh_roster_init(r, r->seed);
}

static uint32_t hash_id(const struct kh_roster *r, const char *id)
{
        return (uint32_t)kh_hash_bytes(&r->seed, kh_span_of(id));
}

static bool unlike(uint64_t a, uint64_t b)
{
        return a && b && a != b;
}

struct kh_roster_entry *kh_roster_find_like(
        const struct kh_roster *r, const struct kh_roster_entry *key)
{
        struct kh_hash_node *node = kh_hash_find(&r->by_id, hash_id(r, key->id));

        for (; node; node = kh_hash_next(node)) {
                struct kh_roster_entry *e = kh_container_of(node, struct kh_roster_entry, by_id);

                if (strcmp(e->id, key->id) != 0)
                        continue;
                if (unlike((uint64_t)e->pid, (uint64_t)key->pid) ||
                        unlike(e->start_time, key->start_time))
                        continue;
                if (!*key->runtime || !*e->runtime || strcmp(e->runtime, key->runtime) == 0)
                        return e;
        }
        return NULL;
}

/* What it would be as an entry, but in no roster, and all text the container's. */
static struct kh_roster_entry key_of(const struct kubearmor_hook_container *c)
{
        return (struct kh_roster_entry){
                .pid = c->pid,
                .start_time = c->start_time,
                .id = c->id,
                .runtime = c->runtime ? c->runtime : "",
                .json = c->json,
        };
}

struct kh_roster_entry *kh_roster_find(
        const struct kh_roster *r, const struct kubearmor_hook_container *c)
{
        struct kh_roster_entry key = key_of(c);

        return kh_roster_find_like(r, &key);
}

void kh_roster_take(struct kh_roster *r, struct kh_roster_entry *entry)
{
        kh_list_del(&entry->all);
        kh_hash_del(&r->by_id, &entry->by_id);
}

static const char *append(char **to, const char *s)
{
        char *start = *to;

        *to = stpcpy(start, s) + 1;
        return start;
}

static struct kh_roster_entry *copy(const struct kh_roster_entry *key)
{
        size_t n = strlen(key->id) + strlen(key->runtime) + strlen(key->json) + 3;
        struct kh_roster_entry *entry = malloc(sizeof(*entry) + n);
        char *to;

        if (!entry)
                return NULL;
        *entry = *key;
        to = entry->text;
        entry->id = append(&to, key->id);
        entry->runtime = append(&to, key->runtime);
        entry->json = append(&to, key->json);
        return entry;
}

int kh_roster_put(struct kh_roster *r, const struct kubearmor_hook_container *c)
{
        struct kh_roster_entry key = key_of(c);
        struct kh_roster_entry *old = kh_roster_find_like(r, &key), *entry;

        if (!old && r->by_id.count >= KH_ROSTER_MAX)
                return -E2BIG;
        entry = copy(&key);
        if (!entry)
                return -ENOMEM;
        if (old) {
                kh_roster_take(r, old);
                free(old);
        }
        kh_list_append(&r->all, &entry->all);
        kh_hash_add(&r->by_id, &entry->by_id, hash_id(r, entry->id));
        return 0;
}
