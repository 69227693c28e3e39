/* SPDX-License-Identifier: Apache-2.0 */
/* Where runtimes keep their state: the usual places, and those that an administrator names. */
#pragma once

#include "discovery/places.h"

struct kh_state_places {
        struct kh_place_pattern *patterns; /* with the paths behind them */
        size_t n;
};

/*
 * Each of ROOTS may be a runtime's --root, a containerd's state directory or the run root of a
 * container storage; what it is shows in what is there. 0 or -ENOMEM.
 */
int kh_state_places_make(struct kh_state_places *ret, const char *const *roots, size_t n);
void kh_state_places_free(struct kh_state_places *places);
