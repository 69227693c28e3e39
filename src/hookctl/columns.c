/* SPDX-License-Identifier: Apache-2.0 */
#include "hookctl/columns.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
        SHORT_ID = 12,
        LONG_ID = 64,
        NARROW = 5, /* enough to tell one row from another */
};

static const char *cell_timestamp(
        const struct kubearmor_hook_event *event, const struct kh_table_style *style, char *scratch)
{
        const char *text = event->time ? event->time : event->container->created_at;
        const char *fraction;
        struct tm tm = { 0 };
        char clock[16];
        time_t when;

        (void)style;
        if (!text)
                return NULL;
        fraction = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
        if (!fraction)
                return NULL;
        when = timegm(&tm);
        if (!localtime_r(&when, &tm) || strftime(clock, sizeof(clock), "%H:%M:%S", &tm) == 0)
                return NULL;
        (void)snprintf(scratch, KH_CELL_MAX, "%s%.4s", clock, *fraction == '.' ? fraction : "");
        return scratch;
}

static const char *cell_event(
        const struct kubearmor_hook_event *event, const struct kh_table_style *style, char *scratch)
{
        (void)style;
        (void)scratch;
        switch (event->type) {
        case KUBEARMOR_HOOK_CREATED:
                return "created";
        case KUBEARMOR_HOOK_UPDATED:
                return "updated";
        case KUBEARMOR_HOOK_REMOVED:
                return "removed";
        default:
                return "present";
        }
}

static const char *cell_id(
        const struct kubearmor_hook_event *event, const struct kh_table_style *style, char *scratch)
{
        const char *id = event->container->id;

        if (style->no_trunc || strlen(id) != LONG_ID || strspn(id, "0123456789abcdef") != LONG_ID)
                return id;
        (void)snprintf(scratch, KH_CELL_MAX, "%.*s", SHORT_ID, id);
        return scratch;
}

/* The registry and the path before the name are what all images of a node have in common. */
static const char *cell_image(
        const struct kubearmor_hook_event *event, const struct kh_table_style *style, char *scratch)
{
        const char *image = event->container->image, *slash;

        (void)scratch;
        if (!image || style->wide || style->no_trunc)
                return image;
        slash = strrchr(image, '/');
        return slash && slash[1] ? slash + 1 : image;
}

static const char *cell_pid(
        const struct kubearmor_hook_event *event, const struct kh_table_style *style, char *scratch)
{
        (void)style;
        if (event->container->pid <= 0)
                return NULL;
        (void)snprintf(scratch, KH_CELL_MAX, "%d", event->container->pid);
        return scratch;
}

const char *kh_format_age(uint64_t seconds, char *scratch)
{
        const struct {
                uint64_t seconds;
                char name;
        } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
        size_t i = 0;

        while (units[i].seconds > 1 && seconds < 2 * units[i].seconds)
                i++;
        (void)snprintf(scratch, KH_CELL_MAX, "%llu%c",
                (unsigned long long)(seconds / units[i].seconds), units[i].name);
        return scratch;
}

static const char *cell_age(
        const struct kubearmor_hook_event *event, const struct kh_table_style *style, char *scratch)
{
        struct tm tm = { 0 };
        time_t since, now = time(NULL);

        (void)style;
        if (!event->container->created_at ||
                !strptime(event->container->created_at, "%Y-%m-%dT%H:%M:%S", &tm))
                return NULL;
        since = timegm(&tm);
        return kh_format_age(now > since ? (uint64_t)(now - since) : 0, scratch);
}

const char *kh_column_color(const char *word)
{
        static const struct {
                const char *word, *color;
        } colors[] = {
                { "created", "32" },
                { "running", "32" },
                { "updated", "33" },
                { "exited", "33" },
                { "removed", "31" },
        };

        for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++) {
                if (strcmp(word, colors[i].word) == 0)
                        return colors[i].color;
        }
        return NULL;
}

const char *kh_column_text(const struct kh_column *column, const struct kubearmor_hook_event *event,
        const struct kh_table_style *style, char *scratch)
{
        if (column->cell)
                return column->cell(event, style, scratch);
        return *(const char *const *)((const char *)event->container + column->member);
}

#define MEMBER(name) offsetof(struct kubearmor_hook_container, name)

/* clang-format off */
const struct kh_column kh_columns[] = {
        /* name        use              live least word   member or function */
        { "TIMESTAMP", KH_COLUMN_LIVE,   12, 0,        false, 0, cell_timestamp },
        { "EVENT",     KH_COLUMN_LIVE,    7, 0,        true,  0, cell_event },
        { "ID",        KH_COLUMN_ALWAYS, 12, SHORT_ID, false, 0, cell_id },
        { "NAME",      KH_COLUMN_ALWAYS, 16, NARROW,   false, MEMBER(name), NULL },
        { "POD",       KH_COLUMN_ALWAYS, 24, NARROW,   false, MEMBER(pod_name), NULL },
        { "NAMESPACE", KH_COLUMN_ALWAYS, 12, NARROW,   false, MEMBER(pod_namespace), NULL },
        { "IMAGE",     KH_COLUMN_ALWAYS, 20, NARROW,   false, 0, cell_image },
        { "PID",       KH_COLUMN_ALWAYS,  7, 0,        false, 0, cell_pid },
        { "PROFILE",   KH_COLUMN_ALWAYS, 20, NARROW,   false, MEMBER(apparmor_profile), NULL },
        { "STATE",     KH_COLUMN_ALWAYS,  7, 0,        true,  MEMBER(state), NULL },
        { "AGE",       KH_COLUMN_STILL,   0, 0,        false, 0, cell_age },
        { "RUNTIME",   KH_COLUMN_WIDE,    7, NARROW,   false, MEMBER(runtime), NULL },
        { "TYPE",      KH_COLUMN_WIDE,    9, 0,        false, MEMBER(type), NULL },
};
/* clang-format on */
const size_t kh_n_columns = sizeof(kh_columns) / sizeof(kh_columns[0]);

_Static_assert(
        sizeof(kh_columns) / sizeof(kh_columns[0]) <= KH_MAX_COLUMNS, "room for all columns");
