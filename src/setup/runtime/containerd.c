/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd takes hooks from a base specification, a file that each of its runtime handlers can
 * name; it reads it when it starts. The 2.x merge drop-ins key by key; in 1.x one would take the
 * place of the whole CRI section, so there config.toml itself is edited.
 */
#include "base/cleanup.h"
#include "base/number.h"
#include "setup/json_edit.h"
#include "setup/runtime/base_spec.h"
#include "setup/runtime/containerd_plan.h"
#include "setup/runtime/runtime.h"
#include "setup/toml_edit.h"

#include <fnmatch.h>
#include <stdio.h>

#define SPEC_NAME    KH_TOML_OUR_FILE "-spec.json"
#define DROP_IN_NAME KH_TOML_OUR_FILE ".toml"
#define IMPORT_NAME  KH_TOML_OUR_FILE "*.toml"

/* Ours only reach what runs on this kernel: the others have their own, or none, way with hooks. */
static bool runs_hooks(const struct kh_handler *h)
{
        return kh_span_starts(kh_span_of(h->type), KH_SPAN("io.containerd.runc.")) ||
               kh_span_eq(kh_span_of(h->type), KH_SPAN("io.containerd.runtime.v1.linux"));
}

static bool is_our_spec(const char *path)
{
        return kh_span_ends(kh_span_of(path), KH_SPAN("/" SPEC_NAME));
}

/* Another's base specification gets our hooks, and stays what it is otherwise. */
static int plan_foreign_spec(struct kh_containerd_plan *p, const struct kh_hook_set *set,
        const char *path, struct kh_err *err)
{
        struct kh_edit *e =
                kh_plan_edit(p->setup, p->plan, p->instance->owner, KH_FORMAT_SPEC, path, err);

        if (!e)
                return err->code;
        if (!e->base.p)
                return kh_fail(err, -ENOENT,
                        "its base_runtime_spec '%s' is missing: containerd cannot start so", path);
        return kh_json_set_hooks(kh_text_view(&e->base), &set->hooks, &e->after, err);
}

static int choose_handlers(
        struct kh_containerd_plan *p, const struct kh_hook_set *set, struct kh_err *err)
{
        int r = 0;

        for (unsigned i = 0; r == 0 && i < p->now.n; i++) {
                const struct kh_handler *h = &p->now.handlers[i];

                if (!runs_hooks(h)) {
                        kh_text_printf(&p->plan->notes,
                                "handler '%s' is left out: containers of '%s' do not run hooks on "
                                "this kernel\n",
                                h->name, h->type);
                } else if (*h->base && !is_our_spec(h->base)) {
                        r = plan_foreign_spec(p, set, h->base, err);
                } else {
                        p->wanted[i] = true;
                        p->n_wanted++;
                }
        }
        return r;
}

static int plan_spec(
        struct kh_containerd_plan *p, const struct kh_hook_set *set, struct kh_err *err)
{
        struct kh_edit *e =
                kh_plan_edit(p->setup, p->plan, p->instance->owner, KH_FORMAT_LOADED, p->spec, err);
        struct kh_text bare = { 0 };
        int r;

        if (!e)
                return err->code;
        r = kh_base_spec_make(p->setup, p->instance, &bare, err);
        if (r == 0)
                r = kh_json_set_hooks(kh_text_view(&bare), &set->hooks, &e->after, err);
        kh_text_done(&bare);
        return r;
}

/* NAME = VALUE in the place of *TEXT. */
static int set_string(struct kh_text *text, const struct kh_toml_key *table, const char *name,
        const char *value, struct kh_err *err)
{
        struct kh_text quoted = { 0 }, edited = { 0 };
        int r;

        kh_toml_put_string(&quoted, kh_span_of(value));
        r = kh_toml_set(kh_text_view(text), table, name, kh_text_view(&quoted), &edited, err);
        kh_text_done(&quoted);
        kh_text_done(text);
        *text = edited;
        return r;
}

