/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of a place: what it is, and all that is to be known of its container. */
#pragma once

#include "discovery/discovery.h"

/*
 * Looks at the entry ID of PLACE, whose open directory is DIR, and calls FN with what it is; not
 * for a name that no container can have. Where there is a SEEN, a container that it holds already
 * is KH_FOUND_NOTHING, and one that is found is added.
 */
void kh_entry_look(struct kh_discovery *d, const struct kh_place *place, int dir, struct kh_span id,
        struct kh_seen *seen, kh_found_fn fn, void *arg);
