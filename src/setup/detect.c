/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/detect.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/number.h"
#include "setup/command.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

enum { COMMAND_LINE_MAX = 64 * 1024 };

/* What a runtime is known by. The containerds that others embed are told apart by their paths. */
static const struct signs {
        const char *process; /* the name of its daemon's process */
        const char *path;    /* part of a path in its command line; NULL: any */
        const char *program; /* a name to be found, or a path; NULL: only as a process */
        const char *config;  /* its default */
} signs[KH_OWNER_COUNT] = {
        [KH_OWNER_CRIO] = { "crio", NULL, "crio", "/etc/crio/crio.conf" },
        [KH_OWNER_PODMAN] = { NULL, NULL, "podman", "/etc/containers/containers.conf" },
        [KH_OWNER_CONTAINERD] = { "containerd", NULL, "containerd", "/etc/containerd/config.toml" },
        [KH_OWNER_K3S] = { "containerd", "/rancher/k3s/", "k3s",
                "/var/lib/rancher/k3s/agent/etc/containerd/config.toml" },
        [KH_OWNER_RKE2] = { "containerd", "/rancher/rke2/", "rke2",
                "/var/lib/rancher/rke2/agent/etc/containerd/config.toml" },
        [KH_OWNER_K0S] = { "containerd", "/k0s", "k0s", "/etc/k0s/containerd.toml" },
        [KH_OWNER_MICROK8S] = { "containerd", "/microk8s/", "/snap/microk8s/current/bin/containerd",
                "/var/snap/microk8s/current/args/containerd.toml" },
        [KH_OWNER_DOCKER] = { "dockerd", NULL, "dockerd", "/etc/docker/daemon.json" },
};

static bool says(const struct kh_instance *i, const char *part)
{
        return i->command_line.p &&
               memmem(i->command_line.p, i->command_line.n, part, strlen(part)) != NULL;
}

/* A containerd that none of the others embeds, nor dockerd has started for itself. */
static bool is_owners(const struct kh_instance *i, enum kh_owner owner)
{
        if (signs[owner].path)
                return says(i, signs[owner].path);
        if (owner != KH_OWNER_CONTAINERD)
                return true;
        for (int other = 0; other < KH_OWNER_COUNT; other++) {
                if (signs[other].path && says(i, signs[other].path))
                        return false;
        }
        return !says(i, "/docker/containerd/");
}

const char *kh_daemon_option(const struct kh_instance *i, const char *name, char letter)
{
        const char *p = i->command_line.p, *end = p ? p + i->command_line.n : NULL;
        size_t n = strlen(name);

        for (; p && p < end; p += strlen(p) + 1) {
                const char *word = p, *next = p + strlen(p) + 1;

                if (*word++ != '-')
                        continue;
                if (letter && *word == letter && !word[1])
                        return next < end ? next : NULL;
                word += *word == '-';
                if (strncmp(word, name, n) != 0)
                        continue;
                if (word[n] == '=')
                        return word + n + 1;
                if (!word[n])
                        return next < end ? next : NULL;
        }
        return NULL;
}

static bool is_same(int a, const char *name, int b, const char *other)
{
        struct stat one, two;

        return fstatat(a, name, &one, 0) == 0 && fstatat(b, other, &two, 0) == 0 &&
               one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

/* Field 22 of its stat file, in the nanoseconds of the boot clock. */
static uint64_t start_of(int process)
{
        char stat[1024];
        ssize_t n = kh_read_kernel_file(process, "stat", stat, sizeof(stat) - 1);
        long hertz = sysconf(_SC_CLK_TCK);
        struct kh_span field = { stat, 0 };
        uint64_t ticks = 0;
        char *p;

        if (n <= 0 || hertz <= 0)
                return 0;
        stat[n] = '\0';
        p = strrchr(stat, ')');
        for (int i = 2; p && i < 22; i++) {
                p = strchr(p + 1, ' ');
                if (p && i == 21)
                        field = (struct kh_span){ p + 1, strcspn(p + 1, " ") };
        }
        return kh_parse_u64(field, UINT64_MAX / KH_NS_PER_S, &ticks)
                       ? ticks * (KH_NS_PER_S / (uint64_t)hertz)
                       : 0;
}

/*
 * A process of that name which sees the files that set-up works on; better one in its very mounts.
 * One that has the root alone in common is a container's, or of another's own making.
 */
static int score_process(const struct kh_setup *s, int proc, int process)
{
        static const char *const places[] = { "root/.", "root/etc", "root/run" };

        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
                kh_cleanup(kh_closep) int ours =
                        kh_host_openat(&s->root, places[i] + strlen("root"), O_PATH | O_DIRECTORY);

                if (ours < 0 || !is_same(process, places[i], ours, "."))
                        return 0;
        }
        return is_same(process, "ns/mnt", proc, s->root.is_own ? "self/ns/mnt" : "1/ns/mnt") ? 2
                                                                                             : 1;
}