/* The table of a handler in the configuration; 1.x knows no other form, whatever version it says. */
static struct kh_toml_key key_of(const struct kh_containerd_plan *p, const char *name)
{
        if (p->version == 1)
                return KH_TOML_KEY("plugins", "cri", "containerd", "runtimes", name);
        return kh_handler_key(p->version >= 3 && p->now.is_split, name);
}

static bool has_table(struct kh_span text, const struct kh_toml_key *table)
{
        struct kh_toml t = kh_toml_of(text);
        struct kh_toml_item item;

        while (kh_toml_next(&t, &item)) {
                if (kh_toml_key_starts(&item.key, table))
                        return true;
        }
        return false;
}

/* In 1.x a table of a handler takes the place of the built-in one: it needs the type too. */
static int add_lines(struct kh_containerd_plan *p, struct kh_text *text, struct kh_err *err)
{
        int r = 0;

        if (!text->p)
                kh_text_printf(text, "version = %d " KH_TOML_MARK "\n", (int)p->version);
        for (unsigned i = 0; r == 0 && i < p->now.n; i++) {
                const struct kh_handler *h = &p->now.handlers[i];
                struct kh_toml_key table = key_of(p, h->name);

                if (!p->wanted[i])
                        continue;
                if (!has_table(kh_text_view(text), &table))
                        r = set_string(text, &table, "runtime_type", h->type, err);
                if (r == 0)
                        r = set_string(text, &table, "base_runtime_spec", p->spec, err);
        }
        return r;
}

static int plan_config(struct kh_containerd_plan *p, struct kh_err *err)
{
        struct kh_edit *e = p->way == KH_BY_TEMPLATE
                                    ? kh_plan_edit_as_named(p->setup, p->plan, p->instance->owner,
                                              KH_FORMAT_TOML, p->edited, err)
                                    : kh_plan_edit(p->setup, p->plan, p->instance->owner,
                                              KH_FORMAT_TOML, p->edited, err);

        if (!e)
                return err->code;
        e->after = kh_text_of(kh_text_view(&e->base));
        return add_lines(p, &e->after, err);
}

/*
 * A template that is no more than what is rendered now, with our lines. A text between braces would
 * be rendered once more.
 */
static int plan_copy(struct kh_containerd_plan *p, struct kh_err *err)
{
        struct kh_text rendered = { 0 };
        struct kh_edit *e = kh_plan_edit(
                p->setup, p->plan, p->instance->owner, KH_FORMAT_LOADED, p->edited, err);
        int r = e ? kh_host_read(&p->setup->root, p->instance->config, &rendered, err) : err->code;

        if (r == 0 && rendered.p && memmem(rendered.p, rendered.n, "{{", 2))
                r = kh_fail(err, -EOPNOTSUPP, "'%.100s' holds braces, which a template cannot",
                        p->instance->config);
        if (r == 0)
                r = kh_toml_strip(kh_text_view(&rendered), &e->after, err);
        if (r == 0)
                r = add_lines(p, &e->after, err);
        kh_text_done(&rendered);
        if (r == 0)
                kh_text_printf(&p->plan->notes,
                        "'%s' becomes a copy of what is rendered now: flags and registries.yaml "
                        "reach containerd again after an uninstall, or with containerd 2.x\n",
                        p->edited);
        return r;
}

/*
 * Of the main file's version at first: each file is brought to the newest form by itself, and that
 * of an older main file may lose by a newer drop-in what this makes of it (2.1: cni.bin_dir).
 */
static int plan_drop_in(struct kh_containerd_plan *p, struct kh_err *err)
{
        struct kh_edit *e = kh_plan_edit(
                p->setup, p->plan, p->instance->owner, KH_FORMAT_LOADED, p->drop_in, err);
        int r = 0;

        if (!e)
                return err->code;
        kh_text_printf(&e->after, "version = %d\n", (int)p->drop_in_version);
        for (unsigned i = 0; r == 0 && i < p->now.n; i++) {
                struct kh_toml_key table =
                        kh_handler_key(p->drop_in_version >= 3, p->now.handlers[i].name);

                if (p->wanted[i])
                        r = set_string(&e->after, &table, "base_runtime_spec", p->spec, err);
        }
        return r;
}

