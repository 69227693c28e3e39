/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/setup.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/number.h"
#include "setup/detect.h"
#include "setup/file.h"
#include "setup/programs.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#define LOCK_PATH "/run/kubearmor-setup.lock"

/* Longer than any run but one that waits for a person's restart. */
enum { LOCK_WAIT_MS = 30000, LOCK_POLL_MS = 50 };

/* flock(2) has no deadline of its own. */
static int lock(const struct kh_host *root, int *ret, struct kh_err *err)
{
        const char *name;
        kh_cleanup(kh_closep) int dir = kh_host_open_parent(root, LOCK_PATH, &name);
        kh_cleanup(kh_closep) int fd = -EBADF;

        if (dir < 0)
                return kh_fail(
                        err, dir, "open the directory of '%s': %s", LOCK_PATH, kh_strerror(dir));
        fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return kh_fail(err, -errno, "open '%s': %s", LOCK_PATH, kh_strerror(errno));
        for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOCK_POLL_MS) {
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return kh_fail(err, -errno, "lock '%s': %s", LOCK_PATH, kh_strerror(errno));
                if (waited >= LOCK_WAIT_MS)
                        return kh_fail(err, -EBUSY, "another kubearmor-hookctl is at work");
                kh_pause_ms(LOCK_POLL_MS);
        }
        *ret = kh_take_fd(&fd);
        return 0;
}

int kh_setup_open(struct kh_setup *ret, const struct kh_setup_options *options, bool locked,
        struct kh_err *err)
{
        int r;

        *ret = (struct kh_setup){ .root = { .fd = -EBADF }, .lock = -EBADF, .options = *options };
        r = kh_host_open(&ret->root, options->host_root, err);
        if (r == 0 && locked)
                r = lock(&ret->root, &ret->lock, err);
        if (r == 0)
                r = kh_journal_open(&ret->journal, &ret->root, err);
        if (r < 0) {
                kh_setup_close(ret);
                return r;
        }
        kh_detect(ret);
        return 0;
}

void kh_setup_close(struct kh_setup *s)
{
        kh_detect_done(s);
        kh_journal_close(&s->journal);
        kh_text_done(&s->settings);
        kh_text_done(&s->kept);
        kh_host_close(&s->root);
        kh_closep(&s->lock);
}

bool kh_setup_wants(const struct kh_setup *s, enum kh_owner owner)
{
        for (unsigned i = 0; i < s->options.n_runtimes; i++) {
                if (strcmp(s->options.runtimes[i], kh_owner_name[owner]) == 0)
                        return true;
        }
        return s->options.n_runtimes == 0;
}

void kh_setup_narrow(struct kh_setup *s, unsigned owners)
{
        const char *names[KH_RUNTIMES_MAX] = { 0 };
        unsigned n = 0;

        for (int owner = 0; owner < KH_OWNER_COUNT; owner++) {
                if (owners >> owner & 1 && kh_setup_wants(s, (enum kh_owner)owner))
                        names[n++] = kh_owner_name[owner];
        }
        memcpy(s->options.runtimes, names, sizeof(names));
        s->options.n_runtimes = n;
}

/* The settings are words that end in NUL: NAME=VALUE. */
static void put_word(struct kh_text *t, const char *name, const char *value)
{
        kh_text_printf(t, "%s=%s", name, value);
        kh_text_put(t, "", 1);
}

static void put_settings(struct kh_text *t, const struct kh_setup_options *o)
{
        char timeout[24];

        (void)snprintf(timeout, sizeof(timeout), "%llu", (unsigned long long)o->timeout_ns);
        put_word(t, "timeout", timeout);
        for (unsigned i = 0; i < o->n_stages; i++)
                put_word(t, "stage", o->stages[i]);
        for (unsigned i = 0; i < o->n_arguments; i++) {
                put_word(t, "option", o->arguments[i].option);
                if (o->arguments[i].value)
                        put_word(t, "value", o->arguments[i].value);
        }
        for (unsigned i = 0; i < o->n_rootless; i++)
                put_word(t, "rootless", o->rootless[i]);
        if (o->docker_default)
                put_word(t, "docker-default", "");
        if (o->runtime_path)
                put_word(t, "runtime-path", o->runtime_path);
}

int kh_setup_remember(struct kh_setup *s, struct kh_err *err)
{
        struct kh_text words = { 0 }, present = { 0 };
        int r;

        put_settings(&words, &s->options);
        r = kh_journal_prepare(&s->journal, err);
        if (r == 0)
                r = kh_host_read(&s->root, KH_JOURNAL_SETTINGS, &present, err);
        if (r == 0 && !kh_text_eq(&words, &present))
                r = kh_file_set(
                        &s->root, KH_JOURNAL_SETTINGS, kh_text_view(&words), 0600, NULL, err);
        kh_text_done(&words);
        kh_text_done(&present);
        return r;
}

