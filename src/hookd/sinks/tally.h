/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted by a walk when somebody asks: containers by runtime and state, the spool's files.
 */
#pragma once

#include "hookd/inventory/inventory.h"

enum {
        KH_TALLY_RUNTIMES = 16, /* a node has two or three; what is beyond is counted as "other", */
        KH_TALLY_NAME_MAX = 64, /* and so is what has no runtime's name */
};

struct kh_runtime_tally {
        struct kh_span name; /* points into an entry; "" when nobody told */
        uint64_t in_state[KH_STATE_COUNT];
};

/* Their number. */
size_t kh_tally_runtimes(
        const struct kh_inventory *inv, struct kh_runtime_tally ret[KH_TALLY_RUNTIMES]);

struct kh_spool_tally {
        uint64_t files, bytes;
};

struct kh_spool_tally kh_tally_spool(int dir);
