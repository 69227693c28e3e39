/* SPDX-License-Identifier: Apache-2.0 */
/* daemon.json and config.json: what is edited has what was put in, and comes back byte for byte. */
#include "fuzz.h"
#include "setup/json_edit.h"

/* An object or list that was empty goes with what was put into it. */
static bool has_empty(struct kh_span text)
{
        for (size_t i = 0; i + 1 < text.n; i++) {
                size_t at = i + 1;

                if (!strchr("[{", text.p[i]) || !text.p[i])
                        continue;
                while (at < text.n && text.p[at] && strchr(" \t\r\n", text.p[at]))
                        at++;
                if (at < text.n && text.p[at] && strchr("]}", text.p[at]) && i > 0)
                        return true;
        }
        return false;
}

static void member(struct kh_span text)
{
        const struct kh_member_path path = KH_MEMBER(KH_SPAN("runtimes"), KH_SPAN("kubearmor"));
        struct kh_text edited = { 0 }, back = { 0 };
        struct kh_span before = { 0 }, found = { 0 };

        if (kh_json_get(text, &path, &before, NULL) == 0 &&
                kh_json_set(text, &path, KH_SPAN("{\"path\":1}"), &edited, NULL) == 0) {
                fuzz_require(kh_json_get(kh_text_view(&edited), &path, &found, NULL) == 0);
                fuzz_require(kh_span_eq(found, KH_SPAN("{\"path\":1}")));
                fuzz_require(kh_json_remove(kh_text_view(&edited), &path, &back, NULL) == 1);
                fuzz_require(before.p || has_empty(text) || kh_span_eq(kh_text_view(&back), text));
        }
        kh_text_done(&edited);
        kh_text_done(&back);
}

static void hooks(struct kh_span text)
{
        static const struct kh_span hook = { "{\"path\":\"/o/kubearmor-hook\"}", 28 };
        const struct kh_stage_hooks wanted = {
                .v = { { { "createRuntime", 13 }, hook }, { { "poststop", 8 }, hook } },
                .n = 2,
        };
        struct kh_text edited = { 0 }, back = { 0 };

        if (!memmem(text.p, text.n, KH_HOOK_NAME, strlen(KH_HOOK_NAME)) &&
                kh_json_set_hooks(text, &wanted, &edited, NULL) == 0) {
                fuzz_require(kh_json_strip_hooks(kh_text_view(&edited), &back, NULL) == 0);
                fuzz_require(has_empty(text) || kh_span_eq(kh_text_view(&back), text));
        }
        kh_text_done(&edited);
        kh_text_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *copy = fuzz_copy(data, size);
        struct kh_span text = { copy, size };

        member(text);
        hooks(text);
        fuzz_free(copy, size);
        return 0;
}
