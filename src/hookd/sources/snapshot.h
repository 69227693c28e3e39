/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a snapshot of what runs on the host, for a listener that cannot look itself: what an
 * earlier run or the spool told of, and this snapshot did not, is gone.
 */
#pragma once

#include "hookd/core.h"

void kh_snapshot_ended(struct kh_core *core);
