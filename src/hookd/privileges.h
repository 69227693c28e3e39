/* SPDX-License-Identifier: Apache-2.0 */
/* What the listener gives up once it has its sockets, so that a fault in it is worth little. */
#pragma once

#include "base/err.h"

#include <stdbool.h>

/* As many descriptors as the hard limit allows: their number. */
unsigned kh_privileges_raise_limits(void);

/*
 * No new privileges, no core dumps, no capability but the one that lets us see our peers'
 * namespaces and, WITH_USERS, the one that lets us read what is in users' directories; and none of
 * the system calls that a listener has no use for.
 */
int kh_privileges_drop(bool with_users, struct kh_err *err);
