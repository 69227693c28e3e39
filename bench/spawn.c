/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times whole lives of programs, from posix_spawn to the exit reaped:
 *
 *         spawn ROUNDS [-- NAME STDIN PROGRAM ARGUMENT...]...
 *
 * Each round runs every program once, so that what drifts in the machine hits all alike. STDIN is a
 * file whose content is in the program's pipe before it starts, or "-" for none. A tenth of the
 * rounds goes before as a warm-up. Prints a line for each program: name, median, 99th percentile,
 * both in nanoseconds, median of minor page faults, failed runs.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/number.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
        PROGRAMS_MAX = 32,
        STDIN_MAX = 32 * 1024, /* half of what a pipe holds */
};

struct program {
        const char *name;
        char **argv;
        char *input;
        size_t input_n;
        uint64_t *ns;
        uint64_t *faults;
        unsigned failed;
};

static uint64_t now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * KH_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void die(const char *what, const char *name)
{
        fprintf(stderr, "spawn: %s '%s': %s\n", what, name, kh_strerror(errno));
        exit(1);
}

/* A pipe's reading end with the program's input in it, or /dev/null. */
static int open_input(const struct program *p)
{
        int ends[2];

        if (!p->input)
                return open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (pipe2(ends, O_CLOEXEC) < 0 || kh_write_all(ends[1], p->input, p->input_n) < 0)
                die("fill a pipe for", p->name);
        kh_close(ends[1]);
        return ends[0];
}

static void run_once(struct program *p, int null, unsigned round)
{
        kh_cleanup(kh_closep) int input = open_input(p);
        posix_spawn_file_actions_t actions;
        struct rusage usage;
        uint64_t start;
        pid_t pid;
        int status = 0, r;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, null, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, null, STDERR_FILENO);
        start = now_ns();
        r = posix_spawn(&pid, p->argv[0], &actions, NULL, p->argv, NULL);
        if (r == 0 && wait4(pid, &status, 0, &usage) < 0)
                r = errno;
        p->ns[round] = now_ns() - start;
        posix_spawn_file_actions_destroy(&actions);
        errno = r;
        if (r)
                die("run", p->name);
        p->faults[round] = (uint64_t)usage.ru_minflt;
        if (status)
                p->failed++;
}

static int compare(const void *a, const void *b)
{
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static uint64_t percentile(uint64_t *sorted, unsigned n, unsigned percent)
{
        unsigned at = n * percent / 100;

        return sorted[at < n ? at : n - 1];
}

static void load_input(struct program *p, const char *path)
{
        int r;

        if (strcmp(path, "-") == 0)
                return;
        p->input = malloc(STDIN_MAX);
        if (!p->input)
                die("load", path);
        r = kh_read_file(AT_FDCWD, path, p->input, STDIN_MAX, &p->input_n);
        errno = -r;
        if (r < 0)
                die("load", path);
}

/* NAME STDIN PROGRAM ARGUMENT..., ended by NULL. */
static void init_program(struct program *p, char **group, unsigned rounds)
{
        for (int i = 0; i < 3; i++) {
                if (!group[i]) {
                        fputs("spawn: a program needs NAME STDIN PROGRAM\n", stderr);
                        exit(2);
                }
        }
        p->name = group[0];
        p->argv = group + 2;
        p->ns = calloc(rounds, sizeof(*p->ns));
        p->faults = calloc(rounds, sizeof(*p->faults));
        if (!p->ns || !p->faults)
                die("measure", p->name);
        load_input(p, group[1]);
}

/* Cuts the arguments at each "--"; the number of groups. */
static unsigned init_programs(char **argv, struct program *programs, unsigned rounds)
{
        char **groups[PROGRAMS_MAX];
        unsigned n = 0;

        for (; *argv; argv++) {
                if (strcmp(*argv, "--") != 0)
                        continue;
                *argv = NULL;
                if (n < PROGRAMS_MAX)
                        groups[n++] = argv + 1;
        }
        for (unsigned i = 0; i < n; i++)
                init_program(&programs[i], groups[i], rounds);
        return n;
}

static void report(struct program *p, unsigned rounds)
{
        qsort(p->ns, rounds, sizeof(*p->ns), compare);
        qsort(p->faults, rounds, sizeof(*p->faults), compare);
        printf("%s\t%llu\t%llu\t%llu\t%u\n", p->name,
                (unsigned long long)percentile(p->ns, rounds, 50),
                (unsigned long long)percentile(p->ns, rounds, 99),
                (unsigned long long)percentile(p->faults, rounds, 50), p->failed);
}

int main(int argc, char **argv)
{
        static struct program programs[PROGRAMS_MAX];
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        uint64_t rounds;
        unsigned n;

        if (null < 0 || argc < 3 || strcmp(argv[2], "--") != 0 ||
                !kh_parse_u64(kh_span_of(argv[1]), 1000000, &rounds) || rounds == 0) {
                fprintf(stderr, "usage: spawn ROUNDS [-- NAME STDIN PROGRAM ARGUMENT...]...\n");
                return 2;
        }
        n = init_programs(argv + 2, programs, (unsigned)rounds);
        for (unsigned i = 0; i < rounds / 10; i++) {
                for (unsigned k = 0; k < n; k++)
                        run_once(&programs[k], null, 0);
        }
        for (unsigned k = 0; k < n; k++)
                programs[k].failed = 0;
        for (unsigned round = 0; round < rounds; round++) {
                for (unsigned k = 0; k < n; k++)
                        run_once(&programs[k], null, round);
        }
        for (unsigned k = 0; k < n; k++)
                report(&programs[k], (unsigned)rounds);
        return 0;
}
