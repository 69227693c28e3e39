/* SPDX-License-Identifier: Apache-2.0 */
#include "play.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

void play_listen(struct play *p)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->path);
        p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(p->listener, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(p->listener, 8), 0);
}

void play_stop_listening(struct play *p)
{
        kh_closep(&p->listener);
        kh_closep(&p->peer);
        (void)unlink(p->path);
}

struct kubearmor_hook *play_open_hook(struct play *p, unsigned timeout_ms)
{
        struct kubearmor_hook_options options = {
                .size = sizeof(options),
                .path = p->path,
                .timeout_ms = timeout_ms,
        };
        struct kubearmor_hook *hook = NULL;

        assert_int_equal(kubearmor_hook_open(&options, &hook), 0);
        return hook;
}

int play_set_up(void **state)
{
        struct play *p = calloc(1, sizeof(*p));

        if (!p)
                return -1;
        (void)snprintf(p->dir, sizeof(p->dir), "/tmp/kh-client-XXXXXX");
        assert_non_null(mkdtemp(p->dir));
        (void)snprintf(p->path, sizeof(p->path), "%s/events.sock", p->dir);
        p->peer = -EBADF;
        play_listen(p);
        p->hook = play_open_hook(p, 10000);
        *state = p;
        return 0;
}

int play_tear_down(void **state)
{
        struct play *p = *state;

        kubearmor_hook_close(p->hook);
        play_stop_listening(p);
        (void)rmdir(p->dir);
        free(p);
        return 0;
}

void play_expect_request(struct play *p, const char *want)
{
        char line[8192];
        size_t n = 0;

        kh_closep(&p->peer);
        p->peer = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(p->peer >= 0);
        do {
                ssize_t got = read(p->peer, line + n, sizeof(line) - 1 - n);

                assert_true(got > 0);
                n += (size_t)got;
        } while (line[n - 1] != '\n');
        line[n - 1] = '\0';
        assert_string_equal(line, want);
}

void play_say(struct play *p, const char *text)
{
        assert_int_equal(send(p->peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

void play_hang_up(struct play *p)
{
        kh_closep(&p->peer);
}

void play_say_synced(struct play *p, const char *instance, unsigned seq)
{
        char line[160];

        (void)snprintf(line, sizeof(line),
                "{\"type\":\"synced\",\"instance\":\"%s\",\"seq\":%u,\"count\":0}\n", instance,
                seq);
        play_say(p, line);
}

void play_say_container(
        struct play *p, const char *type, const char *id, unsigned pid, unsigned start)
{
        char line[512];

        (void)snprintf(line, sizeof(line),
                "{\"type\":\"%s\",\"seq\":7,\"time\":\"2026-01-02T03:04:05.000000006Z\","
                "\"source\":\"hook\",\"container\":{\"id\":\"%s\",\"pid\":%u,\"startTime\":%u,"
                "\"state\":\"running\",\"source\":\"hook\","
                "\"createdAt\":\"2026-01-02T03:04:05.000000006Z\"}}\n",
                type, id, pid, start);
        play_say(p, line);
}

const struct kubearmor_hook_event *play_next(struct play *p, enum kubearmor_hook_event_type want)
{
        const struct kubearmor_hook_event *event = NULL;

        assert_int_equal(kubearmor_hook_next(p->hook, 10000, &event), 1);
        assert_int_equal(event->type, want);
        return event;
}

void play_expect_container(
        struct play *p, enum kubearmor_hook_event_type type, const char *id, pid_t pid)
{
        const struct kubearmor_hook_event *event = play_next(p, type);

        assert_string_equal(event->container->id, id);
        assert_int_equal(event->container->pid, pid);
}

void play_expect_nothing(struct play *p)
{
        const struct kubearmor_hook_event *event;

        assert_int_equal(kubearmor_hook_next(p->hook, 0, &event), 0);
}

void play_expect_failure(struct play *p, int code)
{
        const struct kubearmor_hook_event *event;

        assert_int_equal(kubearmor_hook_next(p->hook, 10000, &event), code);
        assert_string_not_equal(kubearmor_hook_error(p->hook), "");
        assert_int_equal(kubearmor_hook_next(p->hook, 0, &event), -ENODATA);
}
