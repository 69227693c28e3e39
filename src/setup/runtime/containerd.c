/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd takes hooks from a base specification, a file that each of its runtime handlers can
 * name; it reads it when it starts. The 2.x merge drop-ins key by key; in 1.x one would take the
 * place of the whole CRI section, so there config.toml itself is edited.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/number.h"
#include "setup/command.h"
#include "setup/file.h"
#include "setup/hook_set.h"
#include "setup/json_edit.h"
#include "setup/runtime/containerd_config.h"
#include "setup/runtime/runtime.h"
#include "setup/toml_edit.h"

#include <fnmatch.h>
#include <stdio.h>

#define SPEC_NAME    KH_TOML_OUR_FILE "-spec.json"
#define DROP_IN_DIR  "conf.d"
#define RENDERED_DIR "config-v3.toml.d"
#define TEMPLATE     "config-v3.toml.tmpl"
#define DROP_IN_NAME KH_TOML_OUR_FILE ".toml"
#define IMPORT_NAME  KH_TOML_OUR_FILE "*.toml"

/* What is asked of the daemon's program before anything is replaced. */
#define CHECK_MAIN    "/run/kubearmor-check.toml"
#define CHECK_DROP_IN "/run/kubearmor-check-drop-in.toml"

struct work {
        struct kh_setup *setup;
        const struct kh_instance *instance;
        struct kh_plan *plan;
        char directory[PATH_MAX]; /* of the configuration */
        char spec[PATH_MAX];
        char drop_in[PATH_MAX];
        uint64_t version; /* of the configuration file */
        bool is_rendered; /* that file is made anew at each start, from a template */
        struct kh_containerd_config now;
        bool wanted[KH_HANDLERS_MAX]; /* which handlers get our specification */
        unsigned n_wanted;
};

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
static int plan_foreign_spec(
        struct work *w, const struct kh_hook_set *set, const char *path, struct kh_err *err)
{
        struct kh_edit *e =
                kh_plan_edit(w->setup, w->plan, w->instance->owner, KH_FORMAT_SPEC, path, err);

        if (!e)
                return err->code;
        if (!e->base.p)
                return kh_fail(err, -ENOENT,
                        "its base_runtime_spec '%s' is missing: containerd cannot start so", path);
        return kh_json_set_hooks(kh_text_view(&e->base), &set->hooks, &e->after, err);
}

static int choose_handlers(struct work *w, const struct kh_hook_set *set, struct kh_err *err)
{
        int r = 0;

        for (unsigned i = 0; r == 0 && i < w->now.n; i++) {
                const struct kh_handler *h = &w->now.handlers[i];

                if (!runs_hooks(h)) {
                        kh_text_printf(&w->plan->notes,
                                "handler '%s' is left out: containers of '%s' do not run hooks on "
                                "this kernel\n",
                                h->name, h->type);
                } else if (*h->base && !is_our_spec(h->base)) {
                        r = plan_foreign_spec(w, set, h->base, err);
                } else {
                        w->wanted[i] = true;
                        w->n_wanted++;
                }
        }
        return r;
}

/* The daemon's own default; CRI clears its limit of 1,024 files only where there is no base. */
static int make_spec(struct work *w, struct kh_text *ret, struct kh_err *err)
{
        const struct kh_member_path limits = KH_MEMBER(KH_SPAN("process"), KH_SPAN("rlimits"));
        char ctr[PATH_MAX];
        const char *const argv[] = { ctr, "oci", "spec", NULL };
        struct kh_text spec = { 0 };
        int r;

        (void)snprintf(ctr, sizeof(ctr), "%.*sctr",
                (int)(strrchr(w->instance->program, '/') + 1 - w->instance->program),
                w->instance->program);
        if (!kh_host_exists(&w->setup->root, ctr) && !kh_command_find(&w->setup->root, "ctr", ctr))
                return kh_fail(err, -ENOENT,
                        "there is no 'ctr' beside '%.100s' to make a base specification with",
                        w->instance->program);
        r = kh_command_run(&w->setup->root, argv, KH_SPAN(""), kh_boottime_ns() + KH_COMMAND_NS,
                &spec, NULL, err);
        if (r > 0)
                r = kh_fail(err, -EIO, "'%s oci spec' fails", ctr);
        if (r == 0)
                r = kh_json_remove(kh_text_view(&spec), &limits, ret, err);
        kh_text_done(&spec);
        return r < 0 ? r : 0;
}

