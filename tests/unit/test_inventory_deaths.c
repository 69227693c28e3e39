/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "hookd/inventory/gone.h"
#include "wire/codec.h"

#include <stdio.h>

static void the_dead_are_not_born(void **state)
{
        struct world *w = *state;

        assert_int_equal(arrive(w, container("a", 10), KH_NO), KH_GONE);
        assert_said(w, "");
}

static void a_dead_duplicate_is_not_the_living_one(void **state)
{
        struct world *w = *state;

        arrive(w, container("a", 11), KH_YES);
        assert_int_equal(arrive(w, container("a", 10), KH_NO), KH_GONE);
        assert_said(w, "+a:11");
}

static void a_delete_that_overtook_its_create_leaves_no_ghost(void **state)
{
        struct world *w = *state;

        assert_false(depart(w, container("a", 0)));
        assert_int_equal(arrive(w, container("a", 10), KH_UNKNOWN), KH_GONE);
        assert_said(w, "");
        /* One whose init lives is another life. */
        assert_int_equal(arrive(w, container("a", 11), KH_YES), KH_BORN);
        assert_said(w, "+a:11");
}

static void a_tombstone_is_of_one_bundle(void **state)
{
        struct world *w = *state;

        depart(w, in_runtime(container("a", 0), "runc", "/r"));
        assert_int_equal(
                arrive(w, in_runtime(container("a", 10), "crun", "/c"), KH_UNKNOWN), KH_BORN);
        assert_int_equal(
                arrive(w, in_runtime(container("a", 11), "runc", "/r"), KH_UNKNOWN), KH_GONE);
}

static void a_tombstone_expires(void **state)
{
        struct world *w = *state;

        depart(w, container("a", 0));
        w->now.boot_ns += KH_GONE_NS;
        assert_int_equal(arrive(w, container("a", 10), KH_UNKNOWN), KH_BORN);
}

static void tombstones_are_bounded(void **state)
{
        struct world *w = *state;
        char id[32];

        for (int i = 0; i <= KH_GONE_MAX; i++) {
                snprintf(id, sizeof(id), "id%d", i);
                depart(w, container(id, 0));
        }
        assert_int_equal(arrive(w, container("id0", 10), KH_UNKNOWN), KH_BORN);
        assert_int_equal(arrive(w, container("id1", 11), KH_UNKNOWN), KH_GONE);
}

static void the_delete_after_a_death_is_no_tombstone(void **state)
{
        struct world *w = *state;

        arrive(w, container("a", 10), KH_YES);
        die(w, find(w, "a"));
        depart(w, container("a", 0));
        /* The container is started again, and nobody can ask about its init. */
        assert_int_equal(arrive(w, container("a", 11), KH_UNKNOWN), KH_BORN);
        assert_said(w, "+a:10 -a:10:exited +a:11");
}

static void a_late_duplicate_of_one_that_was_removed_is_not_born(void **state)
{
        struct world *w = *state;

        arrive(w, container("a", 10), KH_UNKNOWN);
        depart(w, container("a", 0));
        assert_int_equal(arrive(w, container("a", 10), KH_UNKNOWN), KH_GONE);
        assert_said(w, "+a:10 -a:10:deleted");
}

static void without_a_pid_namespace_of_its_own_it_outlives_its_init(void **state)
{
        const uint8_t host[] = { 1 << KH_NS_PID, 0 }, joined[] = { 0, 1 << KH_NS_PID };
        struct world *w = *state;

        for (int i = 0; i < 2; i++) {
                struct kh_container *c = container("a", 10);

                c->ns_host = host[i];
                c->ns_joined = joined[i];
                arrive(w, c, KH_YES);
                die(w, find(w, "a"));
                assert_said(w, "+a:10 ~a:10:exited");
                assert_null(find_pid(w, 10)); /* soon a stranger's */
                die(w, find(w, "a"));
                assert_said(w, "");
                if (i)
                        kh_inventory_emptied(&w->inventory, find(w, "a"), w->now);
                else
                        depart(w, container("a", 0));
                assert_said(w, i ? "-a:10:exited" : "-a:10:deleted");
        }
}

static void an_unknown_pid_namespace_is_nobodys_own(void **state)
{
        struct world *w = *state;
        struct kh_container *c = container("a", 10);

        c->ns[KH_NS_PID] = 0;
        arrive(w, c, KH_YES);
        die(w, find(w, "a"));
        assert_said(w, "+a:10 ~a:10:exited");
}

