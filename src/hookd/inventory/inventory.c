/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/inventory/inventory.h"

#include "hookd/inventory/entry.h"
#include "hookd/inventory/gone.h"
#include "hookd/inventory/merge.h"

#include <errno.h>
#include <stdlib.h>

int kh_inventory_init(
        struct kh_inventory *inv, struct kh_hash_seed seed, kh_change_fn changed, void *arg)
{
        *inv = (struct kh_inventory){ .seed = seed, .changed = changed, .arg = arg };
        kh_list_init(&inv->all);
        kh_list_init(&inv->unquiet);
        for (int i = 0; i < KH_KEY_COUNT; i++)
                kh_hash_init(&inv->index[i]);
        inv->gone = kh_gone_new();
        inv->merge = kh_merge_new();
        if (inv->gone && inv->merge)
                return 0;
        kh_inventory_done(inv);
        return -ENOMEM;
}

/* Out of everything, silently. */
static void discard(struct kh_inventory *inv, struct kh_entry *e)
{
        kh_entry_unindex(inv, e);
        kh_list_del(&e->all);
        kh_list_del(&e->unquiet);
        free(e);
}

void kh_inventory_done(struct kh_inventory *inv)
{
        kh_list_for_each(node, next, &inv->all)
                discard(inv, kh_container_of(node, struct kh_entry, all));
        for (int i = 0; i < KH_KEY_COUNT; i++)
                kh_hash_done(&inv->index[i]);
        kh_gone_free(inv->gone);
        kh_merge_free(inv->merge);
        inv->gone = NULL;
        inv->merge = NULL;
}

static void tell(struct kh_inventory *inv, enum kh_change_type type, enum kh_source source,
        struct kh_entry *e, const struct kh_entry *was)
{
        struct kh_change change = { .type = type, .source = source, .entry = e, .was = was };

        inv->changed(inv->arg, &change);
}

static uint64_t bundle_hash(const struct kh_inventory *inv, struct kh_span bundle)
{
        return bundle.n ? kh_hash_bytes(&inv->seed, bundle) : 0;
}

static void remove_entry(struct kh_inventory *inv, struct kh_entry *e, enum kh_source source,
        enum kh_reason reason, struct kh_now now)
{
        struct kh_change change = {
                .type = KH_REMOVED, .source = source, .reason = reason, .entry = e, .was = e
        };

        kh_gone_removed(inv->gone, e, bundle_hash(inv, kh_entry_piece(e, e->bundle)),
                reason == KH_REASON_DELETED, now.boot_ns);
        inv->changed(inv->arg, &change);
        discard(inv, e);
}

static bool differ(struct kh_span a, struct kh_span b)
{
        return a.p && b.p && !kh_span_eq(a, b);
}

/*
 * Two containers may have one id, where two runtimes, or two roots of one, know nothing of another.
 */
static bool is_anothers(const struct kh_entry *e, const struct kh_container *c)
{
        return differ(kh_entry_piece(e, e->bundle), c->bundle) ||
               differ(kh_entry_piece(e, e->runtime), c->runtime);
}

/* Whether the arrival is about the incarnation E, whose id it has. */
static bool is_same_incarnation(const struct kh_entry *e, const struct kh_arrival *a)
{
        const struct kh_container *c = a->container;

        if (a->alive != KH_UNKNOWN && e->alive != KH_UNKNOWN && a->alive != e->alive)
                return false;
        if (e->pid && c->pid) {
                if (e->pid != c->pid)
                        return false;
                if (e->start_time && c->start_time)
                        return e->start_time == c->start_time;
        }
        if (e->ns[KH_NS_MNT] && c->ns[KH_NS_MNT] && e->ns[KH_NS_MNT] != c->ns[KH_NS_MNT])
                return false;
        if (e->ns[KH_NS_PID] && c->ns[KH_NS_PID] && e->ns[KH_NS_PID] != c->ns[KH_NS_PID])
                return false;
        if (e->pid && c->pid)
                return true;
        return (e->ns[KH_NS_MNT] && c->ns[KH_NS_MNT]) || !is_anothers(e, c);
}

