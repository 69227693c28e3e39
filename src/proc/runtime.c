/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/runtime.h"

static const struct {
        struct kh_span name;
        bool marks_init; /* by "NAME:[...]"; else an init is called as the runtime is */
} runtimes[] = {
        { { "runc", 4 }, true },
        { { "crun", 4 }, false },
        { { "youki", 5 }, true },
};

struct kh_runtime_process kh_runtime_process(const char *comm)
{
        struct kh_span s = kh_span_of(comm);

        for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++) {
                struct kh_span name = runtimes[i].name, rest;

                if (!kh_span_starts(s, name))
                        continue;
                rest = kh_span_from(s, name.n);
                if (kh_span_starts(rest, KH_SPAN(":[")))
                        return (struct kh_runtime_process){ name, true };
                if (rest.n == 0 || rest.p[0] == '-')
                        return (struct kh_runtime_process){ name, !runtimes[i].marks_init };
        }
        return (struct kh_runtime_process){ 0 };
}
