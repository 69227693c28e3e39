/* SPDX-License-Identifier: Apache-2.0 */
/* A subscription that outlives its listener: what a subscriber is told when that comes back. */
#include "play.h"

#include <errno.h>
#include <poll.h>

static void follow(struct play *p)
{
        assert_int_equal(kubearmor_hook_subscribe(p->hook, NULL, KUBEARMOR_HOOK_RECONNECT), 0);
        play_expect_request(p, "{\"request\":\"subscribe\"}");
}

/* The listener comes back, as INSTANCE; the client has noticed. */
static void come_back(struct play *p)
{
        /* It connects by itself, once its pause is over, while it looks for an event. */
        for (;;) {
                const struct kubearmor_hook_event *event;
                struct pollfd ready = { .fd = p->listener, .events = POLLIN };

                assert_int_equal(kubearmor_hook_next(p->hook, 20, &event), 0);
                if (poll(&ready, 1, 0) == 1)
                        break;
        }
        play_expect_request(p, "{\"request\":\"subscribe\"}");
}

static void test_the_descriptor_tells(void **state)
{
        struct play *p = *state;
        struct pollfd ready = { .fd = kubearmor_hook_fd(p->hook), .events = POLLIN };

        follow(p);
        assert_int_equal(poll(&ready, 1, 0), 0);
        play_say_synced(p, INSTANCE_A, 0);
        assert_int_equal(poll(&ready, 1, 10000), 1);
        play_next(p, KUBEARMOR_HOOK_SYNCED);
        play_expect_nothing(p);
        assert_int_equal(poll(&ready, 1, 0), 0);
        play_hang_up(p);
        assert_int_equal(poll(&ready, 1, 10000), 1);
        play_next(p, KUBEARMOR_HOOK_DISCONNECTED);
        /* Also of the time to reconnect. */
        assert_int_equal(poll(&ready, 1, 10000), 1);
        play_expect_nothing(p);
        play_expect_request(p, "{\"request\":\"subscribe\"}");
        assert_int_equal(kubearmor_hook_fd(p->hook), ready.fd);
}

static void test_a_restart_gives_the_difference(void **state)
{
        struct play *p = *state;
        const struct kubearmor_hook_event *event;

        follow(p);
        play_say_container(p, "container", "stays", 10, 1);
        play_say_container(p, "container", "goes", 11, 2);
        play_say_synced(p, INSTANCE_A, 4);
        play_say_container(p, "created", "live", 12, 3);
        play_say_container(p, "created", "short", 13, 4);
        play_say_container(p, "removed", "short", 13, 4);
        play_say_container(p, "created", "again", 14, 5);
        play_expect_container(p, KUBEARMOR_HOOK_CONTAINER, "stays", 10);
        play_expect_container(p, KUBEARMOR_HOOK_CONTAINER, "goes", 11);
        play_next(p, KUBEARMOR_HOOK_SYNCED);
        play_expect_container(p, KUBEARMOR_HOOK_CREATED, "live", 12);
        play_expect_container(p, KUBEARMOR_HOOK_CREATED, "short", 13);
        play_expect_container(p, KUBEARMOR_HOOK_REMOVED, "short", 13);
        play_expect_container(p, KUBEARMOR_HOOK_CREATED, "again", 14);

        play_hang_up(p);
        event = play_next(p, KUBEARMOR_HOOK_DISCONNECTED);
        assert_non_null(event->message);
        come_back(p);
        play_say_container(p, "container", "new", 20, 9);
        play_say_container(p, "container", "stays", 10, 1);
        play_say_container(p, "container", "live", 12, 3);
        play_say_container(p, "container", "again", 21, 10);
        play_say_synced(p, INSTANCE_B, 8);

        event = play_next(p, KUBEARMOR_HOOK_REMOVED);
        assert_string_equal(event->container->id, "goes");
        assert_string_equal(event->container->state, "removed");
        assert_true(event->derived);
        assert_null(event->reason);
        assert_int_equal(event->seq, 8);
        assert_non_null(strstr(event->json, "\"derived\":true"));
        assert_null(strstr(event->json, "\"state\":\"running\""));
        play_expect_container(p, KUBEARMOR_HOOK_REMOVED, "again", 14);
        play_expect_container(p, KUBEARMOR_HOOK_CREATED, "new", 20);
        play_expect_container(p, KUBEARMOR_HOOK_CREATED, "again", 21);
        event = play_next(p, KUBEARMOR_HOOK_SYNCED);
        assert_string_equal(event->instance, INSTANCE_B);
        play_expect_nothing(p);
        play_say_container(p, "removed", "new", 20, 9);
        play_expect_container(p, KUBEARMOR_HOOK_REMOVED, "new", 20);
}

static void test_a_snapshot_that_is_cut_counts_for_nothing(void **state)
{
        struct play *p = *state;

        follow(p);
        play_say_container(p, "container", "a", 10, 1);
        play_say_synced(p, INSTANCE_A, 1);
        play_expect_container(p, KUBEARMOR_HOOK_CONTAINER, "a", 10);
        play_next(p, KUBEARMOR_HOOK_SYNCED);
        play_hang_up(p);
        play_next(p, KUBEARMOR_HOOK_DISCONNECTED);
        come_back(p);
        play_say_container(p, "container", "b", 11, 2);
        play_hang_up(p);
        come_back(p); /* and is not announced as away twice */
        play_say_container(p, "container", "a", 10, 1);
        play_say_synced(p, INSTANCE_A, 1);
        play_next(p, KUBEARMOR_HOOK_SYNCED);
}

