/* SPDX-License-Identifier: Apache-2.0 */
/* State directories below a root of the test's own, and processes that live. */
#include "fixture.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "discovery/discovery.h"
#include "proc/proc.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { FOUND_MAX = 16 };

struct seen {
        enum kh_finding finding;
        enum kh_known started;
        char id[64], place[128], name[64], bundle[128], annotation[64], rootfs[64], runtime[16];
        char error[192];
        uint64_t start_time, mnt;
        uint32_t pid;
        uint8_t ns_host;
        bool has_pidfd;
};

static char directory[64];
static struct kh_host host;
static struct kh_discovery discovery;
static struct kh_discovery_room room;
static struct seen seen[FOUND_MAX];
static unsigned seen_n;

static struct kh_place_pattern places[16];

static int make_host(void **state)
{
        (void)state;
        (void)snprintf(directory, sizeof(directory), "/tmp/test-discovery-XXXXXX");
        if (!mkdtemp(directory))
                return -1;
        host = (struct kh_host){
                .root.dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC),
                .proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC),
                .cgroupfs = "/sys/fs/cgroup",
        };
        /* The defaults, but our own in place of root's. */
        assert_in_range(KH_DEFAULT_PLACES, 1, sizeof(places) / sizeof(places[0]));
        for (size_t i = 0; i < KH_DEFAULT_PLACES; i++) {
                places[i] = kh_default_places[i];
                places[i].owner = geteuid();
        }
        kh_discovery_init(&discovery, &host, places, KH_DEFAULT_PLACES, &room);
        seen_n = 0;
        return 0;
}

static int remove_host(void **state)
{
        char command[128];

        (void)state;
        kh_closep(&host.root.dir);
        kh_closep(&host.proc);
        (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command);
}

/* PATH, from the root on without its slash, and every directory above it. */
static void make_directory(const char *path)
{
        char part[256];

        for (const char *p = path; p; p = strchr(p + 1, '/') ? strchr(p + 1, '/') : NULL) {
                const char *end = strchr(p + 1, '/');

                (void)snprintf(part, sizeof(part), "%.*s",
                        (int)(end ? end - path : (ptrdiff_t)strlen(path)), path);
                if (mkdirat(host.root.dir, part, 0700) < 0)
                        assert_int_equal(errno, EEXIST);
        }
}

__attribute__((format(printf, 2, 3))) static void put(const char *path, const char *format, ...)
{
        char text[4096], parent[256];
        va_list arguments;
        int fd;

        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
        make_directory(parent);
        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        fd = openat(host.root.dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(kh_write_all(fd, text, strlen(text)), 0);
        close(fd);
}

static pid_t spawn(void)
{
        pid_t pid = fork();

        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails ends nobody */
                for (;;)
                        pause();
        }
        assert_true(pid > 0);
        return pid;
}

