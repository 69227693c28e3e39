/* SPDX-License-Identifier: Apache-2.0 */
/* The specification that containerd's CRI begins a container's with when it is given none. */
#pragma once

#include "setup/setup.h"

/*
 * As the daemon's own `ctr oci spec` prints it, or built in, equal to that of its version, where
 * there is no ctr beside it. Without process.rlimits: CRI clears the limit of 1,024 files that
 * stands there only where no base specification is given.
 */
int kh_base_spec_make(const struct kh_setup *s, const struct kh_instance *i, struct kh_text *ret,
        struct kh_err *err);
