/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distributions of nodes that write a runtime's configuration anew, at each boot or whenever it
 * differs from what their own settings say. What set-up changes there lasts until then; what lasts
 * longer is a setting of theirs.
 */
#pragma once

#include "setup/setup.h"

struct kh_distribution {
        const char *name;
        const char *fate;    /* of what install changes */
        const char *setting; /* what lasts */
        bool takes_hooks;    /* that setting is to hold the hooks, as JSON */
        bool is_closed;      /* nothing can be changed from outside: refused */
};

/* The one that the node is of, if it does that to the runtime; NULL: none is known to. */
const struct kh_distribution *kh_distribution_of(const struct kh_setup *s, enum kh_owner owner);

/* What to know of it, into NOTES; -EOPNOTSUPP where it is closed. */
int kh_distribution_note(struct kh_setup *s, const struct kh_distribution *d, struct kh_text *notes,
        struct kh_err *err);