static void an_exited_one_gives_way_to_its_next_life(void **state)
{
        struct world *w = *state;
        struct kh_container *c = container("a", 10);

        c->ns_host = 1 << KH_NS_PID;
        arrive(w, c, KH_YES);
        die(w, find(w, "a"));
        arrive(w, container("a", 11), KH_YES);
        assert_said(w, "+a:10 ~a:10:exited -a:10:replaced +a:11");
        assert_false(depart(w, container("a", 0)));
        assert_said(w, "");
}

static void an_exited_ones_pid_is_free_for_others(void **state)
{
        struct world *w = *state;
        struct kh_container *c = container("a", 10);

        c->ns_host = 1 << KH_NS_PID;
        arrive(w, c, KH_YES);
        die(w, find(w, "a"));
        c = container("b", 10);
        c->start_time += 5;
        c->ns[KH_NS_MNT] += 5;
        c->cgroup_id += 5;
        arrive(w, c, KH_YES);
        assert_said(w, "+a:10 ~a:10:exited +b:10");
}

static void the_exited_of_two_is_the_one_that_a_delete_means(void **state)
{
        struct world *w = *state;
        struct kh_container *c = in_runtime(container("a", 10), "runc", "/r");

        c->ns_host = 1 << KH_NS_PID;
        arrive(w, c, KH_YES);
        arrive(w, in_runtime(container("a", 11), "runc", "/r"), KH_YES);
        die(w, find_pid(w, 10));
        assert_true(depart(w, in_runtime(container("a", 0), "runc", "/r")));
        assert_said(w, "+a:10 +a:11 ~a:10:exited -a:10:deleted");
}

static void a_snapshot_of_one_that_is_created_says_that_it_runs(void **state)
{
        struct world *w = *state;
        struct kh_container *c = container("a", 10);
        struct kh_arrival arrival = { .container = c,
                .source = KH_SOURCE_SNAPSHOT,
                .alive = KH_YES,
                .state = KH_STATE_RUNNING };
        struct kh_entry *e;

        arrive(w, c, KH_YES);
        assert_int_equal(kh_inventory_arrive(&w->inventory, &arrival, w->now, &e), KH_KNOWN);
        assert_said(w, "+a:10 ~a:10:running");
        assert_true(kh_list_is_empty(&w->inventory.unquiet));
}

static void the_unquiet_are_those_to_look_after(void **state)
{
        struct world *w = *state;
        struct kh_container *c = container("a", 10);

        c->ns_host = 1 << KH_NS_PID;
        arrive(w, c, KH_YES);
        assert_false(kh_list_is_empty(&w->inventory.unquiet));
        kh_inventory_started(&w->inventory, find(w, "a"));
        assert_true(kh_list_is_empty(&w->inventory.unquiet));
        kh_inventory_poll(&w->inventory, find(w, "a"));
        assert_false(kh_list_is_empty(&w->inventory.unquiet));
        die(w, find(w, "a"));
        assert_int_equal(w->inventory.in_state[KH_STATE_EXITED], 1);
        depart(w, container("a", 0));
        assert_true(kh_list_is_empty(&w->inventory.unquiet));
        assert_int_equal(w->inventory.in_state[KH_STATE_EXITED], 0);
}

static struct kh_entry *restore(
        struct world *w, struct kh_container *c, enum kh_state s, uint64_t serial)
{
        const struct kh_arrival arrival = { .container = c,
                .source = KH_SOURCE_HOOK,
                .alive = s == KH_STATE_EXITED ? KH_NO : KH_UNKNOWN,
                .state = s };

        return kh_inventory_restore(&w->inventory, &arrival, serial, 5);
}

static void what_is_restored_says_nothing_and_keeps_its_order(void **state)
{
        struct world *w = *state;
        const struct kh_entry *first;

        restore(w, container("a", 10), KH_STATE_RUNNING, 7);
        restore(w, container("b", 20), KH_STATE_RUNNING, 9);
        restore(w, container("a", 10), KH_STATE_EXITED, 7);
        first = kh_container_of(w->inventory.all.next, struct kh_entry, all);
        assert_int_equal(first->serial, 7);
        assert_int_equal(first->state, KH_STATE_EXITED);
        assert_null(find_pid(w, 10));
        assert_int_equal(w->inventory.count, 2);
        kh_inventory_restore_state(&w->inventory, KH_SPAN("b"), 9, KH_STATE_CREATED);
        assert_int_equal(find(w, "b")->state, KH_STATE_CREATED);
        kh_inventory_forget(&w->inventory, KH_SPAN("b"), 8); /* another life of it */
        assert_non_null(find(w, "b"));
        kh_inventory_forget(&w->inventory, KH_SPAN("b"), 9);
        assert_null(find(w, "b"));
        assert_said(w, "");
        arrive(w, container("c", 30), KH_YES);
        assert_int_equal(find(w, "c")->serial, 10);
}