static int plan_spec(struct work *w, const struct kh_hook_set *set, struct kh_err *err)
{
        struct kh_edit *e =
                kh_plan_edit(w->setup, w->plan, w->instance->owner, KH_FORMAT_LOADED, w->spec, err);
        struct kh_text bare = { 0 };
        int r;

        if (!e)
                return err->code;
        r = make_spec(w, &bare, err);
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

/* The table of a handler in a file of 1.x. */
static struct kh_toml_key old_key(uint64_t version, const char *name)
{
        if (version == 1)
                return KH_TOML_KEY("plugins", "cri", "containerd", "runtimes", name);
        return kh_handler_key(false, name);
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
static int add_to_main(struct work *w, struct kh_text *text, struct kh_err *err)
{
        int r = 0;

        if (!text->p)
                kh_text_printf(text, "version = %d " KH_TOML_MARK "\n", (int)w->version);
        for (unsigned i = 0; r == 0 && i < w->now.n; i++) {
                const struct kh_handler *h = &w->now.handlers[i];
                struct kh_toml_key table = old_key(w->version, h->name);

                if (!w->wanted[i])
                        continue;
                if (!has_table(kh_text_view(text), &table))
                        r = set_string(text, &table, "runtime_type", h->type, err);
                if (r == 0)
                        r = set_string(text, &table, "base_runtime_spec", w->spec, err);
        }
        return r;
}

static int plan_main(struct work *w, struct kh_err *err)
{
        struct kh_edit *e = kh_plan_edit(
                w->setup, w->plan, w->instance->owner, KH_FORMAT_TOML, w->instance->config, err);

        if (!e)
                return err->code;
        e->after = kh_text_of(kh_text_view(&e->base));
        return add_to_main(w, &e->after, err);
}

/*
 * Of the main file's version: each file is brought to the newest form by itself, and that of an
 * older main file would lose by a newer drop-in what this makes of it (2.1: cni.bin_dir).
 */
static int plan_drop_in(struct work *w, struct kh_err *err)
{
        bool is_split = w->version >= 3;
        struct kh_edit *e = kh_plan_edit(
                w->setup, w->plan, w->instance->owner, KH_FORMAT_LOADED, w->drop_in, err);
        int r = 0;

        if (!e)
                return err->code;
        kh_text_printf(&e->after, "version = %d\n", is_split ? 3 : 2);
        for (unsigned i = 0; r == 0 && i < w->now.n; i++) {
                struct kh_toml_key table = kh_handler_key(is_split, w->now.handlers[i].name);

                if (w->wanted[i])
                        r = set_string(&e->after, &table, "base_runtime_spec", w->spec, err);
        }
        return r;
}

/* An element of `imports`, as a path from the root. */
static bool import_path(const struct work *w, struct kh_span element, char *ret)
{
        struct kh_text text = { 0 };
        bool good = kh_toml_string(element, &text) && text.p;

        if (good && *text.p == '/')
                (void)snprintf(ret, PATH_MAX, "%s", text.p);
        else
                good = good && kh_path_join(ret, w->directory, text.p);
        kh_text_done(&text);
        return good;
}

static bool is_imported(const struct work *w, struct kh_span text)
{
        const struct kh_toml_key key = KH_TOML_KEY("imports");
        struct kh_span array, e;
        char pattern[PATH_MAX];
        size_t at = 0;

        if (!kh_toml_find(text, &key, &array, NULL))
                return false;
        while (kh_toml_element(array, &at, &e)) {
                if (import_path(w, e, pattern) && fnmatch(pattern, w->drop_in, FNM_PATHNAME) == 0)
                        return true;
        }
        return false;
}

static int plan_import(struct work *w, struct kh_err *err)
{
        char pattern[PATH_MAX];
        struct kh_edit *e = kh_plan_edit(
                w->setup, w->plan, w->instance->owner, KH_FORMAT_TOML, w->instance->config, err);
        struct kh_text made = { 0 };
        int r;

        if (!e)
                return err->code;
        if (is_imported(w, kh_text_view(&e->base))) {
                e->after = kh_text_of(kh_text_view(&e->base));
                return 0;
        }
        if (!e->base.p)
                kh_text_printf(&made, "version = %d " KH_TOML_MARK "\n", (int)w->version);
        (void)snprintf(
                pattern, sizeof(pattern), "%.3000s/" DROP_IN_DIR "/" IMPORT_NAME, w->directory);
        r = kh_toml_add_import(
                e->base.p ? kh_text_view(&e->base) : kh_text_view(&made), pattern, &e->after, err);
        kh_text_done(&made);
        return r;
}

/*
 * Where the configuration is rendered, and does not import the drop-in yet, a template has it do
 * so. One that is there already is a text that nobody but its author can edit.
 */
static int plan_template(struct work *w, struct kh_err *err)
{
        char path[PATH_MAX];
        struct kh_text rendered;
        struct kh_edit *e;
        int r = kh_host_read(&w->setup->root, w->instance->config, &rendered, err);
        bool imported;

        if (r < 0)
                return r;
        (void)kh_path_join(path, w->directory, TEMPLATE);
        imported = is_imported(w, kh_text_view(&rendered));
        kh_text_done(&rendered);
        if (imported && !kh_journal_find(&w->setup->journal, path))
                return 0;
        e = kh_plan_edit(w->setup, w->plan, w->instance->owner, KH_FORMAT_LOADED, path, err);
        if (!e)
                return err->code;
        if (e->current.p && !e->record)
                return kh_fail(err, -EOPNOTSUPP,
                        "'%.80s' is somebody's own: let it import " RENDERED_DIR "/*.toml", path);
        kh_text_printf(&e->after,
                "imports = [\"%s/" RENDERED_DIR "/*.toml\"]\n{{ template \"base\" . }}\n",
                w->directory);
        return e->after.failed ? kh_fail(err, -ENOMEM, "out of memory") : 0;
}

static const struct kh_edit *edit_of(const struct work *w, const char *path)
{
        char resolved[PATH_MAX];

        if (kh_host_resolve(&w->setup->root, path, resolved, NULL) < 0)
                return NULL;
        for (const struct kh_edit *e = w->plan->edits; e; e = e->next) {
                if (strcmp(e->path, resolved) == 0)
                        return e;
        }
        return NULL;
}

/* The main file as it will be, where its relative imports lead nowhere, with the drop-in as it
 * will. */
static int write_check(
        struct work *w, struct kh_span main, const struct kh_edit *drop_in, struct kh_err *err)
{
        const struct kh_toml_key root = { .n = 0 }, key = KH_TOML_KEY("imports");
        struct kh_text imports = { 0 }, text = { 0 };
        struct kh_span array, e;
        char path[PATH_MAX];
        size_t at = 0;
        int r = 0;

        kh_text_printf(&imports, "[");
        if (kh_toml_find(main, &key, &array, NULL)) {
                while (kh_toml_element(array, &at, &e)) {
                        if (!import_path(w, e, path))
                                continue;
                        kh_toml_put_string(&imports, kh_span_of(path));
                        kh_text_printf(&imports, ", ");
                }
        }
        if (drop_in)
                kh_text_printf(&imports, "\"" CHECK_DROP_IN "\"");
        kh_text_printf(&imports, "]");
        r = kh_toml_set(main, &root, "imports", kh_text_view(&imports), &text, err);
        if (r == 0)
                r = kh_file_set(&w->setup->root, CHECK_MAIN, kh_text_view(&text), 0600, NULL, err);
        if (r == 0 && drop_in)
                r = kh_file_set(&w->setup->root, CHECK_DROP_IN, kh_text_view(&drop_in->after), 0600,
                        NULL, err);
        kh_text_done(&imports);
        kh_text_done(&text);
        return r;
}

static int compare(
        const struct work *w, const struct kh_containerd_config *then, struct kh_err *err)
{
        if (then->n != w->now.n)
                return kh_fail(err, -EOPNOTSUPP, "the edit would change which handlers there are");
        for (unsigned i = 0; i < then->n; i++) {
                const char *wanted = w->wanted[i] ? w->spec : w->now.handlers[i].base;

                if (strcmp(then->handlers[i].base, wanted) != 0)
                        return kh_fail(err, -EOPNOTSUPP,
                                "containerd would not take the edit of handler '%s': another file "
                                "decides it",
                                then->handlers[i].name);
        }
        return kh_containerd_compare(&w->now, then, err);
}

static bool is_unchanged(const struct kh_edit *e)
{
        return !e || kh_text_eq(&e->current, &e->after);
}

/* The daemon's program reads what is to be written: exactly our keys may differ. */
static int check(struct work *w, struct kh_err *err)
{
        const struct kh_edit *main = w->is_rendered ? NULL : edit_of(w, w->instance->config);
        const struct kh_edit *drop_in = edit_of(w, w->drop_in);
        struct kh_containerd_config then;
        struct kh_text text = { 0 };
        int r;

        if (is_unchanged(main) && is_unchanged(drop_in))
                return 0;
        r = main ? 0 : kh_host_read(&w->setup->root, w->instance->config, &text, err);
        if (r == 0)
                r = write_check(
                        w, main ? kh_text_view(&main->after) : kh_text_view(&text), drop_in, err);
        if (r == 0)
                r = kh_containerd_dump(w->setup, w->instance, CHECK_MAIN, &then, err);
        if (r == 0) {
                r = compare(w, &then, err);
                kh_containerd_config_done(&then);
        }
        (void)kh_file_set(&w->setup->root, CHECK_MAIN, (struct kh_span){ 0 }, 0, NULL, NULL);
        (void)kh_file_set(&w->setup->root, CHECK_DROP_IN, (struct kh_span){ 0 }, 0, NULL, NULL);
        kh_text_done(&text);
        return r;
}

/* What a person can do where the file is beyond a safe edit. */
static void note_by_hand(struct work *w)
{
        const char *form = w->now.is_split ? "plugins.\"io.containerd.cri.v1.runtime\""
                                           : "plugins.\"io.containerd.grpc.v1.cri\"";
        struct kh_text *notes = &w->plan->notes;

        kh_text_printf(notes,
                "by hand: ctr oci spec | jq 'del(.process.rlimits)' >%s && "
                "kubearmor-hookctl spec add-hooks %s\n",
                w->spec, w->spec);
        for (unsigned i = 0; i < w->now.n; i++) {
                if (w->wanted[i])
                        kh_text_printf(notes,
                                "by hand: in '%s', [%s.containerd.runtimes.%s] needs "
                                "base_runtime_spec = \"%s\"\n",
                                w->instance->config, form, w->now.handlers[i].name, w->spec);
        }
        kh_text_printf(notes, "by hand: then restart containerd\n");
}

static int plan_files(struct work *w, const struct kh_hook_set *set, struct kh_err *err)
{
        bool merges = w->is_rendered || w->instance->major >= 2;
        int r = choose_handlers(w, set, err);

        if (r < 0 || !w->n_wanted)
                return r;
        r = plan_spec(w, set, err);
        if (r == 0 && merges)
                r = plan_drop_in(w, err);
        if (r == 0)
                r = w->is_rendered ? plan_template(w, err)
                    : merges       ? plan_import(w, err)
                                   : plan_main(w, err);
        if (r == 0)
                r = check(w, err);
        if (r < 0)
                note_by_hand(w);
        return r;
}

/* A file that names no version is of the first. One that is to be made is of the daemon's time. */
static int read_version(struct work *w, struct kh_err *err)
{
        const struct kh_toml_key key = KH_TOML_KEY("version");
        struct kh_text text;
        struct kh_span value;
        int r = kh_host_read(&w->setup->root, w->instance->config, &text, err);

        if (r < 0)
                return r;
        w->version = 1;
        if (!text.p)
                w->version = w->instance->major >= 2 ? 3 : 2;
        else if (kh_toml_find(kh_text_view(&text), &key, &value, NULL))
                (void)kh_parse_u64(value, UINT32_MAX, &w->version);
        kh_text_done(&text);
        return 0;
}

static int look_around(struct work *w, struct kh_err *err)
{
        const char *config = w->instance->config;
        int r;

        (void)snprintf(w->directory, sizeof(w->directory), "%.*s",
                (int)(strrchr(config, '/') - config), config);
        if (!kh_path_join(w->spec, w->directory, SPEC_NAME) ||
                !kh_path_join(w->drop_in, w->directory,
                        w->is_rendered ? RENDERED_DIR "/" DROP_IN_NAME
                                       : DROP_IN_DIR "/" DROP_IN_NAME))
                return kh_fail(err, -ENAMETOOLONG, "the path '%s' is too long", config);
        r = read_version(w, err);
        if (r == 0 && w->is_rendered && w->version < 3)
                r = kh_fail(err, -EOPNOTSUPP,
                        "'%s' is made anew at each start, and that of containerd 1.x has no place "
                        "for a base specification: upgrade, or write a whole template",
                        config);
        if (r < 0)
                return r;
        r = kh_containerd_dump(w->setup, w->instance,
                kh_host_exists(&w->setup->root, config) ? config : "", &w->now, err);
        if (r == 0 && w->now.cri_is_off)
                r = kh_fail(err, -EOPNOTSUPP,
                        "CRI is off in '%s' (disabled_plugins), so no pod runs here: nothing to "
                        "set up",
                        config);
        if (r == 0 && w->now.n == 0)
                r = kh_fail(err, -EOPNOTSUPP, "it has no runtime handlers: is CRI built in?");
        return r;
}

static int plan(struct kh_setup *s, const struct kh_instance *i, bool is_rendered,
        struct kh_plan *plan, struct kh_err *err)
{
        kh_cleanup(kh_freep) struct work *w = calloc(1, sizeof(*w));
        struct kh_hook_set set;
        int r;

        if (!w)
                return kh_fail(err, -ENOMEM, "out of memory");
        w->setup = s;
        w->instance = i;
        w->plan = plan;
        w->is_rendered = is_rendered;
        r = look_around(w, err);
        if (r == 0)
                r = kh_hook_set_make(s, &set, err);
        if (r == 0) {
                r = plan_files(w, &set, err);
                kh_hook_set_done(&set);
        }
        kh_containerd_config_done(&w->now);
        return r;
}

int kh_plan_containerd(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *ret, struct kh_err *err)
{
        return plan(s, i, false, ret, err);
}

/* k3s and RKE2 bring a containerd along, which is found in its place when it does not run. */
int kh_plan_k3s(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *ret, struct kh_err *err)
{
        static struct kh_instance embedded;

        embedded = *i;
        if (!i->pid)
                (void)snprintf(embedded.program, sizeof(embedded.program), "%s",
                        i->owner == KH_OWNER_K3S
                                ? "/var/lib/rancher/k3s/data/current/bin/containerd"
                                : "/var/lib/rancher/rke2/bin/containerd");
        if (!kh_host_exists(&s->root, i->config))
                return kh_fail(err, -ENOENT, "there is no '%s': start %s once", i->config,
                        kh_owner_name[i->owner]);
        return plan(s, &embedded, true, ret, err);
}

int kh_plan_by_hand(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *ret, struct kh_err *err)
{
        const char *source = i->owner == KH_OWNER_K0S
                                     ? "/etc/k0s/containerd.d"
                                     : "/var/snap/microk8s/current/args/containerd-template.toml";

        (void)s;
        kh_text_printf(&ret->notes,
                "by hand: ctr oci spec | jq 'del(.process.rlimits)' >SPEC && kubearmor-hookctl spec "
                "add-hooks SPEC; then name SPEC as base_runtime_spec of runc in '%s'\n",
                source);
        return kh_fail(err, -EOPNOTSUPP,
                "it makes containerd's configuration anew at each start, from '%s': edit that",
                source);
}
