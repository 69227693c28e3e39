/* SPDX-License-Identifier: Apache-2.0 */
/* Within the inventory: how an entry is made, indexed and freed. */
#pragma once

#include "hookd/inventory/inventory.h"

/*
 * An entry that lies in no index yet; its text is first written into ROOM. Without labels and
 * annotations where there is no room for them; NULL when there is none at all, or no memory.
 */
struct kh_entry *kh_entry_new(
        const struct kh_inventory *inv, const struct kh_container *c, char *room, size_t room_size);

/* Into and out of every index that its facts allow, and the sums. */
void kh_entry_index(struct kh_inventory *inv, struct kh_entry *e);
void kh_entry_unindex(struct kh_inventory *inv, struct kh_entry *e);

/* A dead init's number is soon a stranger's. */
void kh_entry_unindex_pid(struct kh_inventory *inv, struct kh_entry *e);

void kh_entry_set_state(struct kh_inventory *inv, struct kh_entry *e, enum kh_state state);

/* Whether its init's death is the death of all its processes. */
bool kh_entry_owns_pid_ns(const struct kh_entry *e);

/* Whether this namespace of it, by what was said, is nobody else's. */
static inline bool kh_is_own_ns(uint8_t host, uint8_t joined, enum kh_ns which)
{
        return !((host | joined) >> which & 1);
}