static bool is_imported(const struct kh_containerd_plan *p, struct kh_span text)
{
        const struct kh_toml_key key = KH_TOML_KEY("imports");
        struct kh_span array, e;
        char pattern[PATH_MAX];
        size_t at = 0;

        if (!kh_toml_find(text, &key, &array, NULL))
                return false;
        while (kh_toml_element(array, &at, &e)) {
                if (kh_containerd_import_path(p, e, pattern) &&
                        fnmatch(pattern, p->drop_in, FNM_PATHNAME) == 0)
                        return true;
        }
        return false;
}

static int plan_import(struct kh_containerd_plan *p, struct kh_err *err)
{
        char directory[PATH_MAX], pattern[PATH_MAX + sizeof(IMPORT_NAME)];
        struct kh_edit *e = kh_plan_edit(
                p->setup, p->plan, p->instance->owner, KH_FORMAT_TOML, p->instance->config, err);
        struct kh_text made = { 0 };
        int r;

        if (!e)
                return err->code;
        if (is_imported(p, kh_text_view(&e->base))) {
                e->after = kh_text_of(kh_text_view(&e->base));
                return 0;
        }
        if (!e->base.p)
                kh_text_printf(&made, "version = %d " KH_TOML_MARK "\n", (int)p->version);
        kh_path_directory(directory, p->drop_in);
        (void)snprintf(pattern, sizeof(pattern), "%s/" IMPORT_NAME, directory);
        r = kh_toml_add_import(
                e->base.p ? kh_text_view(&e->base) : kh_text_view(&made), pattern, &e->after, err);
        kh_text_done(&made);
        return r;
}

/*
 * Where the configuration is rendered, and does not import the drop-in yet, a template has it do
 * so. One that is there already is a text that nobody but its author can edit.
 */
static int plan_template(struct kh_containerd_plan *p, struct kh_err *err)
{
        char path[PATH_MAX], directory[PATH_MAX], imported_path[PATH_MAX + sizeof("/*.toml")];
        struct kh_text rendered;
        struct kh_edit *e;
        int r = kh_host_read(&p->setup->root, p->instance->config, &rendered, err);
        bool imported;

        if (r < 0)
                return r;
        (void)kh_path_join(path, p->directory, KH_CONTAINERD_TEMPLATE);
        kh_path_directory(directory, p->drop_in);
        (void)snprintf(imported_path, sizeof(imported_path), "%s/*.toml", directory);
        imported = is_imported(p, kh_text_view(&rendered));
        kh_text_done(&rendered);
        if (imported && !kh_journal_find(&p->setup->journal, path))
                return 0;
        e = kh_plan_edit(p->setup, p->plan, p->instance->owner, KH_FORMAT_LOADED, path, err);
        if (!e)
                return err->code;
        if (e->current.p && !e->record)
                return kh_fail(err, -EOPNOTSUPP, "'%.80s' is somebody's own: let it import '%.80s'",
                        path, imported_path);
        kh_text_printf(&e->after, "imports = [\"%s\"]\n{{ template \"base\" . }}\n", imported_path);
        return e->after.failed ? kh_fail(err, -ENOMEM, "out of memory") : 0;
}

static void note_spec_by_hand(struct kh_containerd_plan *p)
{
        kh_text_printf(&p->plan->notes,
                "by hand: ctr oci spec | jq 'del(.process.rlimits)' >%s && "
                "kubearmor-hookctl spec add-hooks %s\n",
                p->spec, p->spec);
}

