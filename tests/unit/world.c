/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>

static void say(void *arg, const struct kh_change *change)
{
        struct world *w = arg;
        const struct kh_entry *e = change->entry;
        struct kh_span id = kh_entry_piece(e, e->id);
        const char *word = "";

        if (change->type == KH_REMOVED)
                word = kh_reason_name[change->reason].p;
        else if (change->type == KH_UPDATED)
                word = kh_state_name[e->state].p;
        w->said_n += (size_t)snprintf(w->said + w->said_n, sizeof(w->said) - w->said_n,
                "%s%c%.*s:%u%s%s", w->said_n ? " " : "", "+~-"[change->type], (int)id.n, id.p,
                e->pid, *word ? ":" : "", word);
}

int set_up(void **state)
{
        static struct world w;
        const struct kh_hash_seed seed = { 0x1234, 0x5678 };

        w = (struct world){ .now = { .boot_ns = 1, .real_ns = 1 } };
        *state = &w;
        return kh_inventory_init(&w.inventory, seed, say, &w);
}

int tear_down(void **state)
{
        struct world *w = *state;

        kh_inventory_done(&w->inventory);
        return 0;
}

/* A container of its own pid, mount namespace and cgroup, all made from its pid. */
struct kh_container *container(const char *id, uint32_t pid)
{
        static struct kh_container c;

        kh_container_init(&c);
        c.id = kh_span_of(id);
        c.pid = pid;
        if (!pid)
                return &c;
        c.start_time = 1000 + pid;
        c.ns[KH_NS_PID] = 20000 + pid;
        c.ns[KH_NS_MNT] = 30000 + pid;
        c.cgroup_id = 40000 + pid;
        return &c;
}

enum kh_verdict arrive_as(
        struct world *w, struct kh_container *c, enum kh_known alive, struct kh_entry **ret)
{
        const struct kh_arrival arrival = {
                .container = c, .source = KH_SOURCE_HOOK, .alive = alive, .state = KH_STATE_CREATED
        };

        return kh_inventory_arrive(&w->inventory, &arrival, w->now, ret);
}

enum kh_verdict arrive(struct world *w, struct kh_container *c, enum kh_known alive)
{
        struct kh_entry *e;

        return arrive_as(w, c, alive, &e);
}

bool depart(struct world *w, struct kh_container *c)
{
        return kh_inventory_depart(&w->inventory, c, KH_SOURCE_HOOK, w->now);
}

struct kh_entry *find(struct world *w, const char *id)
{
        return kh_inventory_find_id(&w->inventory, kh_span_of(id), NULL);
}

struct kh_entry *find_pid(struct world *w, uint32_t pid)
{
        return kh_inventory_find(&w->inventory, KH_KEY_PID, pid, NULL);
}

void die(struct world *w, struct kh_entry *e)
{
        kh_inventory_init_died(&w->inventory, e, w->now);
}

struct kh_container *in_runtime(struct kh_container *c, const char *runtime, const char *bundle)
{
        c->runtime = kh_span_of(runtime);
        c->bundle = kh_span_of(bundle);
        return c;
}
