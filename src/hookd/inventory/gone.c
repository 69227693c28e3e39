/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/inventory/gone.h"

#include <stdlib.h>

struct record {
        struct kh_hash_node by_id;
        uint64_t id, bundle; /* hashes: the chance that two are equal by accident is nil */
        uint64_t start_time, mnt;
        uint64_t expires_ns;
        uint32_t pid;
        bool was_known; /* an incarnation; else a delete of one that nobody had announced */
        bool deleted;   /* its delete has come */
};

struct kh_gone {
        struct kh_hash by_id;
        unsigned next;
        struct record records[KH_GONE_MAX];
};

struct kh_gone *kh_gone_new(void)
{
        struct kh_gone *g = calloc(1, sizeof(*g));

        if (g)
                kh_hash_init(&g->by_id);
        return g;
}

void kh_gone_free(struct kh_gone *g)
{
        if (g)
                kh_hash_done(&g->by_id);
        free(g);
}

/* The next record of that id that has not expired and does not speak of another bundle. */
static struct record *find(struct kh_gone *g, uint64_t id, uint64_t bundle, uint64_t now_ns,
        const struct record *previous)
{
        struct kh_hash_node *node =
                previous ? kh_hash_next(&previous->by_id) : kh_hash_find(&g->by_id, (uint32_t)id);

        for (; node; node = kh_hash_next(node)) {
                struct record *r = kh_container_of(node, struct record, by_id);

                if (r->id == id && r->expires_ns > now_ns &&
                        (!bundle || !r->bundle || r->bundle == bundle))
                        return r;
        }
        return NULL;
}

/* The oldest record's place. */
static struct record *add(struct kh_gone *g, uint64_t id, uint64_t bundle, uint64_t now_ns)
{
        struct record *r = &g->records[g->next];

        g->next = (g->next + 1) % KH_GONE_MAX;
        kh_hash_del(&g->by_id, &r->by_id);
        *r = (struct record){ .id = id, .bundle = bundle, .expires_ns = now_ns + KH_GONE_NS };
        kh_hash_add(&g->by_id, &r->by_id, (uint32_t)id);
        return r;
}

void kh_gone_removed(
        struct kh_gone *g, const struct kh_entry *e, uint64_t bundle, bool deleted, uint64_t now_ns)
{
        struct record *r = add(g, e->key[KH_KEY_ID], bundle, now_ns);

        r->was_known = true;
        r->deleted = deleted;
        r->pid = e->pid;
        r->start_time = e->start_time;
        r->mnt = e->ns[KH_NS_MNT];
}

bool kh_gone_expects_delete(struct kh_gone *g, uint64_t id, uint64_t bundle, uint64_t now_ns)
{
        struct record *r = NULL;

        while ((r = find(g, id, bundle, now_ns, r))) {
                if (r->was_known && !r->deleted) {
                        r->deleted = true;
                        return true;
                }
        }
        return false;
}

void kh_gone_deleted(struct kh_gone *g, uint64_t id, uint64_t bundle, uint64_t now_ns)
{
        add(g, id, bundle, now_ns);
}

static bool is_same_init(const struct record *r, const struct kh_container *c)
{
        if (r->pid && c->pid)
                return r->pid == c->pid &&
                       (!r->start_time || !c->start_time || r->start_time == c->start_time);
        return r->mnt && r->mnt == c->ns[KH_NS_MNT];
}

bool kh_gone_has(struct kh_gone *g, uint64_t id, uint64_t bundle, const struct kh_container *c,
        uint64_t now_ns)
{
        struct record *r = NULL;

        while ((r = find(g, id, bundle, now_ns, r))) {
                if (!r->was_known || is_same_init(r, c))
                        return true;
        }
        return false;
}
