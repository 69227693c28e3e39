/* SPDX-License-Identifier: Apache-2.0 */
/* An inventory, a clock that stands still, and what the inventory says: for its tests. */
#pragma once

#include "fixture.h"

#include "hookd/inventory/inventory.h"

/* What the inventory said, as "+id:pid", "~id:pid:state", "-id:pid:reason", separated by blanks. */
struct world {
        struct kh_inventory inventory;
        struct kh_now now;
        char said[4096];
        size_t said_n;
};

/* The changes since the last call. */
#define assert_said(w, text)                                                                       \
        do {                                                                                       \
                (w)->said[(w)->said_n] = '\0';                                                     \
                (w)->said_n = 0;                                                                   \
                assert_string_equal((w)->said, text);                                              \
        } while (0)

int set_up(void **state);
int tear_down(void **state);

/* A container of its own pid, mount namespace and cgroup, all made from its pid. */
struct kh_container *container(const char *id, uint32_t pid);

enum kh_verdict arrive_as(
        struct world *w, struct kh_container *c, enum kh_known alive, struct kh_entry **ret);
enum kh_verdict arrive(struct world *w, struct kh_container *c, enum kh_known alive);
bool depart(struct world *w, struct kh_container *c);
struct kh_entry *find(struct world *w, const char *id);
struct kh_entry *find_pid(struct world *w, uint32_t pid);
void die(struct world *w, struct kh_entry *e);
struct kh_container *in_runtime(struct kh_container *c, const char *runtime, const char *bundle);