/* What a person can do where the file is beyond a safe edit. */
static void note_by_hand(struct kh_containerd_plan *p)
{
        const char *form = p->now.is_split ? "plugins.\"io.containerd.cri.v1.runtime\""
                                           : "plugins.\"io.containerd.grpc.v1.cri\"";
        struct kh_text *notes = &p->plan->notes;

        note_spec_by_hand(p);
        for (unsigned i = 0; i < p->now.n; i++) {
                if (p->wanted[i])
                        kh_text_printf(notes,
                                "by hand: in '%s', [%s.containerd.runtimes.%s] needs "
                                "base_runtime_spec = \"%s\"\n",
                                p->edited, form, p->now.handlers[i].name, p->spec);
        }
        kh_text_printf(notes, "by hand: then restart %s\n", kh_owner_name[p->instance->owner]);
}

/* What names our specification. */
static int plan_keys(struct kh_containerd_plan *p, struct kh_err *err)
{
        int r = 0;

        switch (p->way) {
        case KH_BY_CONFIG:
        case KH_BY_TEMPLATE:
                return plan_config(p, err);
        case KH_BY_COPY:
                return plan_copy(p, err);
        case KH_BY_DROP_IN:
                r = plan_drop_in(p, err);
                return r < 0 ? r : plan_import(p, err);
        case KH_BY_RENDERED:
                r = plan_drop_in(p, err);
                return r < 0 ? r : plan_template(p, err);
        case KH_BY_PATCH:
                return plan_drop_in(p, err);
        }
        return r;
}

/* Which of several handlers is not hooked is not told by the names of files. */
static void note_unhooked(struct kh_containerd_plan *p)
{
        unsigned hooked = 0;

        for (unsigned i = 0; i < p->now.n; i++)
                hooked += p->wanted[i] && *p->now.handlers[i].base;
        for (unsigned i = 0; hooked && i < p->now.n; i++) {
                if (p->wanted[i] && !*p->now.handlers[i].base)
                        kh_text_printf(&p->plan->notes, "handler '%s' does not name the hook yet\n",
                                p->now.handlers[i].name);
        }
}

static int plan_files(
        struct kh_containerd_plan *p, const struct kh_hook_set *set, struct kh_err *err)
{
        int r = choose_handlers(p, set, err);

        if (r == 0 && !p->n_wanted && !p->plan->edits)
                return kh_fail(err, -ENODEV,
                        "it has no runtime handler whose containers run hooks on this kernel");
        if (r < 0 || !p->n_wanted)
                return r;
        r = plan_spec(p, set, err);
        if (r == 0)
                r = plan_keys(p, err);
        /* what 1.x would do with a drop-in is not what happens to a patch */
        if (r == 0 && (p->way != KH_BY_PATCH || p->now.is_split))
                r = kh_containerd_check(p, err);
        if (r < 0)
                note_by_hand(p);
        else
                note_unhooked(p);
        return r;
}

int kh_containerd_place(struct kh_containerd_plan *p, const char *drop_in, struct kh_err *err)
{
        const char *config = p->instance->config;

        kh_path_directory(p->directory, config);
        (void)snprintf(p->edited, sizeof(p->edited), "%s", config);
        if (kh_path_join(p->spec, p->directory, SPEC_NAME) &&
                snprintf(p->drop_in, sizeof(p->drop_in), "%s/%s/" DROP_IN_NAME, p->directory,
                        drop_in) < (int)sizeof(p->drop_in))
                return 0;
        return kh_fail(err, -ENAMETOOLONG, "the path '%s' is too long", config);
}

/* A file that names no version is of the first. One that is to be made is of the daemon's time. */
int kh_containerd_version(struct kh_containerd_plan *p, struct kh_err *err)
{
        const struct kh_toml_key key = KH_TOML_KEY("version");
        struct kh_text text;
        struct kh_span value;
        int r = kh_host_read(&p->setup->root, p->instance->config, &text, err);

        if (r < 0)
                return r;
        p->version = 1;
        if (!text.p)
                p->version = p->instance->major >= 2 ? 3 : 2;
        else if (kh_toml_find(kh_text_view(&text), &key, &value, NULL))
                (void)kh_parse_u64(value, UINT32_MAX, &p->version);
        kh_text_done(&text);
        return 0;
}

