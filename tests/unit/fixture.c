/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* More than the longest text of any test. */
enum { ARENA_SIZE = 4 * 1024 * 1024 };

char *fixture_guarded(struct kh_span text)
{
        static char *arena_end;
        char *start;

        if (!arena_end) {
                const size_t page = (size_t)sysconf(_SC_PAGESIZE);
                char *arena = mmap(NULL, ARENA_SIZE + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

                assert_ptr_not_equal(arena, MAP_FAILED);
                arena_end = arena + ARENA_SIZE;
                assert_int_equal(mprotect(arena_end, page, PROT_NONE), 0);
        }
        assert_in_range(text.n, 0, ARENA_SIZE);
        start = arena_end - text.n;
        if (text.n)
                memcpy(start, text.p, text.n);
        return start;
}

static struct kh_span read_whole(const char *path)
{
        static char text[64 * 1024];
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                fail_msg("cannot open %s", path);
        n = read(fd, text, sizeof(text));
        close(fd);
        assert_in_range(n, 1, sizeof(text) - 1);
        return (struct kh_span){ text, (size_t)n };
}

struct kh_span fixture_recorded(const char *name)
{
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", KH_TEST_DATA, name);
        return read_whole(path);
}

void fixture_each_recorded(
        const char *pattern, void (*check)(const char *name, struct kh_span text))
{
        char path[PATH_MAX];
        glob_t found;

        (void)snprintf(path, sizeof(path), "%s/%s", KH_TEST_DATA, pattern);
        assert_int_equal(glob(path, 0, NULL, &found), 0);
        for (size_t i = 0; i < found.gl_pathc; i++)
                check(strrchr(found.gl_pathv[i], '/') + 1, read_whole(found.gl_pathv[i]));
        globfree(&found);
}

uint32_t fixture_below(struct fixture_random *r, uint32_t limit)
{
        r->state ^= r->state >> 12;
        r->state ^= r->state << 25;
        r->state ^= r->state >> 27;
        return (uint32_t)((r->state * 0x2545f4914f6cdd1dULL) >> 32) % limit;
}
