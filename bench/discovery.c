/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-discovery ROOT ROUNDS: the time that a scan of the host ROOT's state directories takes,
 * with memory that is fresh each time, as the listener has it; prints its name and, in nanoseconds,
 * the median and the longest, then how many containers were found.
 */
#include "discovery/discovery.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/number.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

enum { ROUNDS_MAX = 10000 };

static void count(void *arg, struct kh_found *found)
{
        if (found->finding == KH_FOUND_CONTAINER)
                ++*(unsigned *)arg;
}

static int by_value(const void *a, const void *b)
{
        const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

static uint64_t scan_once(const struct kh_host *host, unsigned *found)
{
        uint64_t start = kh_boottime_ns();
        struct kh_discovery_room *room = mmap(
                NULL, sizeof(*room), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        struct kh_discovery d;

        if (room == MAP_FAILED) {
                perror("mmap");
                exit(1);
        }
        *found = 0;
        kh_discovery_init(&d, host, kh_default_places, KH_DEFAULT_PLACES, room);
        kh_discovery_scan(&d, count, found);
        munmap(room, sizeof(*room));
        return kh_boottime_ns() - start;
}

int main(int argc, char **argv)
{
        static uint64_t took[ROUNDS_MAX];
        struct kh_host host = { .cgroupfs = "/sys/fs/cgroup" };
        uint64_t rounds;
        unsigned found = 0;

        if (argc != 3 || !kh_parse_u64(kh_span_of(argv[2]), ROUNDS_MAX, &rounds) || !rounds) {
                (void)fprintf(stderr, "usage: bench-discovery ROOT ROUNDS\n");
                return 1;
        }
        host.root.dir = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
        host.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (host.root.dir < 0 || host.proc < 0) {
                perror(argv[1]);
                return 1;
        }
        for (uint64_t i = 0; i < rounds; i++)
                took[i] = scan_once(&host, &found);
        qsort(took, rounds, sizeof(took[0]), by_value);
        printf("scan\t%llu\t%llu\t%u\n", (unsigned long long)took[rounds / 2],
                (unsigned long long)took[rounds - 1], found);
        return 0;
}
