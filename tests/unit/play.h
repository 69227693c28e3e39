/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the client library's tests: a listener that the test plays itself, line by line, so that it
 * does at a given moment what a real one cannot be made to do. (tests/cli has the real one.)
 */
#pragma once

#include "fixture.h"

#include "kubearmor-hook.h"

#define INSTANCE_A "0123456789abcdef0123456789abcdef"
#define INSTANCE_B "fedcba9876543210fedcba9876543210"

struct play {
        char dir[64];
        char path[80];
        int listener;
        int peer; /* the connection that was accepted last */
        struct kubearmor_hook *hook;
};

/* cmocka's, with a struct play as the state: it listens, and has a handle. */
int play_set_up(void **state);
int play_tear_down(void **state);

#define PLAY(test) cmocka_unit_test_setup_teardown(test, play_set_up, play_tear_down)

void play_listen(struct play *p);
void play_stop_listening(struct play *p);
struct kubearmor_hook *play_open_hook(struct play *p, unsigned timeout_ms);

/* Takes the client's connection and its request, which must be WANT. */
void play_expect_request(struct play *p, const char *want);

void play_say(struct play *p, const char *text);
void play_say_synced(struct play *p, const char *instance, unsigned seq);
void play_hang_up(struct play *p);

/* A container of the snapshot, or with another TYPE an event. */
void play_say_container(
        struct play *p, const char *type, const char *id, unsigned pid, unsigned start);

/* The next event must be of that type; about that container; none; a failure that ends it all. */
const struct kubearmor_hook_event *play_next(struct play *p, enum kubearmor_hook_event_type want);
void play_expect_container(
        struct play *p, enum kubearmor_hook_event_type type, const char *id, pid_t pid);
void play_expect_nothing(struct play *p);
void play_expect_failure(struct play *p, int code);
