/* SPDX-License-Identifier: Apache-2.0 */
/* The client library: questions, answers, and what a listener may do wrong. */
#include "play.h"

#include "base/cleanup.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_gives_all_facts(void **state)
{
        static const char line[] =
                "{\"type\":\"container\",\"container\":{\"id\":\"c1\",\"name\":\"n\\u0065w\\n\","
                "\"image\":\"i\",\"pid\":42,\"apparmorProfile\":\"prof\",\"type\":\"sandbox\","
                "\"pod\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\",\"sandboxId\":\"s\"},"
                "\"runtime\":\"crun\",\"stage\":\"prestart\",\"bundle\":\"/b\",\"rootfs\":\"/r\","
                "\"startTime\":9,\"namespaces\":{\"pid\":1,\"mnt\":2,\"time\":8},"
                "\"hostNamespaces\":[\"time\"],\"joinedNamespaces\":[\"pid\"],"
                "\"cgroup\":{\"path\":\"/cg\",\"id\":18446744073709551615,\"specPath\":\"sp\"},"
                "\"process\":{\"command\":\"sh\",\"uid\":0,\"gid\":5},\"selinuxLabel\":\"l\","
                "\"privileged\":true,\"seccomp\":false,\"runtimeSockets\":[\"/run/docker.sock\"],"
                "\"labels\":{\"k\":\"v\",\"\\ud800\":\"odd\"},\"annotations\":{\"a\":\"\"},"
                "\"state\":\"created\",\"source\":\"spool\",\"createdAt\":\"t\","
                "\"future\":{\"x\":[1,{}]}}}\n";
        struct play *p = *state;
        const struct kubearmor_hook_event *event;
        const struct kubearmor_hook_container *c;

        assert_int_equal(kubearmor_hook_list(p->hook, NULL), 0);
        play_expect_request(p, "{\"request\":\"list\"}");
        play_say(p, line);
        event = play_next(p, KUBEARMOR_HOOK_CONTAINER);
        assert_int_equal(strlen(event->json), sizeof(line) - 2);
        assert_memory_equal(event->json, line, sizeof(line) - 2);
        c = event->container;
        assert_memory_equal(strstr(line, "{\"id\""), c->json, strlen(c->json));
        assert_string_equal(c->id, "c1");
        assert_string_equal(c->name, "new\n");
        assert_string_equal(c->image, "i");
        assert_string_equal(c->type, "sandbox");
        assert_string_equal(c->pod_name, "p");
        assert_string_equal(c->pod_namespace, "ns");
        assert_string_equal(c->pod_uid, "u");
        assert_string_equal(c->sandbox_id, "s");
        assert_string_equal(c->runtime, "crun");
        assert_string_equal(c->stage, "prestart");
        assert_string_equal(c->bundle, "/b");
        assert_string_equal(c->rootfs, "/r");
        assert_int_equal(c->pid, 42);
        assert_int_equal(c->start_time, 9);
        assert_int_equal(c->namespaces[KUBEARMOR_HOOK_NS_MNT], 2);
        assert_int_equal(c->namespaces[KUBEARMOR_HOOK_NS_NET], 0);
        assert_int_equal(c->host_namespaces, 1 << KUBEARMOR_HOOK_NS_TIME);
        assert_int_equal(c->joined_namespaces, 1 << KUBEARMOR_HOOK_NS_PID);
        assert_string_equal(c->cgroup_path, "/cg");
        assert_string_equal(c->cgroup_spec_path, "sp");
        assert_true(c->cgroup_id == UINT64_MAX);
        assert_string_equal(c->command, "sh");
        assert_int_equal(c->uid, 0);
        assert_int_equal(c->gid, 5);
        assert_string_equal(c->apparmor_profile, "prof");
        assert_string_equal(c->selinux_label, "l");
        assert_int_equal(c->privileged, KUBEARMOR_HOOK_YES);
        assert_int_equal(c->seccomp, KUBEARMOR_HOOK_NO);
        assert_int_equal(c->n_runtime_sockets, 1);
        assert_string_equal(c->runtime_sockets[0], "/run/docker.sock");
        assert_int_equal(c->n_labels, 2);
        assert_string_equal(c->labels[0].name, "k");
        assert_string_equal(c->labels[0].value, "v");
        assert_string_equal(c->labels[1].name, "");
        assert_int_equal(c->n_annotations, 1);
        assert_string_equal(c->annotations[0].value, "");
        assert_string_equal(c->state, "created");
        assert_string_equal(c->source, "spool");
        assert_string_equal(c->created_at, "t");
}