static struct kh_entry *find_incarnation(const struct kh_inventory *inv, const struct kh_arrival *a)
{
        struct kh_entry *e = NULL;

        while ((e = kh_inventory_find_id(inv, a->container->id, e))) {
                if (is_same_incarnation(e, a))
                        return e;
        }
        return NULL;
}

static void replace_all(struct kh_inventory *inv, enum kh_key key, uint64_t value,
        bool (*is_over)(const struct kh_entry *e, const struct kh_arrival *a),
        const struct kh_arrival *a, const struct kh_entry *except, struct kh_now now)
{
        struct kh_entry *e = value ? kh_inventory_find(inv, key, value, NULL) : NULL;

        while (e) {
                struct kh_entry *next = kh_inventory_find(inv, key, value, e);

                if (e != except && is_over(e, a))
                        remove_entry(inv, e, a->source, KH_REASON_REPLACED, now);
                e = next;
        }
}

/* The runtime would not have used the id again while the earlier incarnation was there. */
static bool is_earlier(const struct kh_entry *e, const struct kh_arrival *a)
{
        return kh_span_eq(kh_entry_piece(e, e->id), a->container->id) && e->alive != KH_YES &&
               !is_anothers(e, a->container);
}

/* No two processes have one pid. */
static bool is_any(const struct kh_entry *e, const struct kh_arrival *a)
{
        (void)e;
        (void)a;
        return true;
}

/* While the init of its holder lives, the kernel does not use the number again: they share it. */
static bool is_not_alive(const struct kh_entry *e, const struct kh_arrival *a)
{
        (void)a;
        return e->alive != KH_YES;
}

static bool is_not_alive_nor_shared(const struct kh_entry *e, const struct kh_arrival *a)
{
        return e->alive != KH_YES && kh_is_own_ns(e->ns_host, e->ns_joined, KH_NS_MNT) &&
               kh_is_own_ns(a->container->ns_host, a->container->ns_joined, KH_NS_MNT);
}

/* Those who hold what the container of the arrival cannot have at the same time. */
static void replace_holders(struct kh_inventory *inv, const struct kh_arrival *a,
        const struct kh_entry *except, struct kh_now now)
{
        const struct kh_container *c = a->container;

        replace_all(inv, KH_KEY_PID, c->pid, is_any, a, except, now);
        replace_all(inv, KH_KEY_MNT, c->ns[KH_NS_MNT], is_not_alive_nor_shared, a, except, now);
        replace_all(inv, KH_KEY_CGROUP, c->cgroup_id, is_not_alive, a, except, now);
}

static enum kh_verdict take_in(struct kh_inventory *inv, const struct kh_arrival *a,
        struct kh_now now, struct kh_entry **ret)
{
        struct kh_entry *e;

        e = inv->count < KH_INVENTORY_MAX
                    ? kh_entry_new(inv, a->container, kh_merge_room(inv->merge), KH_MERGE_ROOM)
                    : NULL;
        if (!e)
                return KH_FULL;
        replace_all(inv, KH_KEY_ID, e->key[KH_KEY_ID], is_earlier, a, NULL, now);
        replace_holders(inv, a, NULL, now);
        e->serial = ++inv->last_serial;
        e->created_real_ns = now.real_ns;
        e->source = (uint8_t)a->source;
        e->told = (uint8_t)(1 << a->source);
        e->alive = (uint8_t)a->alive;
        e->told_by = a->told_by;
        e->pid_is_ours = a->pid_is_ours;
        kh_entry_index(inv, e);
        kh_entry_set_state(inv, e, a->state);
        kh_list_append(&inv->all, &e->all);
        *ret = e;
        tell(inv, KH_CREATED, a->source, e, e);
        return KH_BORN;
}

