/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a host path that a container mounts hands it a container runtime: the path of an API
 * socket, or of a directory that holds one where runtimes put them. Whoever can write to such a
 * socket is root on the node.
 */
#pragma once

#include "base/span.h"

bool kh_is_runtime_socket(struct kh_span path);
