/* SPDX-License-Identifier: Apache-2.0 */
/* Within the inventory: two accounts of one container, put together. */
#pragma once

#include "hookd/inventory/inventory.h"

struct kh_merge;

/* NULL when there is no memory. */
struct kh_merge *kh_merge_new(void);
void kh_merge_free(struct kh_merge *m);

/* Room for an entry's text, of KH_MERGE_ROOM bytes; valid until the next use of it. */
enum { KH_MERGE_ROOM = KH_ENTRY_TEXT_MAX };
char *kh_merge_room(struct kh_merge *m);

/* What is known of E; valid until the next call. */
bool kh_merge_read(struct kh_merge *m, const struct kh_entry *e, struct kh_container *ret);

/*
 * What is known of E, with what C adds: a fact that was known stays. Valid until the next call;
 * NULL when C adds nothing.
 */
const struct kh_container *kh_merge(
        struct kh_merge *m, const struct kh_entry *e, const struct kh_container *c);