/* What a template has braces for is told by what it was rendered to last. */
static int read_types(struct kh_containerd_plan *p, struct kh_err *err)
{
        struct kh_containerd_config rendered;
        int r = kh_containerd_dump(p->setup, p->instance, p->instance->config, &rendered, err);

        if (r < 0)
                return r;
        for (unsigned i = 0; i < p->now.n; i++) {
                for (unsigned j = 0; j < rendered.n; j++) {
                        if (strcmp(p->now.handlers[i].name, rendered.handlers[j].name) == 0)
                                memcpy(p->now.handlers[i].type, rendered.handlers[j].type,
                                        sizeof(rendered.handlers[j].type));
                }
        }
        kh_containerd_config_done(&rendered);
        return 0;
}

static int read_handlers(struct kh_containerd_plan *p, struct kh_err *err)
{
        const char *path = p->way == KH_BY_TEMPLATE ? p->edited : p->instance->config;
        int r = kh_containerd_dump(p->setup, p->instance,
                kh_host_exists(&p->setup->root, path) ? path : "", &p->now, err);

        if (r < 0 && p->way == KH_BY_TEMPLATE) {
                note_spec_by_hand(p);
                return kh_fail(err, -EOPNOTSUPP,
                        "'%.80s' is no plain TOML: give base_runtime_spec = \"%.80s\" to each "
                        "handler in it yourself",
                        path, p->spec);
        }
        if (r == 0 && p->way == KH_BY_TEMPLATE)
                r = read_types(p, err);
        if (r == 0 && p->now.cri_is_off)
                r = kh_fail(err, -ENODEV,
                        "CRI is off in '%s' (disabled_plugins), so no pod runs here: "
                        "nothing to set up",
                        path);
        if (r == 0 && p->now.n == 0)
                r = kh_fail(err, -EOPNOTSUPP, "it has no runtime handlers: is CRI built in?");
        return r;
}

/*
 * What containerd makes of an older main file when it brings that to the newest form hangs on more
 * than one would think (2.1: a snapshotter is lost by a table of runtimes). Where a drop-in of the
 * main file's version is refused, one of the newest may do, or lines in the main file.
 */
static bool has_other_way(struct kh_containerd_plan *p)
{
        if (p->way != KH_BY_DROP_IN)
                return false;
        if (p->drop_in_version < 3)
                p->drop_in_version = 3;
        else
                p->way = KH_BY_CONFIG;
        kh_plan_drop_edits(p->plan);
        kh_text_done(&p->plan->notes);
        memset(p->wanted, 0, sizeof(p->wanted));
        p->n_wanted = 0;
        return true;
}

int kh_containerd_plan(struct kh_containerd_plan *p, struct kh_err *err)
{
        struct kh_hook_set set;
        int r = read_handlers(p, err);

        if (r == 0)
                r = kh_hook_set_make(p->setup, &set, err);
        if (r == 0) {
                p->drop_in_version = p->version >= 3 ? 3 : 2;
                do
                        r = plan_files(p, &set, err);
                while (r == -EOPNOTSUPP && has_other_way(p));
                kh_hook_set_done(&set);
        }
        kh_containerd_config_done(&p->now);
        return r;
}

int kh_plan_containerd(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *ret, struct kh_err *err)
{
        struct kh_containerd_plan p = { .setup = s, .instance = i, .plan = ret };
        int r = kh_containerd_place(&p, "conf.d", err);

        p.way = i->major >= 2 ? KH_BY_DROP_IN : KH_BY_CONFIG;
        if (r == 0)
                r = kh_containerd_version(&p, err);
        return r < 0 ? r : kh_containerd_plan(&p, err);
}
