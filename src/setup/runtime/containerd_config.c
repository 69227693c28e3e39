/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/runtime/containerd_config.h"

#include "base/clock.h"
#include "setup/command.h"

#include <errno.h>
#include <stdio.h>

#define CRI         "io.containerd.grpc.v1.cri"
#define CRI_RUNTIME "io.containerd.cri.v1.runtime"

struct kh_toml_key kh_handler_key(bool is_split, const char *name)
{
        return KH_TOML_KEY("plugins", is_split ? CRI_RUNTIME : CRI, "containerd", "runtimes", name);
}

static bool copy_string(struct kh_span value, char *ret, size_t cap)
{
        struct kh_text text = { 0 };
        bool fits = kh_toml_string(value, &text) && text.p && text.n < cap;

        if (fits)
                memcpy(ret, text.p, text.n + 1);
        kh_text_done(&text);
        return fits;
}

static struct kh_handler *handler_of(struct kh_containerd_config *c, struct kh_span name)
{
        struct kh_handler *h;

        for (unsigned i = 0; i < c->n; i++) {
                if (kh_span_eq(kh_span_of(c->handlers[i].name), name))
                        return &c->handlers[i];
        }
        if (c->n == KH_HANDLERS_MAX || name.n >= sizeof(h->name))
                return NULL;
        h = &c->handlers[c->n++];
        *h = (struct kh_handler){ .type = "" };
        memcpy(h->name, name.p, name.n);
        return h;
}

/* Whether the item is of a handler's own table; the split form wins, as it does in the daemon. */
static bool is_of_handler(struct kh_containerd_config *c, const struct kh_toml_item *item)
{
        const struct kh_toml_key split =
                KH_TOML_KEY("plugins", CRI_RUNTIME, "containerd", "runtimes");
        const struct kh_toml_key whole = KH_TOML_KEY("plugins", CRI, "containerd", "runtimes");

        if (item->key.n < 5)
                return false;
        if (kh_toml_key_starts(&item->key, &split)) {
                if (!c->is_split)
                        c->n = 0;
                c->is_split = true;
                return true;
        }
        return !c->is_split && kh_toml_key_starts(&item->key, &whole);
}

static bool read_item(
        struct kh_containerd_config *c, const struct kh_toml_item *item, struct kh_span value)
{
        struct kh_handler *h = handler_of(c, item->key.part[4]);

        if (!h)
                return false;
        if (item->kind != KH_TOML_VALUE || item->key.n != 6)
                return true;
        if (kh_span_eq(item->key.part[5], KH_SPAN("runtime_type")))
                return copy_string(value, h->type, sizeof(h->type));
        if (kh_span_eq(item->key.part[5], KH_SPAN("base_runtime_spec")))
                return copy_string(value, h->base, sizeof(h->base));
        return true;
}

static bool is_cri(struct kh_span id)
{
        return kh_span_eq(id, KH_SPAN("cri")) || kh_span_eq(id, KH_SPAN(CRI)) ||
               kh_span_eq(id, KH_SPAN(CRI_RUNTIME));
}

static bool disables_cri(struct kh_span array)
{
        struct kh_span e;
        size_t at = 0;
        bool found = false;

        while (!found && kh_toml_element(array, &at, &e)) {
                struct kh_text id = { 0 };

                found = kh_toml_string(e, &id) && is_cri(kh_text_view(&id));
                kh_text_done(&id);
        }
        return found;
}

static int read_dump(struct kh_containerd_config *c, struct kh_err *err)
{
        struct kh_toml t = kh_toml_of(kh_text_view(&c->dump));
        struct kh_toml_item item;
        bool good = true;

        while (good && kh_toml_next(&t, &item)) {
                struct kh_span value = { t.text.p + item.value, item.value_end - item.value };

                if (is_of_handler(c, &item))
                        good = read_item(c, &item, value);
                else if (item.kind == KH_TOML_VALUE && item.key.n == 1 &&
                         kh_span_eq(item.key.part[0], KH_SPAN("disabled_plugins")))
                        c->cri_is_off = disables_cri(value);
        }
        if (good && !t.error)
                return 0;
        return kh_fail(err, -EBADMSG,
                "containerd prints a configuration that is not understood%s%s", t.error ? ": " : "",
                t.error ? t.error : "");
}

int kh_containerd_dump(struct kh_setup *s, const struct kh_instance *i, const char *path,
        struct kh_containerd_config *ret, struct kh_err *err)
{
        const char *const of_file[] = { i->program, "--config", path, "config", "dump", NULL };
        const char *const of_none[] = { i->program, "config", "default", NULL };
        struct kh_text said = { 0 };
        int r;

        *ret = (struct kh_containerd_config){ .n = 0 };
        r = kh_command_run(&s->root, *path ? of_file : of_none, KH_SPAN(""),
                kh_boottime_ns() + KH_COMMAND_NS, &ret->dump, &said, err);
        if (r > 0) {
                const char *text = said.p ? said.p : "";

                r = kh_fail(err, -EBADMSG, "containerd does not read its configuration: %.*s",
                        (int)strcspn(text, "\n"), text);
        }
        if (r == 0)
                r = read_dump(ret, err);
        kh_text_done(&said);
        if (r < 0)
                kh_containerd_config_done(ret);
        return r;
}

void kh_containerd_config_done(struct kh_containerd_config *c)
{
        kh_text_done(&c->dump);
        c->n = 0;
}

static bool is_nothing(struct kh_span value)
{
        return kh_span_eq(value, KH_SPAN("\"\"")) || kh_span_eq(value, KH_SPAN("''")) ||
               kh_span_eq(value, KH_SPAN("0")) || kh_span_eq(value, KH_SPAN("false")) ||
               kh_span_eq(value, KH_SPAN("[]"));
}

/* What says something that an edit of ours must not change. */
static bool counts(const struct kh_toml *t, const struct kh_toml_item *item)
{
        struct kh_span name = item->key.part[item->key.n - 1];
        struct kh_span value = { t->text.p + item->value, item->value_end - item->value };

        return item->kind == KH_TOML_VALUE && !is_nothing(value) &&
               !kh_span_eq(name, KH_SPAN("base_runtime_spec")) &&
               !(item->key.n == 1 && kh_span_eq(name, KH_SPAN("imports")));
}

static bool next_that_counts(struct kh_toml *t, struct kh_toml_item *item)
{
        while (kh_toml_next(t, item)) {
                if (counts(t, item))
                        return true;
        }
        return false;
}

static struct kh_span value_of(const struct kh_toml *t, const struct kh_toml_item *item)
{
        return (struct kh_span){ t->text.p + item->value, item->value_end - item->value };
}

int kh_containerd_compare(const struct kh_containerd_config *before,
        const struct kh_containerd_config *after, struct kh_err *err)
{
        struct kh_toml a = kh_toml_of(kh_text_view(&before->dump));
        struct kh_toml b = kh_toml_of(kh_text_view(&after->dump));
        struct kh_toml_item x, y;

        for (;;) {
                bool more = next_that_counts(&a, &x), more_after = next_that_counts(&b, &y);
                struct kh_span name;

                if (!more && !more_after && !a.error && !b.error)
                        return 0;
                if (more && more_after && kh_toml_key_eq(&x.key, &y.key) &&
                        kh_span_eq(value_of(&a, &x), value_of(&b, &y)))
                        continue;
                name = more ? x.key.part[x.key.n - 1] : KH_SPAN("");
                return kh_fail(err, -EOPNOTSUPP,
                        "containerd would take the edited file for something else (at '%.*s')",
                        (int)name.n, name.p);
        }
}
