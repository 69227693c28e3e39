/* SPDX-License-Identifier: Apache-2.0 */
#include "hookctl/containers.h"

#include "hookctl/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool has_label(const struct kubearmor_hook_container *c, const struct kh_label *label)
{
        for (size_t i = 0; i < c->n_labels; i++) {
                const struct kubearmor_hook_pair *pair = &c->labels[i];

                if (strlen(pair->name) == label->name_len &&
                        memcmp(pair->name, label->name, label->name_len) == 0)
                        return !label->value || strcmp(pair->value, label->value) == 0;
        }
        return false;
}

bool kh_has_labels(const struct kh_settings *s, const struct kubearmor_hook_container *c)
{
        for (size_t i = 0; i < s->n_labels; i++) {
                if (!has_label(c, &s->labels[i]))
                        return false;
        }
        return true;
}

struct kh_table_style kh_style_of(const struct kh_settings *s, bool live)
{
        return (struct kh_table_style){
                .live = live,
                .wide = s->output == KH_OUT_WIDE,
                .no_trunc = s->no_trunc,
                .no_headers = s->no_headers,
                .color = s->color,
        };
}

/* The next container of an answer: 1, 0 at its end. */
static int next_container(const struct kh_settings *s, struct kubearmor_hook *hook,
        const struct kubearmor_hook_event **ret)
{
        for (;;) {
                int rc = kubearmor_hook_next(hook, -1, ret);

                if (rc == -EINTR)
                        continue;
                if (rc < 0)
                        return rc;
                if ((*ret)->type == KUBEARMOR_HOOK_SYNCED)
                        return 0;
                if ((*ret)->type == KUBEARMOR_HOOK_CONTAINER && kh_has_labels(s, (*ret)->container))
                        return 1;
        }
}

static int print_table(const struct kh_settings *s, struct kubearmor_hook *hook)
{
        const struct kubearmor_hook_event *event;
        struct kh_table_style style = kh_style_of(s, false);
        struct kh_table table;
        int rc;

        kh_table_init(&table, &style);
        while ((rc = next_container(s, hook, &event)) > 0) {
                if (!kh_table_add(&table, event)) {
                        rc = -ENOMEM;
                        break;
                }
        }
        if (rc == 0)
                kh_table_print(&table);
        kh_table_done(&table);
        return rc;
}

/* An array, or a line each. */
static int print_json(const struct kh_settings *s, struct kubearmor_hook *hook)
{
        const struct kubearmor_hook_event *event;
        bool array = s->output == KH_OUT_JSON;
        const char *before = array ? "[\n" : "";
        int rc;

        while ((rc = next_container(s, hook, &event)) > 0) {
                (void)fputs(before, stdout);
                kh_put_text(stdout, event->container->json);
                before = array ? ",\n" : "\n";
        }
        if (rc < 0)
                return rc;
        if (array)
                (void)fputs(*before == ',' ? "\n]\n" : "[]\n", stdout);
        else
                (void)fputs(before, stdout);
        return 0;
}

enum kh_exit kh_print_containers(const struct kh_settings *s, struct kubearmor_hook *hook)
{
        bool json = s->output == KH_OUT_JSON || s->output == KH_OUT_JSONL;
        int rc = json ? print_json(s, hook) : print_table(s, hook);

        return rc < 0 ? kh_report_hook(hook, rc) : KH_EXIT_OK;
}

/* The beginnings of some, one line: enough to go on typing. */
static enum kh_exit report_ambiguous(struct kubearmor_hook *hook, const char *id)
{
        enum { SHOWN = 5 };
        struct kubearmor_hook_filter filter = { .size = sizeof(filter), .id = id };
        const struct kubearmor_hook_event *event;
        char names[SHOWN * 48] = "";
        size_t n = 0;
        int rc = kubearmor_hook_list(hook, &filter);

        while (rc >= 0 && (rc = kubearmor_hook_next(hook, -1, &event)) > 0 && event->container) {
                size_t used = strlen(names);

                if (n++ < SHOWN)
                        (void)snprintf(names + used, sizeof(names) - used, "%s %.40s",
                                used ? "," : "", event->container->id);
        }
        return kh_report(KH_EXIT_AMBIGUOUS, "'%s' is the beginning of %zu ids:%s%s", id, n, names,
                n > SHOWN ? ", ..." : "");
}

enum kh_exit kh_report_lookup(struct kubearmor_hook *hook, int rc, const char *id)
{
        if (rc == -ENOTUNIQ && id)
                return report_ambiguous(hook, id);
        if (rc == -ESRCH && id)
                return kh_report(KH_EXIT_NOT_FOUND,
                        "no container '%s': 'list' shows those that there are", id);
        return kh_report_hook(hook, rc);
}
