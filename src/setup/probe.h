/* SPDX-License-Identifier: Apache-2.0 */
/* The hook as a runtime would call it, with an event that no listener takes for a container's. */
#pragma once

#include "setup/setup.h"

/* Where the hook, as it was set up, tells what it sees. */
const char *kh_probe_socket(const struct kh_setup *s);

/* 0 when the event arrived; otherwise what the hook says of it. */
int kh_probe(struct kh_setup *s, struct kh_err *err);
