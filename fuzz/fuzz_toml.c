/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's configuration: what is edited has the key, and comes back byte for byte. */
#include "fuzz.h"
#include "setup/toml_edit.h"

/* Texts that hold what looks like ours are no texts of before an install. */
static bool is_ours_already(struct kh_span text)
{
        return memmem(text.p, text.n, KH_TOML_OUR_FILE, strlen(KH_TOML_OUR_FILE)) ||
               memmem(text.p, text.n, KH_TOML_MARK, strlen(KH_TOML_MARK));
}

static void set_and_strip(struct kh_span text)
{
        const struct kh_toml_key table = KH_TOML_KEY("plugins", "cri", "runtimes", "runc");
        const struct kh_toml_key key = KH_TOML_KEY("plugins", "cri", "runtimes", "runc", "base");
        const struct kh_span value = KH_SPAN("\"/etc/kubearmor-hook-spec.json\"");
        struct kh_text edited = { 0 }, back = { 0 };
        struct kh_span found = { 0 };
        const char *error = NULL;
        bool had = kh_toml_find(text, &key, &found, NULL);

        if (kh_toml_set(text, &table, "base", value, &edited, NULL) == 0) {
                fuzz_require(kh_toml_find(kh_text_view(&edited), &key, &found, &error));
                fuzz_require(kh_span_eq(found, value));
                fuzz_require(kh_toml_strip(kh_text_view(&edited), &back, NULL) == 0);
                fuzz_require(had || kh_span_eq(kh_text_view(&back), text));
        }
        kh_text_done(&edited);
        kh_text_done(&back);
}

static void import_and_strip(struct kh_span text)
{
        struct kh_text edited = { 0 }, back = { 0 };

        if (kh_toml_add_import(text, "/e/kubearmor-hook*.toml", &edited, NULL) == 0) {
                fuzz_require(kh_toml_strip(kh_text_view(&edited), &back, NULL) == 0);
                fuzz_require(kh_span_eq(kh_text_view(&back), text));
        }
        kh_text_done(&edited);
        kh_text_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *copy = fuzz_copy(data, size);
        struct kh_span text = { copy, size };

        if (!is_ours_already(text)) {
                set_and_strip(text);
                import_and_strip(text);
        }
        fuzz_free(copy, size);
        return 0;
}
