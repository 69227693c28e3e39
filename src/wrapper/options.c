/* SPDX-License-Identifier: Apache-2.0 */
#include "wrapper/options.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* As many hooks as there are stages, with all the options that set-up takes. */
enum { OPTIONS_MAX = 512 * 1024 };

static char text[OPTIONS_MAX];

/* Whoever can write it decides what root executes. */
static int read_file(const char *path, size_t *ret_n, struct kh_err *err)
{
        kh_cleanup(kh_closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return kh_fail(err, -errno, "'%s': %s", path, kh_strerror(errno));
        if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022))
                return kh_fail(err, -EPERM, "'%s' is not a file that only root can write", path);
        for (*ret_n = 0; *ret_n < sizeof(text);) {
                ssize_t got = read(fd, text + *ret_n, sizeof(text) - *ret_n);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return kh_fail(err, -errno, "read '%s': %s", path, kh_strerror(errno));
                if (got == 0)
                        return 0;
                *ret_n += (size_t)got;
        }
        return kh_fail(err, -EFBIG, "'%s' is too large", path);
}

static void read_hooks(struct kh_json *j, struct kh_stage_hooks *ret)
{
        struct kh_span stage;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &stage)) {
                struct kh_span hook;

                if (!kh_json_enter_array(j))
                        continue;
                while (kh_json_element(j)) {
                        if (kh_json_raw(j, &hook) && ret->n < KH_STAGE_HOOKS_MAX)
                                ret->v[ret->n++] = (struct kh_stage_hook){ stage, hook };
                }
        }
}

int kh_wrapper_options_read(const char *self, struct kh_wrapper_options *ret, struct kh_err *err)
{
        char path[PATH_MAX + sizeof(".json")];
        struct kh_span key, runtime = { 0 };
        struct kh_json j;
        size_t n = 0;
        int r;

        ret->runtime[0] = '\0';
        ret->hooks.n = 0;
        (void)snprintf(path, sizeof(path), "%s.json", self);
        r = read_file(path, &n, err);
        if (r < 0)
                return r;
        j = kh_json_of(text, n);
        kh_json_enter_object(&j);
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("runtime")))
                        kh_json_name(&j, &runtime);
                else if (kh_span_eq(key, KH_SPAN("hooks")))
                        read_hooks(&j, &ret->hooks);
                else
                        kh_json_skip(&j);
        }
        if (!kh_json_end(&j) || runtime.n >= sizeof(ret->runtime)) {
                ret->hooks.n = 0;
                return kh_fail(err, -EBADMSG, "'%s' is not what set-up writes", path);
        }
        if (runtime.n)
                memcpy(ret->runtime, runtime.p, runtime.n);
        ret->runtime[runtime.n] = '\0';
        return 0;
}