/* OLD with the text and the facts of C; the entry moves. NULL when there is no memory. */
static struct kh_entry *rewrite(
        struct kh_inventory *inv, struct kh_entry *old, const struct kh_container *c)
{
        struct kh_entry *e = kh_entry_new(inv, c, kh_merge_room(inv->merge), KH_MERGE_ROOM);

        if (!e)
                return NULL;
        e->serial = old->serial;
        e->created_real_ns = old->created_real_ns;
        e->state = old->state;
        e->source = old->source;
        e->told = old->told;
        e->alive = old->alive;
        e->looks = old->looks;
        e->look_at_ns = old->look_at_ns;
        e->exited_ns = old->exited_ns;
        e->pidfd = old->pidfd;
        e->told_by = old->told_by;
        e->pid_is_ours = old->pid_is_ours;
        e->polled = old->polled;
        kh_list_replace(&old->all, &e->all);
        kh_list_replace(&old->unquiet, &e->unquiet);
        kh_list_init(&old->all);
        kh_list_init(&old->unquiet);
        kh_entry_unindex(inv, old);
        kh_entry_index(inv, e);
        if (e->state == KH_STATE_EXITED)
                kh_entry_unindex_pid(inv, e);
        return e;
}

static void learn(struct kh_inventory *inv, struct kh_entry **entry, const struct kh_arrival *a,
        struct kh_now now)
{
        struct kh_entry *old = *entry;
        const struct kh_container *together = kh_merge(inv->merge, old, a->container);
        bool starts = a->state == KH_STATE_RUNNING && old->state == KH_STATE_CREATED;
        struct kh_entry *e = old;

        if (together) {
                replace_holders(inv, a, old, now);
                e = rewrite(inv, old, together);
                if (!e)
                        return;
                *entry = e;
        }
        if (a->alive == KH_YES)
                e->alive = KH_YES;
        e->pid_is_ours |= a->pid_is_ours;
        e->told |= (uint8_t)(1 << a->source);
        if (starts)
                kh_entry_set_state(inv, e, KH_STATE_RUNNING);
        if (together || starts)
                tell(inv, KH_UPDATED, a->source, e, old);
        if (together)
                free(old);
}

enum kh_verdict kh_inventory_arrive(struct kh_inventory *inv, const struct kh_arrival *a,
        struct kh_now now, struct kh_entry **ret)
{
        const struct kh_container *c = a->container;

        *ret = find_incarnation(inv, a);
        if (*ret) {
                learn(inv, ret, a, now);
                return KH_KNOWN;
        }
        if (a->alive == KH_NO)
                return KH_GONE;
        if (a->alive == KH_UNKNOWN && kh_gone_has(inv->gone, kh_hash_bytes(&inv->seed, c->id),
                                              bundle_hash(inv, c->bundle), c, now.boot_ns))
                return KH_GONE;
        return take_in(inv, a, now, ret);
}

struct meant {
        struct kh_entry *dead;   /* the oldest whose init is dead */
        struct kh_entry *living; /* the last of the others, and their number */
        unsigned living_n;
};

static struct meant candidates(
        const struct kh_inventory *inv, const struct kh_container *c, bool by_runtime)
{
        struct meant m = { 0 };
        struct kh_entry *e = NULL;

        while ((e = kh_inventory_find_id(inv, c->id, e))) {
                if (differ(kh_entry_piece(e, e->bundle), c->bundle) ||
                        (by_runtime && differ(kh_entry_piece(e, e->runtime), c->runtime)))
                        continue;
                if (e->alive != KH_NO) {
                        m.living = e;
                        m.living_n++;
                } else if (!m.dead || e->serial < m.dead->serial) {
                        m.dead = e;
                }
        }
        return m;
}

/*
 * Whose delete it is. A runtime deletes after init's death, so one that is dead is meant first, be
 * it one that was removed for that already. Else it is of the only one that is known; but a file
 * that waited in the spool is no word against the kernel's that its init lives.
 */