static bool take_word(struct kh_setup_options *o, const char *word)
{
        const char *value = strchr(word, '=');
        struct kh_span name = { word, value ? (size_t)(value - word) : 0 };

        if (!value)
                return false;
        value++;
        if (kh_span_eq(name, KH_SPAN("timeout")))
                return kh_parse_u64(kh_span_of(value), UINT64_MAX, &o->timeout_ns);
        if (kh_span_eq(name, KH_SPAN("stage")) && o->n_stages < KH_STAGES_MAX)
                o->stages[o->n_stages++] = value;
        else if (kh_span_eq(name, KH_SPAN("option")) && o->n_arguments < KH_HOOK_ARGUMENTS_MAX)
                o->arguments[o->n_arguments++].option = value;
        else if (kh_span_eq(name, KH_SPAN("value")) && o->n_arguments > 0)
                o->arguments[o->n_arguments - 1].value = value;
        else if (kh_span_eq(name, KH_SPAN("rootless")) && o->n_rootless < KH_ROOTLESS_MAX)
                o->rootless[o->n_rootless++] = value;
        else if (kh_span_eq(name, KH_SPAN("docker-default")))
                o->docker_default = true;
        else if (kh_span_eq(name, KH_SPAN("runtime-path")))
                o->runtime_path = value;
        else
                return false;
        return true;
}

static void tell(struct kh_text *t, const char *option, const char *value)
{
        if (t)
                kh_text_printf(t, " %s%s%s", option, value ? " " : "",
                        !value   ? ""
                        : *value ? value
                                 : "''");
}

static void tell_stages(struct kh_text *t, const struct kh_setup_options *o)
{
        for (unsigned i = 0; t && i < o->n_stages; i++)
                kh_text_printf(t, "%s%s", i ? "," : " --stages ", o->stages[i]);
}

static bool has_option(const struct kh_setup_options *o, unsigned n, const char *option)
{
        for (unsigned i = 0; i < n; i++) {
                if (strcmp(o->arguments[i].option, option) == 0)
                        return true;
        }
        return false;
}

/* An option that is given now takes the place of all of that name. */
static bool merge_arguments(
        struct kh_setup_options *o, const struct kh_setup_options *earlier, struct kh_text *told)
{
        unsigned given = o->n_arguments;

        for (unsigned i = 0; i < earlier->n_arguments; i++) {
                const struct kh_hook_argument *a = &earlier->arguments[i];

                if (has_option(o, given, a->option))
                        continue;
                if (o->n_arguments == KH_HOOK_ARGUMENTS_MAX)
                        return false;
                o->arguments[o->n_arguments++] = *a;
                tell(told, a->option, a->value);
        }
        return true;
}

static bool merge(
        struct kh_setup_options *o, const struct kh_setup_options *earlier, struct kh_text *told)
{
        if (o->timeout_ns == 0)
                o->timeout_ns = earlier->timeout_ns;
        if (o->n_stages == 0) {
                tell_stages(told, earlier);
                memcpy(o->stages, earlier->stages, sizeof(o->stages));
                o->n_stages = earlier->n_stages;
        }
        if (o->n_rootless == 0) {
                for (unsigned i = 0; i < earlier->n_rootless; i++)
                        tell(told, "--rootless", earlier->rootless[i]);
                memcpy(o->rootless, earlier->rootless, sizeof(o->rootless));
                o->n_rootless = earlier->n_rootless;
        }
        if (!o->docker_default && earlier->docker_default) {
                o->docker_default = true;
                tell(told, "--docker-default", NULL);
        }
        if (!o->runtime_path && earlier->runtime_path) {
                o->runtime_path = earlier->runtime_path;
                tell(told, "--runtime-path", o->runtime_path);
        }
        return merge_arguments(o, earlier, told);
}

int kh_setup_recall(struct kh_setup *s, struct kh_text *ret, struct kh_err *err)
{
        struct kh_setup_options earlier = { .n_stages = 0 };
        int r = kh_host_read(&s->root, KH_JOURNAL_SETTINGS, &s->settings, err);

        if (r < 0)
                return r;
        for (size_t at = 0; at < s->settings.n; at += strlen(s->settings.p + at) + 1) {
                if (!take_word(&earlier, s->settings.p + at))
                        return kh_fail(err, -EBADMSG, "'%s' holds '%.80s'", KH_JOURNAL_SETTINGS,
                                s->settings.p + at);
        }
        if (!merge(&s->options, &earlier, ret))
                return kh_fail(err, -E2BIG,
                        "too many options with those of earlier installs: add --defaults");
        return 0;
}