static void test_absent_facts_are_absent(void **state)
{
        struct play *p = *state;
        const struct kubearmor_hook_container *c;

        assert_int_equal(kubearmor_hook_list(p->hook, NULL), 0);
        play_expect_request(p, "{\"request\":\"list\"}");
        play_say(p, "{\"type\":\"container\",\"container\":{\"id\":\"c\"}}\n");
        c = play_next(p, KUBEARMOR_HOOK_CONTAINER)->container;
        assert_null(c->name);
        assert_null(c->state);
        assert_null(c->type);
        assert_int_equal(c->pid, 0);
        assert_int_equal(c->uid, -1);
        assert_int_equal(c->gid, -1);
        assert_int_equal(c->privileged, KUBEARMOR_HOOK_UNKNOWN);
        assert_int_equal(c->n_labels, 0);
}

static void test_lines_come_in_any_pieces(void **state)
{
        struct play *p = *state;
        char line[] = "{\"type\":\"container\",\"container\":{\"id\":\"c\"}}\n";

        assert_int_equal(kubearmor_hook_list(p->hook, NULL), 0);
        play_expect_request(p, "{\"request\":\"list\"}");
        for (size_t i = 0; line[i]; i++) {
                char piece[2] = { line[i], '\0' };

                play_expect_nothing(p);
                play_say(p, piece);
        }
        play_expect_container(p, KUBEARMOR_HOOK_CONTAINER, "c", 0);
        play_say_synced(p, INSTANCE_A, 3);
        assert_int_equal(play_next(p, KUBEARMOR_HOOK_SYNCED)->seq, 3);
        play_expect_failure(p, -ENODATA);
}

static void test_a_long_line_grows_the_room(void **state)
{
        enum { LABELS = 300, LENGTH = 1000 };
        struct play *p = *state;
        char value[LENGTH + 1];
        const struct kubearmor_hook_container *c;

        memset(value, 'x', LENGTH);
        value[LENGTH] = '\0';
        assert_int_equal(kubearmor_hook_list(p->hook, NULL), 0);
        play_expect_request(p, "{\"request\":\"list\"}");
        play_say(p,
                "{\"type\":\"container\",\"container\":{\"id\":\"c\",\"labels\":{\"first\":\"\"");
        for (int i = 0; i < LABELS; i++) {
                char label[LENGTH + 32];

                (void)snprintf(label, sizeof(label), ",\"k%d\":\"%s\"", i, value);
                play_say(p, label);
                play_expect_nothing(p);
        }
        play_say(p, "}}}\n");
        c = play_next(p, KUBEARMOR_HOOK_CONTAINER)->container;
        assert_int_equal(c->n_labels, LABELS + 1);
        assert_string_equal(c->labels[LABELS].value, value);
}

static void test_a_line_without_end_is_refused(void **state)
{
        struct play *p = *state;
        static char much[64 * 1024 + 1];
        const struct kubearmor_hook_event *event;
        int rc = 0;

        memset(much, ' ', sizeof(much) - 1);
        assert_int_equal(kubearmor_hook_list(p->hook, NULL), 0);
        play_expect_request(p, "{\"request\":\"list\"}");
        for (int i = 0; rc == 0 && i < 200; i++) {
                play_say(p, much);
                rc = kubearmor_hook_next(p->hook, 0, &event);
        }
        assert_int_equal(rc, -EMSGSIZE);
}