static bool read_command_line(int process, struct kh_text *ret)
{
        kh_cleanup(kh_closep) int fd = openat(process, "cmdline", O_RDONLY | O_CLOEXEC);
        char *room = kh_text_reserve(ret, COMMAND_LINE_MAX);
        ssize_t n = fd < 0 || !room ? -1 : read(fd, room, COMMAND_LINE_MAX);

        if (n <= 0)
                return false;
        ret->n = (size_t)n;
        ret->p[n] = '\0';
        return true;
}

static void read_program(int process, struct kh_instance *i)
{
        ssize_t n = readlinkat(process, "exe", i->program, sizeof(i->program) - 1);
        static const struct kh_span gone = { " (deleted)", 10 };

        i->program[n > 0 ? n : 0] = '\0';
        if (kh_span_ends(kh_span_of(i->program), gone))
                i->program[n - (ssize_t)gone.n] = '\0';
}

/* One program of many names is another under each (k3s): it is to be called by its daemon's. */
static void use_name(const struct kh_setup *s, const char *name, struct kh_instance *i)
{
        const char *slash = strrchr(i->program, '/');
        char path[PATH_MAX];
        int n = !slash ? -1
                       : snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - i->program),
                                 i->program, name);

        if (n > 0 && n < (int)sizeof(path) && kh_host_exists(&s->root, path))
                memcpy(i->program, path, (size_t)n + 1);
}

/* Servers and agents have units of different names: the process is in the cgroup of one of them. */
static const char *find_service(int process, enum kh_owner owner)
{
        const char *const *names = kh_runtimes[owner].services;
        char cgroups[4096], unit[64];
        ssize_t n = kh_read_kernel_file(process, "cgroup", cgroups, sizeof(cgroups) - 1);

        cgroups[n > 0 ? n : 0] = '\0';
        if (names[1])
                (void)snprintf(unit, sizeof(unit), "/%s.service", names[1]);
        return names[1] && strstr(cgroups, unit) ? names[1] : names[0];
}

