/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubearmor-runtime: stands where an engine without hooks of its own, such as Docker, calls runc.
 * When a container is made it puts our hooks into the bundle; then, as with every other call, it
 * becomes the real runtime, with arguments, environment and descriptors as they were.
 *
 * A start that would have worked without it works with it: whatever goes wrong before is said, and
 * the real runtime is executed all the same.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "wrapper/arguments.h"
#include "wrapper/bundle.h"
#include "wrapper/options.h"
#include "json/writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* What a shell says of a program that it cannot execute. */
enum { EXIT_NO_RUNTIME = 127 };

static const char *const fallbacks[] = { "/usr/local/sbin/runc", "/usr/local/bin/runc",
        "/usr/sbin/runc", "/usr/bin/runc", "/sbin/runc", "/bin/runc", "/usr/local/bin/crun",
        "/usr/bin/crun" };

/* To the system's log, where an administrator looks. */
static void to_syslog(const char *what)
{
        const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
        kh_cleanup(kh_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        char line[512];
        int n = snprintf(line, sizeof(line), "<28>kubearmor-runtime: %s", what);

        if (fd >= 0 && n > 0)
                (void)sendto(fd, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1,
                        MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&address,
                        sizeof(address));
}

/* To the runtime's own log; an engine shows what has the level "error" there. */
static void to_log(const char *path, struct kh_span level, const char *what)
{
        kh_cleanup(kh_closep) int fd = path ? open(path,
                                                      O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW |
                                                              O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                                                      0644)
                                            : -EBADF;
        char room[2048];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        kh_json_open(&b, '{');
        kh_json_put_str_member(&b, KH_SPAN("level"), level);
        kh_json_put_str_member(&b, KH_SPAN("msg"), kh_span_of(what));
        kh_json_close(&b, '}');
        kh_buf_char(&b, '\n');
        if (fd >= 0 && !b.over)
                (void)kh_write_all(fd, b.p, b.len);
}

static void report(const struct kh_arguments *arguments, const struct kh_err *err)
{
        to_syslog(err->msg);
        to_log(arguments->log, KH_SPAN("warning"), err->msg);
}

/* dockerd, from 25 on, shows by nothing else that it has read its configuration; set-up looks here. */
static void note_asked(const char *self)
{
        char path[PATH_MAX + sizeof(".asked")];

        (void)snprintf(path, sizeof(path), "%s.asked", self);
        kh_close(open(
                path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644));
}

/* Links may lead back to this very program. */
static bool is_self(const char *path)
{
        struct stat self, other;

        return stat("/proc/self/exe", &self) == 0 && stat(path, &other) == 0 &&
               self.st_dev == other.st_dev && self.st_ino == other.st_ino;
}

static void become(const char *path, char **argv)
{
        if (is_self(path))
                return;
        argv[0] = (char *)path;
        (void)execv(path, argv);
}

int main(int argc, char **argv)
{
        static struct kh_wrapper_options options;
        struct kh_arguments arguments;
        char self[PATH_MAX];
        struct kh_err err;
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

        self[n > 0 ? n : 0] = '\0';
        kh_arguments_read(argc, argv, &arguments);
        if (kh_wrapper_options_read(self, &options, &err) < 0)
                report(&arguments, &err);
        else if (arguments.asks_features)
                note_asked(self);
        if (arguments.makes_container && options.hooks.n &&
                kh_bundle_add_hooks(arguments.bundle, &options.hooks, &err) < 0)
                report(&arguments, &err);
        if (argc > 0 && *options.runtime)
                become(options.runtime, argv);
        for (size_t i = 0; argc > 0 && i < sizeof(fallbacks) / sizeof(fallbacks[0]); i++)
                become(fallbacks[i], argv);
        (void)kh_fail(&err, -ENOENT, "there is no runtime to call: '%.100s' is not executable",
                *options.runtime ? options.runtime : "runc");
        to_syslog(err.msg);
        to_log(arguments.log, KH_SPAN("error"), err.msg);
        (void)fprintf(stderr, "kubearmor-runtime: %s\n", err.msg);
        return EXIT_NO_RUNTIME;
}