static struct kh_entry *who_is_meant(struct kh_inventory *inv, const struct kh_container *c,
        enum kh_source source, struct kh_now now)
{
        uint64_t id = kh_hash_bytes(&inv->seed, c->id), bundle = bundle_hash(inv, c->bundle);
        struct meant m = candidates(inv, c, false);

        if (m.living_n + !!m.dead > 1)
                m = candidates(inv, c, true);
        if (m.dead)
                return m.dead;
        if (kh_gone_expects_delete(inv->gone, id, bundle, now.boot_ns))
                return NULL;
        if (!m.living)
                kh_gone_deleted(inv->gone, id, bundle, now.boot_ns);
        if (m.living_n != 1 || (source == KH_SOURCE_SPOOL && m.living->alive == KH_YES))
                return NULL;
        return m.living;
}

bool kh_inventory_depart(struct kh_inventory *inv, const struct kh_container *c,
        enum kh_source source, struct kh_now now)
{
        struct kh_entry *e = who_is_meant(inv, c, source, now);

        if (e)
                remove_entry(inv, e, source, KH_REASON_DELETED, now);
        return e != NULL;
}

void kh_inventory_init_died(struct kh_inventory *inv, struct kh_entry *e, struct kh_now now)
{
        e->alive = KH_NO;
        if (kh_entry_owns_pid_ns(e)) {
                remove_entry(inv, e, KH_SOURCE_KERNEL, KH_REASON_EXITED, now);
                return;
        }
        kh_entry_unindex_pid(inv, e);
        if (e->state == KH_STATE_EXITED)
                return;
        kh_entry_set_state(inv, e, KH_STATE_EXITED);
        tell(inv, KH_UPDATED, KH_SOURCE_KERNEL, e, e);
}

void kh_inventory_started(struct kh_inventory *inv, struct kh_entry *e)
{
        if (e->state != KH_STATE_CREATED)
                return;
        kh_entry_set_state(inv, e, KH_STATE_RUNNING);
        tell(inv, KH_UPDATED, KH_SOURCE_KERNEL, e, e);
}

void kh_inventory_poll(struct kh_inventory *inv, struct kh_entry *e)
{
        e->polled = true;
        e->look_at_ns = 0;
        kh_list_del(&e->unquiet);
        kh_list_append(&inv->unquiet, &e->unquiet);
}

void kh_inventory_emptied(struct kh_inventory *inv, struct kh_entry *e, struct kh_now now)
{
        remove_entry(inv, e, KH_SOURCE_KERNEL, KH_REASON_EXITED, now);
}

static struct kh_entry *find_serial(
        const struct kh_inventory *inv, struct kh_span id, uint64_t serial)
{
        struct kh_entry *e = NULL;

        while ((e = kh_inventory_find_id(inv, id, e))) {
                if (e->serial == serial)
                        break;
        }
        return e;
}

void kh_inventory_forget(struct kh_inventory *inv, struct kh_span id, uint64_t serial)
{
        struct kh_entry *e = find_serial(inv, id, serial);

        if (e)
                discard(inv, e);
}

void kh_inventory_restore_state(
        struct kh_inventory *inv, struct kh_span id, uint64_t serial, enum kh_state state)
{
        struct kh_entry *e = find_serial(inv, id, serial);

        if (!e)
                return;
        if (state == KH_STATE_EXITED) {
                e->alive = KH_NO;
                kh_entry_unindex_pid(inv, e);
        }
        kh_entry_set_state(inv, e, state);
}