static void test_unknown_lines_are_passed_over(void **state)
{
        struct play *p = *state;

        assert_int_equal(kubearmor_hook_list(p->hook, NULL), 0);
        play_expect_request(p, "{\"request\":\"list\"}");
        play_say(p, "{\"type\":\"weather\",\"container\":7}\n{}\n");
        play_expect_nothing(p);
}

static void test_what_is_no_protocol_ends(void **state)
{
        static const char *const lines[] = {
                "\n",
                "hello\n",
                "[]\n",
                "{\"type\":\"created\"\n",
                "{\"type\":\"created\"}\n",
                "{\"type\":\"created\",\"container\":{}}\n",
                "{\"type\":\"created\",\"container\":{\"id\":7}}\n",
                "{\"type\":\"created\",\"container\":[]}\n",
                "{\"type\":\"synced\"}}\n",
        };
        struct play *p = *state;

        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
                assert_int_equal(kubearmor_hook_list(p->hook, NULL), 0);
                play_expect_request(p, "{\"request\":\"list\"}");
                play_say(p, lines[i]);
                play_expect_failure(p, -EBADMSG);
        }
}

static void test_errors_of_the_listener(void **state)
{
        static const struct {
                const char *name;
                int code;
        } errors[] = {
                { "bad-request", -EINVAL },
                { "not-found", -ESRCH },
                { "ambiguous", -ENOTUNIQ },
                { "slow-subscriber", -ENOBUFS },
                { "shutdown", -ESHUTDOWN },
                { "too-many-subscribers", -EUSERS },
                { "not-permitted", -EACCES },
                { "of-the-future", -EBADMSG },
        };
        struct play *p = *state;
        char line[128];

        for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
                assert_int_equal(kubearmor_hook_list(p->hook, NULL), 0);
                play_expect_request(p, "{\"request\":\"list\"}");
                (void)snprintf(line, sizeof(line),
                        "{\"type\":\"error\",\"error\":\"%s\",\"message\":\"so it is\"}\n",
                        errors[i].name);
                play_say(p, line);
                play_expect_failure(p, errors[i].code);
        }
}

static void test_an_unfinished_answer_fails(void **state)
{
        struct play *p = *state;

        assert_int_equal(kubearmor_hook_list(p->hook, NULL), 0);
        play_expect_request(p, "{\"request\":\"list\"}");
        play_say_container(p, "container", "a", 10, 1);
        play_say(p, "{\"type\":\"syn");
        play_hang_up(p);
        play_expect_container(p, KUBEARMOR_HOOK_CONTAINER, "a", 10);
        play_expect_failure(p, -ECONNRESET);
}

static void test_silence_ends_an_answer(void **state)
{
        struct play *p = *state;

        kubearmor_hook_close(p->hook);
        p->hook = play_open_hook(p, 50);
        assert_int_equal(kubearmor_hook_list(p->hook, NULL), 0);
        play_expect_request(p, "{\"request\":\"list\"}");
        play_expect_failure(p, -ETIMEDOUT);
}

static void test_silence_between_events_is_well(void **state)
{
        struct play *p = *state;
        const struct kubearmor_hook_event *event;

        kubearmor_hook_close(p->hook);
        p->hook = play_open_hook(p, 50);
        assert_int_equal(kubearmor_hook_subscribe(p->hook, NULL, 0), 0);
        play_expect_request(p, "{\"request\":\"subscribe\"}");
        play_say_synced(p, INSTANCE_A, 0);
        play_next(p, KUBEARMOR_HOOK_SYNCED);
        assert_int_equal(kubearmor_hook_next(p->hook, 200, &event), 0);
        play_say_container(p, "created", "a", 10, 1);
        play_expect_container(p, KUBEARMOR_HOOK_CREATED, "a", 10);
}

