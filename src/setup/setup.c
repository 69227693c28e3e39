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
        const struct timespec pause = { .tv_nsec = LOCK_POLL_MS * (long)KH_NS_PER_MS };
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
                (void)nanosleep(&pause, NULL);
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

/* The settings are words that end in NUL: NAME=VALUE, in any order. */
static void put_word(struct kh_text *t, const char *name, const char *value)
{
        kh_text_printf(t, "%s=%s", name, value);
        kh_text_put(t, "", 1);
}

int kh_setup_remember(struct kh_setup *s, struct kh_err *err)
{
        const struct kh_setup_options *o = &s->options;
        struct kh_text words = { 0 }, present = { 0 };
        char timeout[24];
        int r;

        (void)snprintf(timeout, sizeof(timeout), "%llu", (unsigned long long)o->timeout_ns);
        put_word(&words, "timeout", timeout);
        for (unsigned i = 0; i < o->n_stages; i++)
                put_word(&words, "stage", o->stages[i]);
        for (unsigned i = 0; i < o->n_arguments; i++)
                put_word(&words, "argument", o->arguments[i]);
        if (o->docker_default)
                put_word(&words, "docker-default", "");
        if (o->runtime_path)
                put_word(&words, "runtime-path", o->runtime_path);
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
        else if (kh_span_eq(name, KH_SPAN("argument")) && o->n_arguments < KH_HOOK_ARGUMENTS_MAX)
                o->arguments[o->n_arguments++] = value;
        else if (kh_span_eq(name, KH_SPAN("docker-default")))
                o->docker_default = true;
        else if (kh_span_eq(name, KH_SPAN("runtime-path")))
                o->runtime_path = value;
        else
                return false;
        return true;
}

int kh_setup_recall(struct kh_setup *s, struct kh_err *err)
{
        struct kh_setup_options *o = &s->options;
        int r = kh_host_read(&s->root, KH_JOURNAL_SETTINGS, &s->settings, err);

        if (r < 0 || !s->settings.p)
                return r;
        o->n_stages = o->n_arguments = 0;
        for (const char *word = s->settings.p; word < s->settings.p + s->settings.n;
                word += strlen(word) + 1) {
                if (!take_word(o, word))
                        return kh_fail(
                                err, -EBADMSG, "'%s' holds '%.80s'", KH_JOURNAL_SETTINGS, word);
        }
        return 1;
}