struct kh_entry *kh_inventory_restore(struct kh_inventory *inv, const struct kh_arrival *a,
        uint64_t serial, uint64_t created_real_ns)
{
        struct kh_entry *old = find_serial(inv, a->container->id, serial);
        struct kh_entry *e =
                kh_entry_new(inv, a->container, kh_merge_room(inv->merge), KH_MERGE_ROOM);

        if (!e)
                return NULL;
        e->serial = serial;
        e->created_real_ns = created_real_ns;
        e->source = (uint8_t)a->source;
        e->alive = (uint8_t)a->alive;
        e->told_by = a->told_by;
        e->pid_is_ours = a->pid_is_ours;
        kh_entry_index(inv, e);
        kh_entry_set_state(inv, e, a->state);
        if (a->state == KH_STATE_EXITED)
                kh_entry_unindex_pid(inv, e);
        kh_list_append(old ? &old->all : &inv->all, &e->all); /* births stay in their order */
        if (old)
                discard(inv, old);
        if (inv->last_serial < serial)
                inv->last_serial = serial;
        return e;
}

void kh_inventory_concerned(struct kh_inventory *inv, const struct kh_container *c,
        void (*fn)(void *arg, struct kh_entry *e), void *arg)
{
        const uint64_t key[KH_KEY_COUNT] = {
                [KH_KEY_ID] = kh_hash_bytes(&inv->seed, c->id),
                [KH_KEY_PID] = c->pid,
                [KH_KEY_MNT] = c->ns[KH_NS_MNT],
                [KH_KEY_CGROUP] = c->cgroup_id,
        };

        for (enum kh_key k = 0; k < KH_KEY_COUNT; k++) {
                struct kh_entry *e = key[k] ? kh_inventory_find(inv, k, key[k], NULL) : NULL;

                while (e) {
                        struct kh_entry *next = kh_inventory_find(inv, k, key[k], e);

                        fn(arg, e);
                        e = next;
                }
        }
}

bool kh_inventory_is_his(const struct kh_inventory *inv, struct kh_span id, uint32_t uid)
{
        const struct kh_entry *e = NULL;

        while ((e = kh_inventory_find_id(inv, id, e))) {
                if (e->told_by != uid)
                        return false;
        }
        return true;
}

static bool is_held_by_another(
        const struct kh_inventory *inv, enum kh_key key, uint64_t value, uint32_t uid)
{
        const struct kh_entry *e = value ? kh_inventory_find(inv, key, value, NULL) : NULL;

        while (e && (e->told_by == uid || e->alive == KH_NO))
                e = kh_inventory_find(inv, key, value, e);
        return e;
}

/* A number that the host has as well finds nobody. */
static bool is_namespace_anothers(const struct kh_inventory *inv, enum kh_key key,
        const struct kh_container *c, enum kh_ns which, uint32_t uid)
{
        return !(c->ns_host >> which & 1) && is_held_by_another(inv, key, c->ns[which], uid);
}

static bool has_enough(const struct kh_inventory *inv, uint32_t uid)
{
        size_t n = 0, bytes = 0;

        kh_list_for_each(node, next, &inv->all) {
                const struct kh_entry *e = kh_container_of(node, struct kh_entry, all);

                n += e->told_by == uid;
                bytes += e->told_by == uid ? e->text_n : 0;
        }
        return n >= KH_INVENTORY_USER_MAX || bytes >= KH_INVENTORY_USER_TEXT_MAX;
}

bool kh_inventory_may_tell(
        const struct kh_inventory *inv, const struct kh_container *c, uint32_t uid)
{
        if (!kh_inventory_is_his(inv, c->id, uid) ||
                is_held_by_another(inv, KH_KEY_PID, c->pid, uid) ||
                is_namespace_anothers(inv, KH_KEY_MNT, c, KH_NS_MNT, uid) ||
                is_namespace_anothers(inv, KH_KEY_PID_NS, c, KH_NS_PID, uid) ||
                is_held_by_another(inv, KH_KEY_CGROUP, c->cgroup_id, uid))
                return false;
        return kh_inventory_find_id(inv, c->id, NULL) || !has_enough(inv, uid);
}

void kh_inventory_read(
        const struct kh_inventory *inv, const struct kh_entry *e, struct kh_container *ret)
{
        (void)kh_merge_read(inv->merge, e, ret); /* the text is our own */
}
