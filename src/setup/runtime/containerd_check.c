/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/io.h"
#include "setup/runtime/containerd_plan.h"
#include "setup/toml_edit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

const struct kh_edit *kh_containerd_edit_of(const struct kh_containerd_plan *p, const char *path)
{
        char resolved[PATH_MAX];

        if (kh_host_resolve(&p->setup->root, path, resolved, NULL) < 0)
                return NULL;
        for (const struct kh_edit *e = p->plan->edits; e; e = e->next) {
                if (strcmp(e->path, resolved) == 0 || strcmp(e->path, path) == 0)
                        return e;
        }
        return NULL;
}

bool kh_containerd_import_path(
        const struct kh_containerd_plan *p, struct kh_span element, char *ret)
{
        struct kh_text text = { 0 };
        bool good = kh_toml_string(element, &text) && text.p;

        if (good && *text.p == '/')
                (void)snprintf(ret, PATH_MAX, "%s", text.p);
        else
                good = good && kh_path_join(ret, p->directory, text.p);
        kh_text_done(&text);
        return good;
}

/* A file for nobody but the program that is executed next; it goes with the descriptor. */
static int make_file(struct kh_span text, char *ret_path, size_t cap)
{
        int fd = memfd_create("kubearmor-check", 0);

        (void)snprintf(ret_path, cap, "/proc/self/fd/%d", fd);
        if (fd >= 0 && kh_write_all(fd, text.p, text.n) < 0) {
                kh_close(fd);
                return -EIO;
        }
        return fd;
}

/* MAIN where its relative imports lead nowhere, with one import more unless that is "". */
static int set_imports(const struct kh_containerd_plan *p, struct kh_span main, const char *added,
        struct kh_text *ret, struct kh_err *err)
{
        const struct kh_toml_key root = { .n = 0 }, key = KH_TOML_KEY("imports");
        struct kh_text imports = { 0 };
        struct kh_span array, e;
        char path[PATH_MAX];
        size_t at = 0;
        int r;

        kh_text_printf(&imports, "[");
        if (kh_toml_find(main, &key, &array, NULL)) {
                while (kh_toml_element(array, &at, &e)) {
                        if (!kh_containerd_import_path(p, e, path))
                                continue;
                        kh_toml_put_string(&imports, kh_span_of(path));
                        kh_text_printf(&imports, ", ");
                }
        }
        if (*added)
                kh_toml_put_string(&imports, kh_span_of(added));
        kh_text_printf(&imports, "]");
        r = kh_toml_set(main, &root, "imports", kh_text_view(&imports), ret, err);
        kh_text_done(&imports);
        return r;
}

/* What the daemon's program makes of MAIN and DROP_IN (may be NULL). */
static int dump(const struct kh_containerd_plan *p, struct kh_span main,
        const struct kh_edit *drop_in, struct kh_containerd_config *ret, struct kh_err *err)
{
        char main_path[64], drop_in_path[64] = "";
        kh_cleanup(kh_closep) int drop_in_fd = -EBADF;
        kh_cleanup(kh_closep) int main_fd = -EBADF;
        struct kh_text text = { 0 };
        int r;

        if (drop_in)
                drop_in_fd = make_file(
                        kh_text_view(&drop_in->after), drop_in_path, sizeof(drop_in_path));
        r = set_imports(p, main, drop_in_path, &text, err);
        if (r == 0)
                main_fd = make_file(kh_text_view(&text), main_path, sizeof(main_path));
        kh_text_done(&text);
        if (r == 0 && (main_fd < 0 || (drop_in && drop_in_fd < 0)))
                r = kh_fail(err, -ENOMEM, "no room for a copy of the configuration");
        return r < 0 ? r : kh_containerd_dump(p->setup, p->instance, main_path, ret, err);
}

static int compare(const struct kh_containerd_plan *p, const struct kh_containerd_config *then,
        struct kh_err *err)
{
        if (then->n != p->now.n)
                return kh_fail(err, -EOPNOTSUPP, "the edit would change which handlers there are");
        for (unsigned i = 0; i < then->n; i++) {
                const char *wanted = p->wanted[i] ? p->spec : p->now.handlers[i].base;

                if (strcmp(then->handlers[i].base, wanted) != 0)
                        return kh_fail(err, -EOPNOTSUPP,
                                "containerd would not take the edit of handler '%s': another file "
                                "decides it",
                                then->handlers[i].name);
        }
        return kh_containerd_compare(&p->now, then, err);
}

static bool is_unchanged(const struct kh_edit *e)
{
        return !e || kh_text_eq(&e->current, &e->after);
}

int kh_containerd_check(struct kh_containerd_plan *p, struct kh_err *err)
{
        const struct kh_edit *main = kh_containerd_edit_of(p, p->edited);
        const struct kh_edit *drop_in = kh_containerd_edit_of(p, p->drop_in);
        struct kh_containerd_config then;
        struct kh_text text = { 0 };
        int r;

        if (is_unchanged(main) && is_unchanged(drop_in))
                return 0;
        r = main ? 0 : kh_host_read(&p->setup->root, p->instance->config, &text, err);
        if (r == 0)
                r = dump(p, kh_text_view(main ? &main->after : &text), drop_in, &then, err);
        if (r == 0) {
                r = compare(p, &then, err);
                kh_containerd_config_done(&then);
        }
        kh_text_done(&text);
        return r;
}
