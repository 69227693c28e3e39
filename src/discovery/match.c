/* SPDX-License-Identifier: Apache-2.0 */
#include "discovery/match.h"

#include "base/buf.h"

#include <limits.h>

/* Whether PATH has PART, which begins with a slash, as one of its parts or a run of them. */
static bool has_part(struct kh_span path, struct kh_span part)
{
        while (path.n >= part.n && part.n > 1) {
                const char *at = memmem(path.p, path.n, part.p, part.n);
                struct kh_span rest;

                if (!at)
                        return false;
                rest = kh_span_from(path, (size_t)(at - path.p) + part.n);
                if (!rest.n || rest.p[0] == '/')
                        return true;
                path = kh_span_from(path, (size_t)(at - path.p) + 1);
        }
        return false;
}

/* The unit that systemd was asked for: "PREFIX-NAME.scope", or NAME where that is a slice. */
static void put_unit(struct kh_buf *b, struct kh_span prefix, struct kh_span name)
{
        kh_buf_char(b, '/');
        if (kh_span_ends(name, KH_SPAN(".slice"))) {
                kh_buf_span(b, name);
                return;
        }
        if (prefix.n) {
                kh_buf_span(b, prefix);
                kh_buf_char(b, '-');
        }
        kh_buf_span(b, name);
        kh_buf_lit(b, ".scope");
}

bool kh_cgroup_is_of(struct kh_span path, struct kh_span spec, struct kh_span id)
{
        char part[PATH_MAX];
        struct kh_buf b = kh_buf_of(part, sizeof(part));
        const char *first = spec.n ? memchr(spec.p, ':', spec.n) : NULL;
        const char *last = spec.n ? memrchr(spec.p, ':', spec.n) : NULL;

        if (first != last) {
                put_unit(&b, (struct kh_span){ first + 1, (size_t)(last - first) - 1 },
                        kh_span_from(spec, (size_t)(last - spec.p) + 1));
        } else if (spec.n) {
                if (spec.p[0] != '/')
                        kh_buf_char(&b, '/');
                kh_buf_span(&b, spec);
        } else {
                kh_buf_char(&b, '/');
                kh_buf_span(&b, id);
        }
        return !b.over && has_part(path, kh_buf_view(&b));
}