static void end(pid_t pid)
{
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static unsigned long long start_time(pid_t pid)
{
        int process = kh_proc_open(host.proc, pid);
        struct kh_proc_stat stat;

        assert_int_equal(kh_proc_stat(process, &stat), 0);
        close(process);
        return stat.start_time;
}

static void copy(char *to, size_t cap, struct kh_span s)
{
        (void)snprintf(to, cap, "%.*s", (int)s.n, s.p ? s.p : "");
}

#define COPY(to, span) copy(to, sizeof(to), span)

static void note(void *arg, struct kh_found *found)
{
        const struct kh_container *c = &found->container;
        struct seen *s = &seen[seen_n++];

        (void)arg;
        assert_in_range(seen_n, 1, FOUND_MAX);
        *s = (struct seen){
                .finding = found->finding,
                .started = found->started,
                .has_pidfd = found->pidfd >= 0,
                .pid = c->pid,
                .start_time = c->start_time,
                .mnt = c->ns[KH_NS_MNT],
                .ns_host = c->ns_host,
        };
        COPY(s->id, c->id);
        COPY(s->place, found->place->path);
        COPY(s->name, c->name);
        COPY(s->bundle, c->bundle);
        COPY(s->rootfs, c->rootfs);
        COPY(s->runtime, c->runtime);
        COPY(s->annotation, kh_pairs_get(&c->annotations, KH_SPAN("k")));
        COPY(s->error, kh_span_of(found->err.code ? found->err.msg : ""));
}

static void scan(void)
{
        seen_n = 0;
        kh_discovery_scan(&discovery, note, NULL);
}

static const struct seen *only(enum kh_finding finding)
{
        scan();
        assert_int_equal(seen_n, 1);
        assert_int_equal(seen[0].finding, finding);
        return &seen[0];
}

static void put_runc(const char *directory_, pid_t pid, unsigned long long start)
{
        char path[256];

        (void)snprintf(path, sizeof(path), "%s/state.json", directory_);
        put(path,
                "{\"id\":\"x\",\"init_process_pid\":%d,\"init_process_start\":%llu,\"config\":{"
                "\"rootfs\":\"/r\",\"labels\":[\"k=label\",\"bundle=/bundle\"]}}",
                (int)pid, start);
}

#define CONFIG                                                                                     \
        "{\"root\":{\"path\":\"rootfs\"},\"annotations\":{\"k\":\"%s\"},\"linux\":{"               \
        "\"namespaces\":[]}}"

static void a_container_of_runcs(void **state)
{
        pid_t pid = spawn();
        const struct seen *s;

        (void)state;
        put_runc("run/runc/x", pid, start_time(pid));
        put("bundle/config.json", CONFIG, "v");
        s = only(KH_FOUND_CONTAINER);
        assert_string_equal(s->id, "x");
        assert_string_equal(s->place, "/run/runc");
        assert_string_equal(s->runtime, "runc");
        assert_string_equal(s->bundle, "/bundle");
        assert_string_equal(s->rootfs, "/bundle/rootfs");
        assert_string_equal(s->annotation, "v");
        assert_int_equal(s->pid, pid);
        assert_int_equal(s->start_time, start_time(pid));
        assert_int_equal(s->started, KH_YES);
        assert_true(s->has_pidfd && s->mnt);
        end(pid);
        scan();
        assert_int_equal(seen_n, 0);
}

static void a_container_that_waits_for_its_start(void **state)
{
        pid_t pid = spawn();

        (void)state;
        put_runc("run/runc/x", pid, start_time(pid));
        assert_int_equal(mkfifoat(host.root.dir, "run/runc/x/exec.fifo", 0622), 0);
        assert_int_equal(only(KH_FOUND_CONTAINER)->started, KH_NO);
        end(pid);
}

/* Its state still says something. */
static void a_container_without_a_bundle(void **state)
{
        pid_t pid = spawn();
        const struct seen *s;

        (void)state;
        put_runc("run/runc/x", pid, start_time(pid));
        s = only(KH_FOUND_CONTAINER);
        assert_string_equal(s->annotation, "label");
        assert_string_equal(s->rootfs, "/r");
        put("bundle/config.json", "{\"annotations\":{\"k\":\"cut\"");
        assert_string_equal(only(KH_FOUND_CONTAINER)->annotation, "label");
        end(pid);
}

static void another_process_of_its_pid(void **state)
{
        pid_t pid = spawn();

        (void)state;
        put_runc("run/runc/x", pid, start_time(pid) - 1);
        put("run/crun/y/status", "{\"pid\":%d,\"process-start-time\":1}", (int)pid);
        scan();
        assert_int_equal(seen_n, 0);
        end(pid);
}

static void a_dead_init_that_nobody_has_reaped(void **state)
{
        pid_t pid = spawn();
        unsigned long long start = start_time(pid);
        siginfo_t info;

        (void)state;
        put_runc("run/runc/x", pid, start);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        scan();
        assert_int_equal(seen_n, 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_container_of_cruns(void **state)
{
        pid_t pid = spawn();
        const struct seen *s;

        (void)state;
        put("run/crun/x/status",
                "{\"pid\": %d,\n\"process-start-time\": %llu, \"bundle\": \"/bundle\"}", (int)pid,
                start_time(pid));
        put("run/crun/x/config.json", CONFIG, "as given");
        put("bundle/config.json", CONFIG, "edited since");
        s = only(KH_FOUND_CONTAINER);
        assert_string_equal(s->runtime, "crun");
        assert_string_equal(s->bundle, "/bundle");
        assert_string_equal(s->annotation, "as given");
        end(pid);
}

#define TASK "run/containerd/io.containerd.runtime.v2.task/ns/x"

static void one_container_in_several_places(void **state)
{
        pid_t pid = spawn();

        (void)state;
        put_runc("run/containerd/runc/ns/x", pid, start_time(pid));
        put(TASK "/init.pid", "%d", (int)pid);
        put(TASK "/config.json", CONFIG, "v");
        put("run/containers/storage/overlay-containers/x/userdata/pidfile", "%d", (int)pid);
        assert_string_equal(only(KH_FOUND_CONTAINER)->place, "/run/containerd/runc/ns");
        end(pid);
}

/* containerd's option Root: the runtime's state is where nobody else would look. */
static void a_shim_whose_runtime_has_another_root(void **state)
{
        pid_t pid = spawn();
        const struct seen *s;

        (void)state;
        put_runc("opt/state/ns/x", pid, start_time(pid));
        put(TASK "/init.pid", "%d", (int)pid);
        put(TASK "/options.json", "{\"binary_name\":\"runc\",\"root\":\"/opt/state\"}");
        put(TASK "/config.json", CONFIG, "v");
        s = only(KH_FOUND_CONTAINER);
        assert_string_equal(s->runtime, "runc");
        assert_string_equal(s->annotation, "v");
        assert_int_equal(s->start_time, start_time(pid));
        end(pid);
}

/* A pid without a start time may be anybody's by now. */
static void a_pid_alone_needs_its_cgroup(void **state)
{
        pid_t pid = spawn();

        (void)state;
        put(TASK "/init.pid", "%d", (int)pid);
        put(TASK "/config.json", "{\"linux\":{\"cgroupsPath\":\"/another\"}}");
        scan();
        assert_int_equal(seen_n, 0);
        end(pid);
}

static void an_entry_that_is_being_created(void **state)
{
        const struct timespec old[2] = { { .tv_sec = time(NULL) - 3600 },
                { .tv_sec = time(NULL) - 3600 } };

        (void)state;
        make_directory("run/runc/x");
        assert_string_equal(only(KH_FOUND_YOUNG)->id, "x");
        assert_int_equal(utimensat(host.root.dir, "run/runc/x", old, 0), 0);
        scan();
        assert_int_equal(seen_n, 0);
        make_directory(TASK);
        assert_int_equal(only(KH_FOUND_YOUNG)->pid, 0);
}

static void state_that_is_not_whole(void **state)
{
        const struct seen *s;

        (void)state;
        put("run/runc/x/state.json", "{\"id\":\"x\",\"init_process_pid\":%d", 1);
        s = only(KH_FOUND_UNKNOWN);
        assert_string_equal(s->id, "x");
        assert_non_null(strstr(s->error, "'x' in '/run/runc'"));
}

static void entries_that_are_no_entries(void **state)
{
        pid_t pid = spawn();

        (void)state;
        put_runc("elsewhere/x", pid, start_time(pid));
        make_directory("run/runc");
        assert_int_equal(symlinkat("/elsewhere/x", host.root.dir, "run/runc/x"), 0);
        put("run/runc/file", "%s", "");
        make_directory("run/containerd/runc/.deleted/x");
        scan();
        assert_int_equal(seen_n, 0);
        make_directory("run/runc/fifo");
        assert_int_equal(mkfifoat(host.root.dir, "run/runc/fifo/state.json", 0600), 0);
        assert_string_equal(only(KH_FOUND_UNKNOWN)->id, "fifo");
        end(pid);
}

static void anothers_directory_is_not_believed(void **state)
{
        pid_t pid = spawn();

        (void)state;
        put_runc("run/runc/x", pid, start_time(pid));
        places[0].owner = geteuid() + 1;
        scan();
        assert_int_equal(seen_n, 0);
        end(pid);
}

enum { ALICE = 4711, BOB = 4712 };

/* What lies in PATH and is found there is UID's. */
static void give_to(uid_t uid, const char *path)
{
        char command[256];

        (void)snprintf(command, sizeof(command), "chown -hR %u %s/%s", uid, directory, path);
        assert_int_equal(system(command), 0);
        places[0].owner = uid;
}

/* A process in a user namespace of UID's. */
static pid_t spawn_for(uid_t uid)
{
        int ready[2];
        char byte;
        pid_t pid;

        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (setresuid(uid, uid, uid) < 0 || unshare(CLONE_NEWUSER) < 0)
                        _exit(1);
                (void)!write(ready[1], "", 1);
                for (;;)
                        pause();
        }
        assert_true(pid > 0);
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        return pid;
}

static void a_user_is_believed_of_its_own_processes_alone(void **state)
{
        pid_t pid = spawn(), alices = spawn_for(ALICE), bobs = spawn_for(BOB);

        (void)state;
        put_runc("run/runc/roots", pid, start_time(pid));
        put_runc("run/runc/own", alices, start_time(alices));
        put_runc("run/runc/bobs", bobs, start_time(bobs));
        put_runc("run/runc/earlier", alices, start_time(alices) - 1);
        give_to(ALICE, "run/runc");
        assert_string_equal(only(KH_FOUND_CONTAINER)->id, "own");
        end(pid);
        end(alices);
        end(bobs);
}

/* It says that its namespaces are its own; they are the host's. */
static void a_users_word_about_namespaces_is_not_believed(void **state)
{
        pid_t pid = spawn_for(ALICE);

        (void)state;
        put_runc("run/runc/x", pid, start_time(pid));
        put("bundle/config.json", "{\"annotations\":{\"k\":\"read\"},\"linux\":{\"namespaces\":["
                                  "{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"user\"}]}}");
        give_to(ALICE, "bundle");
        give_to(ALICE, "run/runc");
        assert_string_equal(only(KH_FOUND_CONTAINER)->annotation, "read");
        assert_int_equal(seen[0].ns_host >> KH_NS_MNT & 1, 1);
        assert_int_equal(seen[0].ns_host >> KH_NS_USER & 1, 0);
        end(pid);
}

static void a_user_leads_nowhere_by_links(void **state)
{
        pid_t pid = spawn_for(ALICE);

        (void)state;
        put_runc("data/soft", pid, start_time(pid));
        put_runc("data/hard", pid, start_time(pid));
        put("bundle/config.json", CONFIG, "secret");
        make_directory("run/runc/soft");
        make_directory("run/runc/hard");
        assert_int_equal(
                symlinkat("/data/soft/state.json", host.root.dir, "run/runc/soft/state.json"), 0);
        give_to(ALICE, "run/runc");
        assert_int_equal(linkat(host.root.dir, "data/hard/state.json", host.root.dir,
                                 "run/runc/hard/state.json", 0),
                0);
        scan();
        assert_int_equal(seen_n, 2);
        assert_int_equal(seen[0].finding, KH_FOUND_UNKNOWN);
        assert_int_equal(seen[1].finding, KH_FOUND_UNKNOWN);
        /* Nor is another's configuration read. */
        assert_int_equal(unlinkat(host.root.dir, "run/runc/soft/state.json", 0), 0);
        assert_int_equal(unlinkat(host.root.dir, "run/runc/hard/state.json", 0), 0);
        put_runc("run/runc/soft", pid, start_time(pid));
        give_to(ALICE, "run/runc");
        scan();
        assert_string_equal(
                seen[0].finding == KH_FOUND_CONTAINER ? seen[0].annotation : seen[1].annotation,
                "label");
        /* Nor is the place itself one that is somewhere else. */
        assert_int_equal(renameat(host.root.dir, "run/runc", host.root.dir, "run/moved"), 0);
        assert_int_equal(symlinkat("/run/moved", host.root.dir, "run/runc"), 0);
        scan();
        assert_int_equal(seen_n, 0);
        end(pid);
}

static void of_a_users_directory_a_part_is_read(void **state)
{
        char name[32];

        (void)state;
        for (int i = 0; i < KH_USER_ENTRIES_MAX + 1; i++) {
                (void)snprintf(name, sizeof(name), "run/runc/.%d", i);
                make_directory(name);
        }
        scan();
        assert_int_equal(discovery.overfull, 0);
        give_to(ALICE, "run/runc");
        scan();
        assert_int_equal(discovery.overfull, 1);
}

static void links_are_the_hosts(void **state)
{
        pid_t pid = spawn();

        (void)state;
        put_runc("data/x", pid, start_time(pid));
        make_directory("run");
        assert_int_equal(symlinkat("/data", host.root.dir, "run/runc"), 0);
        assert_string_equal(only(KH_FOUND_CONTAINER)->id, "x");
        end(pid);
}

static void one_entry_is_looked_at(void **state)
{
        const struct kh_place place = {
                .kind = KH_PLACE_RUNTIME, .owner = geteuid(), .path = KH_SPAN("/run/runc")
        };
        pid_t pid = spawn();

        (void)state;
        put_runc("run/runc/x", pid, start_time(pid));
        scan();
        for (int i = 0; i < 2; i++) {
                seen_n = 0;
                kh_discovery_look(&discovery, &place, KH_SPAN("x"), note, NULL);
                assert_int_equal(seen_n, 1);
                assert_int_equal(seen[0].finding, KH_FOUND_CONTAINER);
        }
        kh_discovery_look(&discovery, &place, KH_SPAN("y"), note, NULL);
        assert_int_equal(seen[1].finding, KH_FOUND_NOTHING);
        end(pid);
}

static bool knows(void *arg, uint32_t pid, uint64_t start)
{
        return pid == *(const uint32_t *)arg && start == start_time((pid_t)pid);
}

static void what_the_caller_knows_is_passed_over(void **state)
{
        pid_t pid = spawn(), other = spawn();
        uint32_t known = (uint32_t)pid;

        (void)state;
        put_runc("run/containerd/runc/ns/x", pid, start_time(pid));
        put(TASK "/init.pid", "%d", (int)pid);
        put_runc("run/runc/y", other, start_time(other));
        discovery.knows = knows;
        discovery.knows_arg = &known;
        assert_string_equal(only(KH_FOUND_CONTAINER)->id, "y");
        end(pid);
        end(other);
}

static char watched[4096];

static void note_watch(void *arg, int dir, struct kh_span path, const struct kh_place *place)
{
        size_t n = strlen(watched);

        (void)arg;
        assert_true(dir >= 0);
        (void)snprintf(watched + n, sizeof(watched) - n, "%c%.*s ", place ? '+' : '-', (int)path.n,
                path.p);
}

static bool is_watched(const char *what)
{
        watched[0] = '\0';
        kh_discovery_watch(&discovery, note_watch, NULL);
        return strstr(watched, what) != NULL;
}

static void what_is_worth_watching(void **state)
{
        (void)state;
        make_directory("run");
        make_directory("var");
        assert_true(is_watched("-/run "));
        assert_false(is_watched("+"));
        assert_true(is_watched("-/var "));
        make_directory("run/runc");
        assert_true(is_watched("+/run/runc "));
        make_directory("run/docker");
        assert_true(is_watched("-/run/docker "));
        make_directory("run/docker/runtime-runc/moby");
        assert_true(is_watched("-/run/docker/runtime-runc "));
        assert_true(is_watched("+/run/docker/runtime-runc/moby "));
        make_directory("run/docker/netns/moby");
        assert_false(is_watched("netns"));
        make_directory("run/containers/storage/overlay-containers");
        make_directory("run/containers/storage/overlay-layers");
        assert_true(is_watched("+/run/containers/storage/overlay-containers "));
        assert_false(is_watched("overlay-layers"));
}

static void names_of_containers_from_their_engines(void **state)
{
        pid_t pid = spawn();

        (void)state;
        put("run/runc/x/state.json",
                "{\"init_process_pid\":%d,\"init_process_start\":%llu,\"config\":{\"labels\":["
                "\"bundle=/var/lib/containers/storage/overlay-containers/x/userdata\"]}}",
                (int)pid, start_time(pid));
        put("var/lib/containers/storage/overlay-containers/containers.json", "%s",
                "[{\"id\":\"w\"},{\"id\":\"x\",\"metadata\":\"{\\\"name\\\":\\\"quiet_sun\\\"}\"}]");
        assert_string_equal(only(KH_FOUND_CONTAINER)->name, "quiet_sun");
        end(pid);
}

/* Bob's record of a container that is known says nothing of one that shares a path with it. */
static void what_a_user_says_hides_no_others(void **state)
{
        pid_t pid = spawn();
        uint32_t known = (uint32_t)pid;

        (void)state;
        put("run/crun/x/status",
                "{\"pid\":%d,\"process-start-time\":%llu,"
                "\"bundle\":\"/run/containers/storage/overlay-containers/y/userdata\"}",
                (int)pid, start_time(pid));
        give_to(BOB, "run/crun");
        places[0].owner = 0;
        places[1].owner = BOB;
        discovery.knows = knows;
        discovery.knows_arg = &known;
        scan();
        assert_false(kh_seen_has(
                &room.seen, KH_SPAN("/run/containers/storage/overlay-containers/y/userdata")));
        end(pid);
}

#define with_host(test) cmocka_unit_test_setup_teardown(test, make_host, remove_host)

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_host(a_container_of_runcs),
                with_host(a_container_that_waits_for_its_start),
                with_host(a_container_without_a_bundle),
                with_host(another_process_of_its_pid),
                with_host(a_dead_init_that_nobody_has_reaped),
                with_host(a_container_of_cruns),
                with_host(one_container_in_several_places),
                with_host(a_shim_whose_runtime_has_another_root),
                with_host(a_pid_alone_needs_its_cgroup),
                with_host(an_entry_that_is_being_created),
                with_host(state_that_is_not_whole),
                with_host(entries_that_are_no_entries),
                with_host(anothers_directory_is_not_believed),
                with_host(a_user_is_believed_of_its_own_processes_alone),
                with_host(a_users_word_about_namespaces_is_not_believed),
                with_host(a_user_leads_nowhere_by_links),
                with_host(of_a_users_directory_a_part_is_read),
                with_host(what_a_user_says_hides_no_others),
                with_host(links_are_the_hosts),
                with_host(one_entry_is_looked_at),
                with_host(what_the_caller_knows_is_passed_over),
                with_host(what_is_worth_watching),
                with_host(names_of_containers_from_their_engines),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