static void test_no_listener(void **state)
{
        struct play *p = *state;

        kh_closep(&p->listener);
        assert_int_equal(kubearmor_hook_list(p->hook, NULL), -ECONNREFUSED);
        assert_non_null(strstr(kubearmor_hook_error(p->hook), p->path));
        (void)unlink(p->path);
        assert_int_equal(
                kubearmor_hook_subscribe(p->hook, NULL, KUBEARMOR_HOOK_RECONNECT), -ENOENT);
        play_expect_failure(p, -ENODATA);
}

/* A listener that is behind: its backlog is full, and then it catches up. */
static void test_a_full_backlog_is_waited_for(void **state)
{
        struct play *p = *state;
        struct kubearmor_hook *others[32] = { NULL };
        const struct kubearmor_hook_event *event;
        size_t n = 0;

        while (n < 32) {
                others[n] = play_open_hook(p, 10000);
                assert_int_equal(kubearmor_hook_list(others[n++], NULL), 0);
        }
        assert_int_equal(kubearmor_hook_list(p->hook, NULL), 0);
        play_expect_nothing(p);
        for (size_t i = 0; i < 9; i++)
                play_expect_request(p, "{\"request\":\"list\"}");
        while (n > 0)
                kubearmor_hook_close(others[--n]);
        do
                assert_int_equal(kubearmor_hook_next(p->hook, 50, &event), 0);
        while (poll(&(struct pollfd){ .fd = p->listener, .events = POLLIN }, 1, 0) == 0);
        play_expect_request(p, "{\"request\":\"list\"}");
        play_say_synced(p, INSTANCE_A, 0);
        play_next(p, KUBEARMOR_HOOK_SYNCED);
}

static void test_a_full_backlog_is_not_waited_for_for_ever(void **state)
{
        struct play *p = *state;
        struct kubearmor_hook *others[32];

        for (size_t i = 0; i < 32; i++) {
                others[i] = play_open_hook(p, 10000);
                assert_int_equal(kubearmor_hook_list(others[i], NULL), 0);
        }
        kubearmor_hook_close(p->hook);
        p->hook = play_open_hook(p, 50);
        assert_int_equal(kubearmor_hook_list(p->hook, NULL), 0);
        play_expect_failure(p, -ETIMEDOUT);
        for (size_t i = 0; i < 32; i++)
                kubearmor_hook_close(others[i]);
}

static void test_requests(void **state)
{
        struct play *p = *state;
        struct kubearmor_hook_filter filter = {
                .size = sizeof(filter),
                .id = "a\"b",
                .name = "n",
                .pod = "p",
                .pod_namespace = "s",
                .runtime = "r",
                .type = "sandbox",
                .state = "exited",
        };

        assert_int_equal(kubearmor_hook_list(p->hook, &filter), 0);
        play_expect_request(p, "{\"request\":\"list\",\"filter\":{\"id\":\"a\\\"b\",\"name\":\"n\","
                               "\"pod\":\"p\",\"namespace\":\"s\",\"runtime\":\"r\","
                               "\"type\":\"sandbox\",\"state\":\"exited\"}}");
        assert_int_equal(kubearmor_hook_lookup_id(p->hook, "abc"), 0);
        play_expect_request(p, "{\"request\":\"lookup\",\"id\":\"abc\"}");
        assert_int_equal(kubearmor_hook_lookup_init(p->hook, 7), 0);
        play_expect_request(p, "{\"request\":\"lookup\",\"pid\":7}");
        assert_int_equal(kubearmor_hook_lookup_cgroup(p->hook, UINT64_MAX), 0);
        play_expect_request(p, "{\"request\":\"lookup\",\"cgroupId\":18446744073709551615}");
        assert_int_equal(kubearmor_hook_lookup_namespace(p->hook, KUBEARMOR_HOOK_NS_NET, 9), 0);
        play_expect_request(
                p, "{\"request\":\"lookup\",\"namespace\":{\"type\":\"net\",\"inode\":9}}");
}

