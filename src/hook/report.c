/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/report.h"

#include "base/cleanup.h"
#include "spool/spool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

/* A file that nobody rotates stops growing here. */
enum { LOG_FILE_MAX = 1024 * 1024 };

/* An id, a path or an option of somebody's must not start a line of its own. */
__attribute__((format(printf, 3, 0))) static size_t format_line(
        char *line, size_t cap, const char *format, va_list ap)
{
        int n = vsnprintf(line, cap - 1, format, ap);
        size_t length = n < 0 ? 0 : (size_t)n < cap - 1 ? (size_t)n : cap - 2;

        for (size_t i = 0; i < length; i++) {
                if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
                        line[i] = '?';
        }
        line[length] = '\n';
        return length + 1;
}

static void to_file(const char *path, const char *line, size_t n)
{
        kh_cleanup(kh_closep) int fd = open(path,
                O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                0600);
        struct stat st;

        if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < LOG_FILE_MAX)
                (void)!write(fd, line, n);
}

/*
 * At most one line a second from all hooks of the node: a broken listener must not flood its log.
 */
static bool may_log_now(const struct kh_hook_options *options)
{
        kh_cleanup(kh_closep) int dir =
                options->spool ? kh_spool_open(options->spool, NULL) : -EBADF;
        kh_cleanup(kh_closep) int stamp = -EBADF;
        struct stat st;

        if (dir < 0)
                return true;
        if (fstatat(dir, "logged", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime == time(NULL))
                return false;
        stamp = openat(dir, "logged", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (stamp >= 0)
                (void)futimens(stamp, NULL);
        return true;
}

static bool to_syslog(const char *line, size_t n)
{
        const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
        kh_cleanup(kh_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        return fd >= 0 && sendto(fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL,
                                  (const struct sockaddr *)&address, sizeof(address)) >= 0;
}

static void to_kernel_log(const char *line, size_t n)
{
        kh_cleanup(kh_closep) int fd =
                open("/dev/kmsg", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (fd >= 0)
                (void)!write(fd, line, n);
}

void kh_report(const struct kh_hook_options *options, const char *format, ...)
{
        static const char head[] = "<28>kubearmor-hook: "; /* daemon.warning */
        char line[512];
        size_t head_n = sizeof(head) - 1, n;
        va_list ap;

        memcpy(line, head, head_n);
        va_start(ap, format);
        n = head_n + format_line(line + head_n, sizeof(line) - head_n, format, ap);
        va_end(ap);
        if (options->log)
                to_file(options->log, line + 4, n - 4);
        else if (may_log_now(options) && !to_syslog(line, n - 1))
                to_kernel_log(line, n);
}

void kh_tell_user(const char *format, ...)
{
        struct pollfd stderr_pipe = { .fd = STDERR_FILENO, .events = POLLOUT };
        char line[512]; /* below PIPE_BUF: what poll() says there is room for goes in whole */
        size_t n;
        va_list ap;

        va_start(ap, format);
        n = format_line(line, sizeof(line), format, ap);
        va_end(ap);
        /* runtimes differ in which signals they let a hook inherit blocked */
        (void)signal(SIGPIPE, SIG_IGN);
        if (poll(&stderr_pipe, 1, 0) == 1 && (stderr_pipe.revents & POLLOUT))
                (void)!write(STDERR_FILENO, line, n);
}
