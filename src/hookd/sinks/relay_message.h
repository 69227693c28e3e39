/* SPDX-License-Identifier: Apache-2.0 */
/* What the relay says of a container: one request of at most KH_REQUEST_STREAM_MAX bytes. */
#pragma once

#include "hookd/inventory/inventory.h"
#include "wire/request.h"

/*
 * Its length. *RET_DIGEST is of what KubeArmor acts on: a pid or an image that was found out later
 * is no reason to take a container's policies away and give them again.
 */
size_t kh_relay_write_create(char text[KH_REQUEST_STREAM_MAX], const struct kh_inventory *inv,
        const struct kh_entry *e, bool detached, uint64_t *ret_digest);

size_t kh_relay_write_delete(char text[KH_REQUEST_STREAM_MAX], struct kh_span id, bool detached);