static void test_the_first_snapshot_may_be_cut(void **state)
{
        struct play *p = *state;

        follow(p);
        play_say_container(p, "container", "a", 10, 1);
        play_say_container(p, "container", "b", 11, 2);
        play_hang_up(p);
        play_expect_container(p, KUBEARMOR_HOOK_CONTAINER, "a", 10);
        play_expect_container(p, KUBEARMOR_HOOK_CONTAINER, "b", 11);
        play_next(p, KUBEARMOR_HOOK_DISCONNECTED);
        come_back(p);
        play_say_container(p, "container", "b", 11, 2);
        play_say_container(p, "container", "c", 12, 3);
        play_say_synced(p, INSTANCE_A, 1);
        play_expect_container(p, KUBEARMOR_HOOK_REMOVED, "a", 10);
        play_expect_container(p, KUBEARMOR_HOOK_CREATED, "c", 12);
        play_next(p, KUBEARMOR_HOOK_SYNCED);
}

static void test_new_facts_are_an_update_and_other_sources_are_not(void **state)
{
        struct play *p = *state;
        const struct kubearmor_hook_event *event;

        follow(p);
        play_say(p,
                "{\"type\":\"container\",\"container\":{\"id\":\"a\",\"state\":\"created\","
                "\"source\":\"hook\",\"createdAt\":\"t1\"}}\n"
                "{\"type\":\"container\",\"container\":{\"id\":\"b\",\"pid\":5,\"state\":"
                "\"running\",\"stage\":\"prestart\",\"source\":\"hook\",\"createdAt\":\"t1\"}}\n");
        play_say_synced(p, INSTANCE_A, 1);
        play_expect_container(p, KUBEARMOR_HOOK_CONTAINER, "a", 0);
        play_expect_container(p, KUBEARMOR_HOOK_CONTAINER, "b", 5);
        play_next(p, KUBEARMOR_HOOK_SYNCED);
        play_hang_up(p);
        play_next(p, KUBEARMOR_HOOK_DISCONNECTED);
        come_back(p);
        play_say(p, "{\"type\":\"container\",\"container\":{\"id\":\"a\",\"pid\":4,\"startTime\":6,"
                    "\"state\":\"running\",\"source\":\"hook\",\"createdAt\":\"t1\"}}\n"
                    "{\"type\":\"container\",\"container\":{\"id\":\"b\",\"pid\":5,\"state\":"
                    "\"running\",\"source\":\"snapshot\",\"createdAt\":\"t2\"}}\n");
        play_say_synced(p, INSTANCE_B, 1);
        event = play_next(p, KUBEARMOR_HOOK_UPDATED);
        assert_true(event->derived);
        assert_string_equal(event->container->id, "a");
        assert_int_equal(event->container->pid, 4);
        play_next(p, KUBEARMOR_HOOK_SYNCED);
}

static void test_runtimes_may_share_an_id(void **state)
{
        struct play *p = *state;

        follow(p);
        play_say(p, "{\"type\":\"container\",\"container\":{\"id\":\"a\",\"runtime\":\"runc\"}}\n"
                    "{\"type\":\"container\",\"container\":{\"id\":\"a\",\"runtime\":\"crun\"}}\n");
        play_say_synced(p, INSTANCE_A, 1);
        play_next(p, KUBEARMOR_HOOK_CONTAINER);
        play_next(p, KUBEARMOR_HOOK_CONTAINER);
        play_next(p, KUBEARMOR_HOOK_SYNCED);
        play_hang_up(p);
        play_next(p, KUBEARMOR_HOOK_DISCONNECTED);
        come_back(p);
        play_say(p, "{\"type\":\"container\",\"container\":{\"id\":\"a\",\"runtime\":\"crun\"}}\n");
        play_say_synced(p, INSTANCE_A, 1);
        assert_string_equal(play_next(p, KUBEARMOR_HOOK_REMOVED)->container->runtime, "runc");
        play_next(p, KUBEARMOR_HOOK_SYNCED);
}

static void test_reconnects_after_being_cut_off_but_not_when_forbidden(void **state)
{
        struct play *p = *state;

        follow(p);
        play_say_synced(p, INSTANCE_A, 1);
        play_next(p, KUBEARMOR_HOOK_SYNCED);
        play_say(
                p, "{\"type\":\"error\",\"error\":\"slow-subscriber\",\"message\":\"too slow\"}\n");
        assert_non_null(strstr(play_next(p, KUBEARMOR_HOOK_DISCONNECTED)->message, "too slow"));
        play_stop_listening(p);
        play_expect_nothing(p);
        play_listen(p);
        come_back(p);
        play_say(p, "{\"type\":\"error\",\"error\":\"not-permitted\",\"message\":\"go away\"}\n");
        play_expect_failure(p, -EACCES);
}

static void test_without_reconnection_it_ends(void **state)
{
        struct play *p = *state;

        assert_int_equal(kubearmor_hook_subscribe(p->hook, NULL, 0), 0);
        play_expect_request(p, "{\"request\":\"subscribe\"}");
        play_say_synced(p, INSTANCE_A, 1);
        play_next(p, KUBEARMOR_HOOK_SYNCED);
        play_hang_up(p);
        play_expect_failure(p, -ECONNRESET);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PLAY(test_the_descriptor_tells),
                PLAY(test_a_restart_gives_the_difference),
                PLAY(test_a_snapshot_that_is_cut_counts_for_nothing),
                PLAY(test_the_first_snapshot_may_be_cut),
                PLAY(test_new_facts_are_an_update_and_other_sources_are_not),
                PLAY(test_runtimes_may_share_an_id),
                PLAY(test_reconnects_after_being_cut_off_but_not_when_forbidden),
                PLAY(test_without_reconnection_it_ends),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