static void test_bad_arguments(void **state)
{
        struct play *p = *state;
        struct kubearmor_hook *hook = NULL;
        struct kubearmor_hook_filter filter = { .size = sizeof(filter), .name = "\xff" };
        struct {
                struct kubearmor_hook_options known;
                int later;
        } options = { .known = { .size = sizeof(options) } };
        char long_path[200];

        assert_int_equal(kubearmor_hook_list(p->hook, &filter), -EINVAL);
        assert_int_equal(kubearmor_hook_subscribe(p->hook, NULL, 1U << 31), -EINVAL);
        assert_int_equal(kubearmor_hook_lookup_id(p->hook, ""), -EINVAL);
        assert_int_equal(kubearmor_hook_lookup_init(p->hook, -1), -EINVAL);
        assert_int_equal(kubearmor_hook_lookup_cgroup(p->hook, 0), -EINVAL);
        assert_int_equal(kubearmor_hook_lookup_namespace(p->hook, 99, 1), -EINVAL);
        play_expect_failure(p, -ENODATA);

        /* Options of a later version, unused and used. */
        assert_int_equal(kubearmor_hook_open(&options.known, &hook), 0);
        kubearmor_hook_close(hook);
        options.later = 1;
        assert_int_equal(kubearmor_hook_open(&options.known, &hook), -EINVAL);

        memset(long_path, 'x', sizeof(long_path) - 1);
        long_path[sizeof(long_path) - 1] = '\0';
        options.later = 0;
        options.known.path = long_path;
        assert_int_equal(kubearmor_hook_open(&options.known, &hook), -EINVAL);
        kubearmor_hook_close(NULL);
        assert_null(kubearmor_hook_namespace_name(KUBEARMOR_HOOK_NS_COUNT));
        assert_string_equal(kubearmor_hook_namespace_name(KUBEARMOR_HOOK_NS_MNT), "mnt");
}

static void test_a_lookup_without_match(void **state)
{
        struct play *p = *state;

        assert_int_equal(kubearmor_hook_lookup_init(p->hook, 7), 0);
        play_expect_request(p, "{\"request\":\"lookup\",\"pid\":7}");
        play_say_synced(p, INSTANCE_A, 0);
        play_expect_failure(p, -ESRCH);
}

/*
 * For the calls that wait: a listener that answers one request in a thread, where nothing asserts.
 */
struct answer {
        int listener;
        const char *text;
        char request[64];
};

static void *answer_one(void *arg)
{
        struct answer *a = arg;
        kh_cleanup(kh_closep) int peer = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC);

        if (recv(peer, a->request, sizeof(a->request) - 1, 0) > 0)
                (void)send(peer, a->text, strlen(a->text), MSG_NOSIGNAL);
        return NULL;
}

static void start_answer(struct play *p, struct answer *a, pthread_t *thread)
{
        a->listener = p->listener;
        assert_int_equal(pthread_create(thread, NULL, answer_one, a), 0);
}

static void finish_answer(pthread_t thread, const struct answer *a, const char *request)
{
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_string_equal(a->request, request);
}

static int ask_status(struct play *p, const char *text, const struct kubearmor_hook_status **ret)
{
        struct answer answer = { .text = text };
        pthread_t thread;
        int rc;

        start_answer(p, &answer, &thread);
        rc = kubearmor_hook_status(p->hook, ret);
        finish_answer(thread, &answer, "{\"request\":\"status\"}\n");
        return rc;
}

