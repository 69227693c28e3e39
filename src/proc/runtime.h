/* SPDX-License-Identifier: Apache-2.0 */
/* Processes of OCI runtimes, by what they call themselves. */
#pragma once

#include "base/span.h"

struct kh_runtime_process {
        struct kh_span runtime; /* "runc", ...; absent for any other process */
        bool is_init;           /* it is a container's whose program does not run yet, or may be */
};

/* By a process's comm: "runc", "runc:[2:INIT]", "crun", "crun-wasm". */
struct kh_runtime_process kh_runtime_process(const char *comm);
