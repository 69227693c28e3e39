/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/hook_set.h"

#include "base/clock.h"
#include "json/writer.h"

#include <errno.h>

/* A hook's object: a path and KH_HOOK_ARGUMENTS_MAX arguments, escaped. */
enum { HOOK_MAX = 64 * 1024 };

/* What the hook gives itself when it is not told, and what a runtime gives it beyond that. */
enum { DEFAULT_TIMEOUT_S = 1, MARGIN_S = 2 };

static const char *const known_stages[] = { "prestart", "createRuntime", "createContainer",
        "poststart", "poststop" };

bool kh_stage_is_known(const char *stage)
{
        for (size_t i = 0; i < sizeof(known_stages) / sizeof(known_stages[0]); i++) {
                if (strcmp(stage, known_stages[i]) == 0)
                        return true;
        }
        return false;
}

unsigned kh_hook_kill_after_s(const struct kh_setup_options *options)
{
        uint64_t s = (options->timeout_ns + KH_NS_PER_S - 1) / KH_NS_PER_S;

        return (unsigned)(s ? s : DEFAULT_TIMEOUT_S) + MARGIN_S;
}

unsigned kh_hook_stages(const struct kh_setup_options *options, const char **ret)
{
        if (options->n_stages == 0) {
                ret[0] = "createRuntime";
                ret[1] = "poststop";
                return 2;
        }
        for (unsigned i = 0; i < options->n_stages; i++)
                ret[i] = options->stages[i];
        return options->n_stages;
}

static void put_hook(struct kh_buf *b, const struct kh_setup *s, const char *stage)
{
        const struct kh_setup_options *o = &s->options;

        kh_json_open(b, '{');
        kh_json_put_key(b, KH_SPAN("path"));
        kh_buf_char(b, '"');
        kh_json_put_text(b, kh_span_of(s->bin_dir));
        kh_buf_lit(b, "/" KH_HOOK_NAME "\"");
        kh_json_put_key(b, KH_SPAN("args"));
        kh_json_open(b, '[');
        kh_json_put_string(b, KH_SPAN(KH_HOOK_NAME));
        kh_json_put_comma(b);
        kh_json_put_string(b, KH_SPAN("--stage"));
        kh_json_put_comma(b);
        kh_json_put_string(b, kh_span_of(stage));
        for (unsigned i = 0; i < o->n_arguments; i++) {
                kh_json_put_comma(b);
                kh_json_put_string(b, kh_span_of(o->arguments[i].option));
                if (!o->arguments[i].value)
                        continue;
                kh_json_put_comma(b);
                kh_json_put_string(b, kh_span_of(o->arguments[i].value));
        }
        kh_json_close(b, ']');
        kh_json_put_u64_member(b, KH_SPAN("timeout"), kh_hook_kill_after_s(o));
        kh_json_close(b, '}');
}

int kh_hook_set_make(const struct kh_setup *s, struct kh_hook_set *ret, struct kh_err *err)
{
        const char *stages[KH_STAGES_MAX];
        unsigned n = kh_hook_stages(&s->options, stages);
        char *room;
        struct kh_buf b;

        *ret = (struct kh_hook_set){ .hooks = { .n = n } };
        room = kh_text_reserve(&ret->text, (size_t)n * HOOK_MAX);
        if (!room)
                return kh_fail(err, -ENOMEM, "out of memory");
        b = kh_buf_of(room, (size_t)n * HOOK_MAX);
        for (unsigned i = 0; i < n; i++) {
                size_t start = b.len;

                put_hook(&b, s, stages[i]);
                ret->hooks.v[i].stage = kh_span_of(stages[i]);
                ret->hooks.v[i].hook = (struct kh_span){ room + start, b.len - start };
                kh_buf_char(&b, '\n'); /* else the writer takes the next for an element of a list */
        }
        if (!b.over)
                return 0;
        kh_hook_set_done(ret);
        return kh_fail(err, -E2BIG, "the hook's options are too long");
}

void kh_hook_set_done(struct kh_hook_set *set)
{
        kh_text_done(&set->text);
}
