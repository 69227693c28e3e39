/* SPDX-License-Identifier: Apache-2.0 */
/* Where runtimes keep their state: the usual places, and those that an administrator names. */
#pragma once

#include "discovery/places.h"

struct kh_state_places {
        struct kh_place_pattern *patterns; /* with the paths behind them */
        size_t n;
};

struct kh_options;

/*
 * Each of the options' state roots may be a runtime's --root, a containerd's state directory or the
 * run root of a container storage; what it is shows in what is there. Of each user that the options
 * allow, they are where Podman, crun and runc keep theirs without being told a place; ROOT's
 * /etc/passwd knows the user's home. 0 or -ENOMEM.
 */
int kh_state_places_make(
        struct kh_state_places *ret, struct kh_root root, const struct kh_options *options);
void kh_state_places_free(struct kh_state_places *places);
