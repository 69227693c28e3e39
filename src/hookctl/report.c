/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: one line each, that says what failed, where, and how to mend it. */
#include "hookctl/hookctl.h"

#include "base/err.h"
#include "hookctl/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum kh_exit kh_report(enum kh_exit code, const char *format, ...)
{
        char message[1024];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        (void)fflush(stdout); /* so that the two come in order on a terminal */
        (void)fputs("kubearmor-hookctl: ", stderr);
        kh_put_text(stderr, message);
        (void)fputc('\n', stderr);
        return code;
}

struct kubearmor_hook *kh_open_hook(const struct kh_settings *s, enum kh_exit *ret_code)
{
        struct kubearmor_hook_options options = {
                .size = sizeof(options),
                .path = s->events,
                .timeout_ms = s->timeout_ms,
        };
        struct kubearmor_hook *hook = NULL;
        int rc = kubearmor_hook_open(&options, &hook);

        if (rc == 0)
                return hook;
        if (rc == -EINVAL)
                *ret_code = kh_report(
                        KH_EXIT_USAGE, "--events: empty, or too long for a socket's path");
        else
                *ret_code = kh_report(KH_EXIT_FAILURE, "%s", kh_strerror(rc));
        return NULL;
}

static enum kh_exit code_of(int rc)
{
        switch (rc) {
        case -ENOENT:
        case -ECONNREFUSED:
        case -ECONNRESET:
        case -ETIMEDOUT:
        case -ESHUTDOWN:
        case -EUSERS:
        case -ENOTSOCK:
        case -EPROTOTYPE:
                return KH_EXIT_UNREACHABLE;
        case -ESRCH:
                return KH_EXIT_NOT_FOUND;
        case -ENOTUNIQ:
                return KH_EXIT_AMBIGUOUS;
        case -EACCES:
        case -EPERM:
                return KH_EXIT_NOT_PERMITTED;
        case -EINVAL:
                return KH_EXIT_USAGE;
        default:
                return KH_EXIT_FAILURE;
        }
}

static const char *remedy_of(int rc)
{
        switch (rc) {
        case -ENOENT:
        case -ECONNREFUSED:
                return ": start kubearmor-hookd, or name its socket with --events";
        case -EACCES:
        case -EPERM:
                return ": run as root, or have kubearmor-hookd started with --allow-reader for "
                       "this user";
        case -EUSERS:
                return ": end other programs that follow the events";
        case -ETIMEDOUT:
                return ": look at kubearmor-hookd's log, or give it longer with --timeout";
        default:
                return "";
        }
}

enum kh_exit kh_report_hook(const struct kubearmor_hook *hook, int rc)
{
        const char *what = rc == -ENOMEM ? kh_strerror(rc) : kubearmor_hook_error(hook);

        return kh_report(code_of(rc), "%s%s", what, remedy_of(rc));
}