static void test_status(void **state)
{
        static const char line[] =
                "{\"type\":\"status\",\"version\":\"1\",\"instance\":\"i\",\"uptimeSeconds\":61,"
                "\"pid\":4,\"seq\":5,\"hookSocket\":\"/h\",\"containers\":{\"total\":3,"
                "\"byState\":{\"running\":2,\"created\":1},\"byRuntime\":{\"runc\":3}},"
                "\"events\":{\"created\":9},\"requests\":{},\"subscribers\":{\"connected\":1},"
                "\"spool\":{\"directory\":\"/s\",\"files\":0},\"future\":[],"
                "\"relay\":{\"socket\":\"/k\",\"state\":\"live\",\"behind\":2}}\n";
        struct play *p = *state;
        const struct kubearmor_hook_status *status = NULL;

        assert_int_equal(ask_status(p, line, &status), 0);
        assert_memory_equal(status->json, line, sizeof(line) - 2);
        assert_string_equal(status->version, "1");
        assert_int_equal(status->uptime_seconds, 61);
        assert_int_equal(status->pid, 4);
        assert_int_equal(status->seq, 5);
        assert_string_equal(status->hook_socket, "/h");
        assert_null(status->events_socket);
        assert_int_equal(status->containers, 3);
        assert_int_equal(status->containers_by_state.n, 2);
        assert_string_equal(status->containers_by_state.v[1].name, "created");
        assert_int_equal(status->containers_by_state.v[1].value, 1);
        assert_string_equal(status->containers_by_runtime.v[0].name, "runc");
        assert_string_equal(status->events.v[0].name, "created");
        assert_int_equal(status->requests.n, 0);
        assert_int_equal(status->rejected.n, 0);
        assert_string_equal(status->spool, "/s");
        assert_string_equal(status->spooled.v[0].name, "files");
        assert_string_equal(status->relay, "/k");
        assert_string_equal(status->relay_state, "live");
        assert_int_equal(status->relayed.n, 1);
        assert_int_equal(status->relayed.v[0].value, 2);
}

static void test_status_refused(void **state)
{
        const struct kubearmor_hook_status *status = NULL;

        assert_int_equal(ask_status(*state,
                                 "{\"type\":\"error\",\"error\":\"not-permitted\","
                                 "\"message\":\"no\"}\n",
                                 &status),
                -EACCES);
        assert_int_equal(ask_status(*state, "{\"type\":\"synced\"}\n", &status), -EBADMSG);
        assert_int_equal(ask_status(*state, "{\"type\":\"sta", &status), -ECONNRESET);
        assert_null(status);
}

static int ask_metrics(struct play *p, const char *text, const char **ret)
{
        struct answer answer = { .text = text };
        pthread_t thread;
        int rc;

        start_answer(p, &answer, &thread);
        rc = kubearmor_hook_metrics(p->hook, ret);
        finish_answer(thread, &answer, "{\"request\":\"metrics\"}\n");
        return rc;
}

static void test_metrics(void **state)
{
        const char *text = NULL;

        assert_int_equal(ask_metrics(*state, "a 1\nb 2\n# EOF\n", &text), 0);
        assert_string_equal(text, "a 1\nb 2\n# EOF\n");
        assert_int_equal(ask_metrics(*state, "a 1\n", &text), -ECONNRESET);
        assert_int_equal(ask_metrics(*state,
                                 "{\"type\":\"error\",\"error\":\"not-permitted\","
                                 "\"message\":\"no\"}\n",
                                 &text),
                -EACCES);
        assert_int_equal(ask_metrics(*state, "{\"type\":\"weather\"}\n", &text), -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PLAY(test_gives_all_facts),
                PLAY(test_absent_facts_are_absent),
                PLAY(test_lines_come_in_any_pieces),
                PLAY(test_a_long_line_grows_the_room),
                PLAY(test_a_line_without_end_is_refused),
                PLAY(test_unknown_lines_are_passed_over),
                PLAY(test_what_is_no_protocol_ends),
                PLAY(test_errors_of_the_listener),
                PLAY(test_an_unfinished_answer_fails),
                PLAY(test_silence_ends_an_answer),
                PLAY(test_silence_between_events_is_well),
                PLAY(test_no_listener),
                PLAY(test_a_full_backlog_is_waited_for),
                PLAY(test_a_full_backlog_is_not_waited_for_for_ever),
                PLAY(test_requests),
                PLAY(test_bad_arguments),
                PLAY(test_a_lookup_without_match),
                PLAY(test_status),
                PLAY(test_status_refused),
                PLAY(test_metrics),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
