/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sources/snapshot.h"

#include "hookd/timestamp.h"

#include <string.h>

/* Hearsay: neither a hook of this run, nor a snapshot, nor the kernel has confirmed it. */
static bool is_in_doubt(const struct kh_entry *e)
{
        return !(e->told & (1 << KH_SOURCE_HOOK | 1 << KH_SOURCE_SNAPSHOT)) &&
               e->alive == KH_UNKNOWN;
}

/* The directory of its runtime's that its bundle lies in; absent when the id is not in its path. */
static struct kh_span place_of(const struct kh_entry *e)
{
        struct kh_span bundle = kh_entry_piece(e, e->bundle), id = kh_entry_piece(e, e->id);
        const char *at = bundle.n ? memmem(bundle.p, bundle.n, id.p, id.n) : NULL;

        return at ? (struct kh_span){ bundle.p, (size_t)(at - bundle.p) } : (struct kh_span){ 0 };
}

/*
 * Whether the snapshot would have told of it: one of its neighbours was found, or it was itself
 * found before. A runtime may keep its state where nobody looks.
 */
static bool would_be_found(const struct kh_inventory *inv, const struct kh_entry *e)
{
        struct kh_span place = place_of(e);

        if (e->source == KH_SOURCE_SNAPSHOT)
                return true;
        kh_list_for_each(node, next, &inv->all) {
                const struct kh_entry *other = kh_container_of(node, struct kh_entry, all);

                if (place.n && (other->told >> KH_SOURCE_SNAPSHOT & 1) &&
                        kh_span_eq(place_of(other), place))
                        return true;
        }
        return false;
}

void kh_snapshot_ended(struct kh_core *core)
{
        struct kh_inventory *inv = &core->inventory;

        if (core->sees_host)
                return;
        kh_list_for_each(node, next, &inv->all) {
                struct kh_entry *e = kh_container_of(node, struct kh_entry, all);

                if (is_in_doubt(e) && would_be_found(inv, e))
                        kh_inventory_emptied(inv, e, kh_now());
        }
}
