/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/command.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* The longest thing that is read so is a daemon's whole configuration: some 20 KiB. */
enum { OUTPUT_MAX = 4 * 1024 * 1024 };

/* Where a command's output goes: no pipe, so that neither side ever waits for the other. */
static int make_file(const char *name, struct kh_span text)
{
        kh_cleanup(kh_closep) int fd = memfd_create(name, MFD_CLOEXEC);
        int r = fd < 0 ? -errno : kh_write_all(fd, text.p, text.n);

        if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
                r = -errno;
        return r < 0 ? r : kh_take_fd(&fd);
}

__attribute__((noreturn)) static void exec_in_root(
        const struct kh_host *root, const char *const *argv, const int *files)
{
        static const char *const environment[] = {
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                NULL
        };
        const struct rlimit limit = { OUTPUT_MAX, OUTPUT_MAX };

        for (int i = 0; i < 3; i++) {
                if (dup2(files[i], i) < 0)
                        _exit(127);
        }
        if (!root->is_own && (fchdir(root->fd) < 0 || chroot(".") < 0))
                _exit(127);
        if (chdir("/") == 0 && setrlimit(RLIMIT_FSIZE, &limit) == 0)
                (void)execve(argv[0], (char *const *)argv, (char *const *)environment);
        _exit(127);
}

/* The exit status; a command that does not end is killed. */
static int wait_for(pid_t pid, uint64_t deadline_ns)
{
        kh_cleanup(kh_closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        struct pollfd ended = { .fd = pidfd, .events = POLLIN };
        bool late;
        int status, r;

        do
                r = poll(&ended, 1, kh_left_ms(deadline_ns));
        while (r < 0 && errno == EINTR);
        late = r != 1;
        if (late)
                (void)kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0) {
                if (errno != EINTR)
                        return -errno;
        }
        if (late)
                return -ETIMEDOUT;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool read_back(int fd, struct kh_text *ret)
{
        struct stat st;
        char *room;

        if (!ret)
                return true;
        if (fstat(fd, &st) < 0 || !(room = kh_text_reserve(ret, (size_t)st.st_size)))
                return false;
        if (pread(fd, room, (size_t)st.st_size, 0) != st.st_size)
                return false;
        ret->n += (size_t)st.st_size;
        ret->p[ret->n] = '\0';
        return true;
}

int kh_command_run(const struct kh_host *root, const char *const *argv, struct kh_span input,
        uint64_t deadline_ns, struct kh_text *ret_out, struct kh_text *ret_err, struct kh_err *err)
{
        kh_cleanup(kh_closep) int in = make_file("stdin", input);
        kh_cleanup(kh_closep) int out = make_file("stdout", KH_SPAN(""));
        kh_cleanup(kh_closep) int errors = make_file("stderr", KH_SPAN(""));
        int files[3] = { in, out, errors };
        pid_t pid;
        int r;

        if (in < 0 || out < 0 || errors < 0)
                return kh_fail(err, -ENOMEM, "no room for the output of '%s'", argv[0]);
        pid = fork();
        if (pid == 0)
                exec_in_root(root, argv, files);
        r = pid < 0 ? -errno : wait_for(pid, deadline_ns);
        if (r < 0)
                return kh_fail(err, r, "run '%s': %s", argv[0], kh_strerror(r));
        if (!read_back(out, ret_out) || !read_back(errors, ret_err))
                return kh_fail(err, -EIO, "cannot read the output of '%s'", argv[0]);
        return r;
}

bool kh_command_find(const struct kh_host *root, const char *name, char *ret)
{
        static const char *const directories[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                "/usr/bin", "/sbin", "/bin" };
        struct stat st;

        for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
                if (kh_path_join(ret, directories[i], name) && kh_host_stat(root, ret, &st) == 0 &&
                        S_ISREG(st.st_mode) && (st.st_mode & 0111))
                        return true;
        }
        return false;
}
