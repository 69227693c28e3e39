/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "setup/toml_edit.h"

#include <errno.h>
#include <stdio.h>

#define MARK " " KH_TOML_MARK

static const char *const runc_parts[] = { "plugins", "io.containerd.grpc.v1.cri", "containerd",
        "runtimes", "runc", NULL };

static int set(const char *from, struct kh_text *ret)
{
        const struct kh_toml_key table = kh_toml_key_of(runc_parts);
        struct kh_err err = { 0 };

        *ret = (struct kh_text){ 0 };
        return kh_toml_set(kh_span_of(from), &table, "base_runtime_spec",
                KH_SPAN("\"/etc/c/kubearmor-hook-spec.json\""), ret, &err);
}

static void sets(const char *from, const char *to)
{
        struct kh_text edited, back = { 0 };

        assert_int_equal(set(from, &edited), 0);
        assert_string_equal(edited.p, to);
        assert_int_equal(kh_toml_strip(kh_text_view(&edited), &back, NULL), 0);
        assert_string_equal(back.p, from);
        kh_text_done(&edited);
        kh_text_done(&back);
}

#define RUNC  "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]"
#define BASE  "base_runtime_spec = \"/etc/c/kubearmor-hook-spec.json\""
#define LINES "version = 2\n"

#define RUNC_OPTIONS "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n"

static void a_key_beside_its_siblings(void **state)
{
        (void)state;
        sets(LINES RUNC "\n  runtime_type = \"t\" # why\n\n[other]\n",
                LINES RUNC "\n  runtime_type = \"t\" # why\n  " BASE MARK "\n\n[other]\n");
        sets(RUNC "\r\nruntime_type = 't'\r\n", RUNC "\r\nruntime_type = 't'\r\n" BASE MARK "\r\n");
        sets("\xef\xbb\xbf" RUNC "\n\truntime_type='t'",
                "\xef\xbb\xbf" RUNC "\n\truntime_type='t'\n\t" BASE MARK);
}

static void a_key_below_a_bare_header(void **state)
{
        (void)state;
        sets("  " RUNC " # empty\n" RUNC_OPTIONS,
                "  " RUNC " # empty\n    " BASE MARK "\n" RUNC_OPTIONS);
}

static void a_key_in_dotted_form(void **state)
{
        (void)state;
        sets("[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes]\nrunc . runtime_type = 't'\n",
                "[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes]\nrunc . runtime_type = "
                "'t'\nrunc . " BASE MARK "\n");
}

static void a_table_where_there_is_none(void **state)
{
        (void)state;
        sets("", "" RUNC MARK "\n" BASE MARK "\n");
        sets("s = '''\n[plugins]\n'''\n",
                "s = '''\n[plugins]\n'''\n" RUNC MARK "\n" BASE MARK "\n");
        sets("a = [\n  \"]\", # ]\n]\n\n",
                "a = [\n  \"]\", # ]\n]\n\n" RUNC MARK "\n" BASE MARK "\n");
}

static void an_empty_value_is_filled(void **state)
{
        (void)state;
        sets(RUNC "\n  base_runtime_spec = \"\"  # none\n", RUNC "\n  " BASE "  # none\n");
}

static void what_cannot_be_edited_is_refused(void **state)
{
        static const struct {
                const char *text;
                int code;
        } cases[] = {
                { "plugins = { a = 1 }\n", -EOPNOTSUPP },
                { "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\nruntimes = { runc = {} }\n",
                        -EOPNOTSUPP },
                { "[[plugins]]\n", -EOPNOTSUPP },
                { "[plugins\n", -EBADMSG },
                { "a = \"x\n", -EBADMSG },
                { "a = [1, 2\n", -EBADMSG },
                { "a = 1 b = 2\n", -EBADMSG },
                { "a = [}\n", -EBADMSG },
                { "\"a\\u0062\" = 1\n", -EBADMSG },
                { "= 1\n", -EBADMSG },
                { "a =\n", -EBADMSG },
                { "s = '''x\n", -EBADMSG },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct kh_text edited;

                assert_int_equal(set(cases[i].text, &edited), cases[i].code);
                kh_text_done(&edited);
        }
}

static void imports(const char *from, const char *to)
{
        struct kh_text edited = { 0 }, back = { 0 };

        assert_int_equal(
                kh_toml_add_import(kh_span_of(from), "/e/kubearmor-hook*.toml", &edited, NULL), 0);
        assert_string_equal(edited.p, to);
        assert_int_equal(kh_toml_strip(kh_text_view(&edited), &back, NULL), 0);
        assert_string_equal(back.p, from);
        kh_text_done(&edited);
        kh_text_done(&back);
}

