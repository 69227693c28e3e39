/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/mapped_file.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

static char *mapping;
static size_t mapping_n;

/* A page of the mapping is gone: zeros take its place and the read goes on. */
static void on_sigbus(int number, siginfo_t *info, void *context)
{
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        char *at = info->si_addr;

        (void)context;
        if (at >= mapping && at < mapping + mapping_n) {
                char *start = mapping + (size_t)(at - mapping) / page * page;

                if (mmap(start, (size_t)(mapping + mapping_n - start), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == start)
                        return;
        }
        /* Not ours: let it happen again, without this handler. */
        (void)signal(number, SIG_DFL);
}

static int catch_sigbus(void)
{
        struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
        sigset_t bus;

        /* crun starts its hooks with every signal blocked, and a blocked SIGBUS kills. */
        sigemptyset(&bus);
        sigaddset(&bus, SIGBUS);
        if (sigaction(SIGBUS, &action, NULL) < 0 || sigprocmask(SIG_UNBLOCK, &bus, NULL) < 0)
                return -errno;
        return 0;
}

int kh_map_file(const char *path, size_t cap, char **ret_p, size_t *ret_n)
{
        size_t n;
        kh_cleanup(kh_closep) int fd = kh_open_file(AT_FDCWD, path, cap, &n);
        void *p;
        int r;

        if (fd < 0)
                return fd;
        if (n == 0)
                return -ENODATA;
        r = catch_sigbus();
        if (r < 0)
                return r;
        p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
                return -errno;
        mapping = p;
        mapping_n = n;
        *ret_p = p;
        *ret_n = n;
        return 0;
}