static void a_restored_one_is_known_when_it_is_told_again(void **state)
{
        struct world *w = *state;

        restore(w, container("a", 10), KH_STATE_RUNNING, 1);
        assert_int_equal(arrive(w, container("a", 10), KH_YES), KH_KNOWN);
        assert_said(w, "");
        assert_int_equal(find(w, "a")->alive, KH_YES);
}

static void count_entry(void *arg, struct kh_entry *e)
{
        (void)e;
        ++*(int *)arg;
}

static void kill_entry(void *arg, struct kh_entry *e)
{
        die(arg, e);
}

static void an_event_concerns_whoever_has_a_number_of_it(void **state)
{
        struct world *w = *state;
        struct kh_container *c;
        int n = 0;

        arrive(w, container("a", 10), KH_YES);
        arrive(w, container("b", 20), KH_YES);
        arrive(w, container("c", 30), KH_YES);
        arrive(w, container("d", 40), KH_YES);
        w->said_n = 0;
        c = container("a", 20);
        c->ns[KH_NS_MNT] = 30030;
        c->cgroup_id = 1;
        kh_inventory_concerned(&w->inventory, c, count_entry, &n);
        assert_int_equal(n, 3);
        kh_inventory_concerned(&w->inventory, c, kill_entry, w);
        assert_said(w, "-a:10:exited -b:20:exited -c:30:exited");
}

static void text_beyond_the_bound_goes_without_its_labels(void **state)
{
        static char large[KH_ENTRY_TEXT_MAX];
        struct world *w = *state;
        struct kh_container *c = container("a", 10);

        memset(large, 'x', sizeof(large));
        kh_pairs_add(&c->annotations, KH_SPAN("k"), (struct kh_span){ large, sizeof(large) });
        assert_int_equal(arrive(w, c, KH_YES), KH_BORN);
        assert_true(find(w, "a")->size < 1024);
        /* A container that is too large without any is refused; nobody is removed for it. */
        c = container("b", 10);
        c->start_time++;
        c->bundle = (struct kh_span){ large, sizeof(large) };
        assert_int_equal(arrive(w, c, KH_YES), KH_FULL);
        assert_said(w, "+a:10");
}

static void an_id_may_have_to_be_escaped(void **state)
{
        struct world *w = *state;
        struct kh_entry *e;

        arrive_as(w, container("a\"\\b", 10), KH_YES, &e);
        assert_span_equal(kh_entry_piece(e, e->id), "a\"\\b");
        assert_ptr_equal(find(w, "a\"\\b"), e);
        depart(w, container("a", 0));
        assert_int_equal(w->inventory.count, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                T(the_dead_are_not_born),
                T(a_dead_duplicate_is_not_the_living_one),
                T(a_delete_that_overtook_its_create_leaves_no_ghost),
                T(a_tombstone_is_of_one_bundle),
                T(a_tombstone_expires),
                T(tombstones_are_bounded),
                T(the_delete_after_a_death_is_no_tombstone),
                T(a_late_duplicate_of_one_that_was_removed_is_not_born),
                T(without_a_pid_namespace_of_its_own_it_outlives_its_init),
                T(an_unknown_pid_namespace_is_nobodys_own),
                T(an_exited_one_gives_way_to_its_next_life),
                T(an_exited_ones_pid_is_free_for_others),
                T(the_exited_of_two_is_the_one_that_a_delete_means),
                T(a_snapshot_of_one_that_is_created_says_that_it_runs),
                T(the_unquiet_are_those_to_look_after),
                T(what_is_restored_says_nothing_and_keeps_its_order),
                T(a_restored_one_is_known_when_it_is_told_again),
                T(an_event_concerns_whoever_has_a_number_of_it),
                T(text_beyond_the_bound_goes_without_its_labels),
                T(an_id_may_have_to_be_escaped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
