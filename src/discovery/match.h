/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a process's cgroup is a container's. */
#pragma once

#include "base/span.h"

/*
 * PATH is the process's, by the kernel's word; SPEC is linux.cgroupsPath in either driver's form
 * ("/pods/ID", or "SLICE:PREFIX:NAME" for systemd), absent where the runtime chose: by the ID. The
 * container may have made cgroups of its own below.
 */
bool kh_cgroup_is_of(struct kh_span path, struct kh_span spec, struct kh_span id);
