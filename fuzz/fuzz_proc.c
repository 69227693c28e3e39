/* SPDX-License-Identifier: Apache-2.0 */
/* Files of procfs, whose text a process can shape: its name, its cgroup's path. */
#include "base/cleanup.h"
#include "base/io.h"
#include "fuzz.h"
#include "proc/proc.h"

#include <fcntl.h>
#include <sys/stat.h>

static char name[] = "/tmp/fuzz-proc-XXXXXX";
static int dir = -EBADF;

static void remove_directory(void)
{
        (void)unlinkat(dir, "cgroup", 0);
        (void)rmdir(name);
}

/* A directory with a file `cgroup` that is written anew each time. */
static int directory(const uint8_t *data, size_t size)
{
        int file;

        if (dir < 0) {
                fuzz_require(mkdtemp(name));
                dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                fuzz_require(dir >= 0 && atexit(remove_directory) == 0);
        }
        file = openat(dir, "cgroup", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        fuzz_require(file >= 0 && kh_write_all(file, (const char *)data, size) == 0);
        close(file);
        return dir;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static char room[KH_CGROUP_FILE_MAX];
        char *text = fuzz_copy(data, size);
        struct kh_proc_stat stat;
        struct kh_cgroup cgroup;

        if (kh_proc_parse_stat((struct kh_span){ text, size }, &stat) == 0)
                fuzz_require(stat.ppid >= 0 && memchr(stat.comm, '\0', sizeof(stat.comm)));
        if (kh_proc_cgroup(directory(data, size), "/sys/fs/cgroup", room, &cgroup) == 0)
                fuzz_require(!cgroup.path.p || cgroup.path.p[0] == '/');
        fuzz_free(text, size);
        return 0;
}