static void imports_are_added(void **state)
{
        (void)state;
        imports("version = 2\n[a]\n",
                "version = 2\nimports = [\"/e/kubearmor-hook*.toml\"]" MARK "\n[a]\n");
        imports("[a]\n", "imports = [\"/e/kubearmor-hook*.toml\"]" MARK "\n[a]\n");
        imports("imports = []\n", "imports = [\"/e/kubearmor-hook*.toml\"]\n");
        imports("imports = [\n 'x', # y\n]\n",
                "imports = [\n 'x', \"/e/kubearmor-hook*.toml\", # y\n]\n");
}

/* Others edited around ours: theirs stays. */
static void only_ours_are_stripped(void **state)
{
        struct kh_text back = { 0 };

        (void)state;
        assert_int_equal(
                kh_toml_strip(
                        KH_SPAN("imports = [\"/e/kubearmor-hook*.toml\", 'n',\n'm']\n[r] # mine\n"
                                "base_runtime_spec = '/a/kubearmor-hook-spec.json' # own words\n"
                                "x = 1" MARK "\ny = 2\n"),
                        &back, NULL),
                0);
        assert_string_equal(back.p, "imports = ['n',\n'm']\n[r] # mine\nbase_runtime_spec = \"\" # "
                                    "own words\ny = 2\n");
        kh_text_done(&back);
}

static void strings_are_decoded(void **state)
{
        struct kh_text s = { 0 };

        (void)state;
        assert_true(kh_toml_string(KH_SPAN("\"a\\tb\\u00e9\\U0001F600\\\\\""), &s));
        assert_string_equal(s.p, "a\tb\xc3\xa9\xf0\x9f\x98\x80\\");
        kh_text_done(&s);
        assert_true(kh_toml_string(KH_SPAN("'a\\t'"), &s));
        assert_string_equal(s.p, "a\\t");
        kh_text_done(&s);
        assert_false(kh_toml_string(KH_SPAN("\"\\ud800\""), &s));
        assert_false(kh_toml_string(KH_SPAN("\"\\x\""), &s));
        assert_false(kh_toml_string(KH_SPAN("12"), &s));
        kh_text_done(&s);
}

/* Lines of all kinds in any order: what is not refused comes back, and the key is found. */
static void any_text_comes_back(void **state)
{
        static const char runc_line[] = RUNC "\n";
        static const char *const lines[] = { "\n", "# [plugins]\n", "version = 2\n",
                "a.b = { c = 1 }\n", "[other]\n", "  [plugins.\"io.containerd.grpc.v1.cri\"]\n",
                runc_line,
                "  [plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc.options]\n",
                "    SystemdCgroup = true\r\n", "runtime_type = \"io.containerd.runc.v2\"\n",
                "base_runtime_spec = \"\"\n", "s = \"\"\"\n[plugins]\n\"\"\"\n", "l = [ 1,\n 2 ]\n",
                "imports = ['a']\n" };
        const struct kh_toml_key table = kh_toml_key_of(runc_parts);
        struct kh_toml_key key = table;
        struct fixture_random r = { 7 };
        int edited_texts = 0;

        (void)state;
        key.part[key.n++] = KH_SPAN("base_runtime_spec");
        for (int i = 0; i < 20000; i++) {
                struct kh_text text = kh_text_of(KH_SPAN("")), edited, back = { 0 };
                struct kh_span value = { 0 };

                for (unsigned n = fixture_below(&r, 9); n; n--)
                        kh_text_span(&text, kh_span_of(lines[fixture_below(&r, 14)]));
                if (set(text.p, &edited) == 0) {
                        assert_true(kh_toml_find(kh_text_view(&edited), &key, &value, NULL));
                        assert_span_equal(value, "\"/etc/c/kubearmor-hook-spec.json\"");
                        assert_int_equal(kh_toml_strip(kh_text_view(&edited), &back, NULL), 0);
                        assert_string_equal(back.p, text.p);
                        edited_texts++;
                }
                kh_text_done(&text);
                kh_text_done(&edited);
                kh_text_done(&back);
        }
        assert_true(edited_texts > 10000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_key_beside_its_siblings),
                cmocka_unit_test(a_key_below_a_bare_header),
                cmocka_unit_test(a_key_in_dotted_form),
                cmocka_unit_test(a_table_where_there_is_none),
                cmocka_unit_test(an_empty_value_is_filled),
                cmocka_unit_test(what_cannot_be_edited_is_refused),
                cmocka_unit_test(imports_are_added),
                cmocka_unit_test(only_ours_are_stripped),
                cmocka_unit_test(strings_are_decoded),
                cmocka_unit_test(any_text_comes_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