/* One process that may be the daemon of OWNER: the better of it and what *I has already. */
static void consider(const struct kh_setup *s, int proc, const char *pid, enum kh_owner owner,
        struct kh_instance *i, int *best)
{
        kh_cleanup(kh_closep) int process = openat(proc, pid, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct kh_instance found = { .owner = owner };
        char comm[64];
        ssize_t n = kh_read_kernel_file(process, "comm", comm, sizeof(comm));
        uint64_t number = 0;
        int score;

        if (n <= 1 || !kh_span_eq((struct kh_span){ comm, (size_t)n - 1 },
                              kh_span_of(signs[owner].process)))
                return;
        score = score_process(s, proc, process);
        if (score <= *best || !read_command_line(process, &found.command_line) ||
                !is_owners(&found, owner)) {
                kh_text_done(&found.command_line);
                return;
        }
        (void)kh_parse_u64(kh_span_of(pid), INT32_MAX, &number);
        found.pid = (pid_t)number;
        found.started_ns = start_of(process);
        found.service = find_service(process, owner);
        read_program(process, &found);
        use_name(s, signs[owner].process, &found);
        kh_text_done(&i->command_line);
        *i = found;
        *best = score;
}

static void find_process(const struct kh_setup *s, enum kh_owner owner, struct kh_instance *i)
{
        int proc = kh_host_openat(&s->root, "/proc", O_RDONLY | O_DIRECTORY);
        DIR *dir = proc < 0 ? NULL : fdopendir(proc);
        const struct dirent *entry;
        int best = 0;

        if (!dir) {
                kh_close(proc);
                return;
        }
        while ((entry = readdir(dir))) {
                if (isdigit((unsigned char)entry->d_name[0]))
                        consider(s, proc, entry->d_name, owner, i, &best);
        }
        (void)closedir(dir);
}

static bool find_program(const struct kh_setup *s, const char *name, char *ret)
{
        if (*name != '/')
                return kh_command_find(&s->root, name, ret);
        (void)snprintf(ret, PATH_MAX, "%s", name);
        return kh_host_exists(&s->root, name);
}

/* The first "1.2.3" of what it says of itself. */
void kh_detect_version(const struct kh_setup *s, struct kh_instance *i)
{
        const char *const argv[] = { i->program, "--version", NULL };
        struct kh_text out = { 0 };
        const char *p;

        if (kh_command_run(&s->root, argv, KH_SPAN(""), kh_boottime_ns() + KH_COMMAND_NS, &out,
                    NULL, NULL) == 0 &&
                out.p) {
                for (p = out.p; *p; p += strcspn(p, " \n"), p += strspn(p, " \n")) {
                        const char *v = p + (*p == 'v');
                        char *dot;
                        unsigned long major = strtoul(v, &dot, 10);

                        if (!isdigit((unsigned char)*v) || *dot != '.')
                                continue;
                        i->major = (unsigned)major;
                        i->minor = (unsigned)strtoul(dot + 1, &dot, 10);
                        i->patch = *dot == '.' ? (unsigned)strtoul(dot + 1, NULL, 10) : 0;
                        (void)snprintf(
                                i->version, sizeof(i->version), "%.*s", (int)strcspn(v, " ,\n"), v);
                        break;
                }
        }
        kh_text_done(&out);
}

static void find_config(struct kh_instance *i, enum kh_owner owner)
{
        const char *given = owner == KH_OWNER_DOCKER ? kh_daemon_option(i, "config-file", 0)
                                                     : kh_daemon_option(i, "config", 'c');

        (void)snprintf(i->config, sizeof(i->config), "%s",
                given && *given == '/' ? given : signs[owner].config);
}

static bool detect_one(const struct kh_setup *s, enum kh_owner owner, struct kh_instance *i)
{
        *i = (struct kh_instance){ .owner = owner, .service = kh_runtimes[owner].services[0] };
        if (signs[owner].process)
                find_process(s, owner, i);
        if (!i->pid && !find_program(s, signs[owner].program, i->program))
                return false;
        kh_detect_version(s, i);
        find_config(i, owner);
        i->evidence = i->pid                 ? "its daemon runs"
                      : signs[owner].process ? "its program is there, and does not run"
                                             : "its program is there";
        return true;
}

void kh_detect(struct kh_setup *s)
{
        kh_detect_done(s);
        for (int owner = 0; owner < KH_OWNER_COUNT; owner++) {
                if (detect_one(s, (enum kh_owner)owner, &s->instances[s->n_instances]))
                        s->n_instances++;
        }
}

void kh_detect_done(struct kh_setup *s)
{
        while (s->n_instances)
                kh_text_done(&s->instances[--s->n_instances].command_line);
}

bool kh_has_read(const struct kh_instance *i, const struct kh_record *record)
{
        char boot_id[sizeof(record->boot_id)];

        if (!i->pid || !record || record->changed_ns == 0)
                return true;
        kh_boot_id(boot_id, sizeof(boot_id));
        return strcmp(boot_id, record->boot_id) != 0 || i->started_ns >= record->changed_ns;
}

unsigned kh_awaited(const struct kh_setup *s, const struct kh_record *record)
{
        unsigned awaited = 0;

        for (unsigned i = 0; i < s->n_instances; i++) {
                if (!kh_has_read(&s->instances[i], record))
                        awaited |= 1U << s->instances[i].owner;
        }
        return awaited & record->awaits;
}
