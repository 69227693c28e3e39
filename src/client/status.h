/* SPDX-License-Identifier: Apache-2.0 */
/* What kubearmor_hook_status() gave last, and all that it points to. */
#pragma once

struct kh_status_room;

void kh_status_room_free(struct kh_status_room *room);
