/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/formats.h"

#include "setup/json_edit.h"
#include "setup/toml_edit.h"

#include <errno.h>

const char *const kh_format_name[KH_FORMAT_COUNT] = {
        [KH_FORMAT_OWN] = "own",
        [KH_FORMAT_WRAPPER] = "wrapper",
        [KH_FORMAT_LOADED] = "loaded",
        [KH_FORMAT_SPEC] = "spec",
        [KH_FORMAT_DOCKER] = "docker",
        [KH_FORMAT_TOML] = "toml",
};

/* With no more than its version a configuration that we made says nothing. */
static bool says_nothing(struct kh_span toml)
{
        struct kh_toml t = kh_toml_of(toml);
        struct kh_toml_item item;

        while (kh_toml_next(&t, &item)) {
                if (item.key.n != 1 || !kh_span_eq(item.key.part[0], KH_SPAN("version")))
                        return false;
        }
        return !t.error;
}

int kh_format_strip(enum kh_format format, struct kh_span text, const struct kh_text *base,
        struct kh_text *ret, struct kh_err *err)
{
        bool was_absent = base && !base->p;
        int r = 0;

        switch (format) {
        case KH_FORMAT_SPEC:
                return kh_json_strip_hooks(text, ret, err);
        case KH_FORMAT_DOCKER:
                r = kh_docker_strip(
                        text, base ? kh_text_view(base) : (struct kh_span){ 0 }, ret, err);
                if (r == 0 && was_absent && kh_json_is_empty(kh_text_view(ret)))
                        kh_text_done(ret);
                return r;
        case KH_FORMAT_TOML:
                r = kh_toml_strip(text, ret, err);
                if (r == 0 && was_absent && says_nothing(kh_text_view(ret)))
                        kh_text_done(ret);
                return r;
        case KH_FORMAT_OWN:
        case KH_FORMAT_WRAPPER:
        case KH_FORMAT_LOADED:
        case KH_FORMAT_COUNT:
                break;
        }
        return 0;
}

int kh_format_hold(enum kh_format format, struct kh_span text, const struct kh_text *base,
        struct kh_text *ret, struct kh_err *err)
{
        const struct kh_member_path hooks = KH_MEMBER(KH_SPAN("hooks"));

        if (format == KH_FORMAT_DOCKER)
                return kh_docker_strip_default(text, kh_text_view(base), ret, err);
        if (format != KH_FORMAT_WRAPPER && format != KH_FORMAT_LOADED)
                return -ENOTSUP;
        return kh_json_remove(text, &hooks, ret, err) < 0 ? err->code : 0;
}
