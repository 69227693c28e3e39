/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>

static void a_life_is_one_birth_and_one_death(void **state)
{
        struct world *w = *state;

        assert_int_equal(arrive(w, container("a", 10), KH_YES), KH_BORN);
        kh_inventory_started(&w->inventory, find(w, "a"));
        die(w, find(w, "a"));
        assert_false(depart(w, container("a", 0)));
        assert_said(w, "+a:10 ~a:10:running -a:10:exited");
        assert_int_equal(w->inventory.count, 0);
}

static void an_entry_is_found_by_all_its_keys(void **state)
{
        struct world *w = *state;
        struct kh_entry *e;

        arrive_as(w, container("a", 10), KH_YES, &e);
        assert_ptr_equal(find(w, "a"), e);
        assert_ptr_equal(find_pid(w, 10), e);
        assert_ptr_equal(kh_inventory_find(&w->inventory, KH_KEY_MNT, 30010, NULL), e);
        assert_ptr_equal(kh_inventory_find(&w->inventory, KH_KEY_PID_NS, 20010, NULL), e);
        assert_ptr_equal(kh_inventory_find(&w->inventory, KH_KEY_CGROUP, 40010, NULL), e);
        die(w, e);
        assert_null(find(w, "a"));
        assert_null(find_pid(w, 10));
        assert_null(kh_inventory_find(&w->inventory, KH_KEY_MNT, 30010, NULL));
        assert_null(kh_inventory_find(&w->inventory, KH_KEY_PID_NS, 20010, NULL));
        assert_null(kh_inventory_find(&w->inventory, KH_KEY_CGROUP, 40010, NULL));
}

static void the_hosts_namespace_finds_nobody(void **state)
{
        struct world *w = *state;
        struct kh_container *c = container("a", 10);

        c->ns_host = 1 << KH_NS_PID;
        arrive(w, c, KH_YES);
        assert_null(kh_inventory_find(&w->inventory, KH_KEY_PID_NS, 20010, NULL));
}

static void a_duplicate_says_nothing(void **state)
{
        struct world *w = *state;

        arrive(w, container("a", 10), KH_YES);
        assert_int_equal(arrive(w, container("a", 10), KH_YES), KH_KNOWN);
        assert_int_equal(arrive(w, container("a", 10), KH_UNKNOWN), KH_KNOWN);
        assert_said(w, "+a:10");
        assert_int_equal(w->inventory.count, 1);
}

static void a_duplicate_adds_what_was_missing(void **state)
{
        struct world *w = *state;
        struct kh_container *c = container("a", 10);
        struct kh_entry *e;

        c->ns[KH_NS_MNT] = c->cgroup_id = 0;
        arrive(w, c, KH_YES);
        c = container("a", 10);
        c->name = KH_SPAN("web");
        c->cgroup_path = KH_SPAN("/a \"b\"");
        kh_pairs_add(&c->labels, KH_SPAN("app"), KH_SPAN("x"));
        assert_int_equal(arrive_as(w, c, KH_YES, &e), KH_KNOWN);
        assert_said(w, "+a:10 ~a:10:created");
        assert_ptr_equal(find(w, "a"), e);
        assert_ptr_equal(kh_inventory_find(&w->inventory, KH_KEY_MNT, 30010, NULL), e);
        assert_ptr_equal(kh_inventory_find(&w->inventory, KH_KEY_CGROUP, 40010, NULL), e);
        assert_span_equal(kh_entry_piece(e, e->name), "web");
        assert_span_equal(kh_entry_piece(e, e->cgroup_path), "/a \"b\"");
        assert_non_null(memmem(e->text, e->text_n, "\"labels\":{\"app\":\"x\"}", 20));
        assert_int_equal(arrive(w, c, KH_YES), KH_KNOWN);
        assert_said(w, "");
}

static void what_was_known_first_stays(void **state)
{
        struct world *w = *state;
        struct kh_container *c = container("a", 10);

        c->name = KH_SPAN("first");
        arrive(w, c, KH_YES);
        c = container("a", 10);
        c->name = KH_SPAN("second");
        arrive(w, c, KH_YES);
        assert_said(w, "+a:10");
        assert_span_equal(kh_entry_piece(find(w, "a"), find(w, "a")->name), "first");
}

static void without_a_pid_the_namespaces_tell(void **state)
{
        struct world *w = *state;
        struct kh_container *c = container("a", 10);

        c->pid = 0;
        c->start_time = 0;
        arrive(w, c, KH_UNKNOWN);
        assert_int_equal(arrive(w, c, KH_UNKNOWN), KH_KNOWN);
        /*
         * An earlier incarnation whose init nobody knows of gives way to one with other namespaces.
         */
        c->ns[KH_NS_MNT]++;
        c->cgroup_id++;
        assert_int_equal(arrive(w, c, KH_UNKNOWN), KH_BORN);
        assert_said(w, "+a:0 -a:0:replaced +a:0");
}

static void with_nothing_known_the_id_tells(void **state)
{
        struct world *w = *state;

        arrive(w, container("a", 0), KH_UNKNOWN);
        assert_int_equal(arrive(w, container("a", 0), KH_UNKNOWN), KH_KNOWN);
        assert_int_equal(arrive(w, container("a", 10), KH_YES), KH_KNOWN);
        assert_said(w, "+a:0 ~a:10:created");
        assert_non_null(find_pid(w, 10));
}

static void a_restart_under_the_same_id_is_a_new_life(void **state)
{
        struct world *w = *state;

        arrive(w, container("a", 10), KH_YES);
        die(w, find(w, "a"));
        depart(w, container("a", 0));
        assert_int_equal(arrive(w, container("a", 11), KH_YES), KH_BORN);
        assert_said(w, "+a:10 -a:10:exited +a:11");
}

static void a_restart_without_any_sign_of_the_death_replaces(void **state)
{
        struct world *w = *state;

        arrive(w, container("a", 10), KH_UNKNOWN);
        assert_int_equal(arrive(w, container("a", 11), KH_YES), KH_BORN);
        assert_said(w, "+a:10 -a:10:replaced +a:11");
}

static void the_same_pid_with_another_start_is_a_new_life(void **state)
{
        struct world *w = *state;
        struct kh_container *c;

        arrive(w, container("a", 10), KH_UNKNOWN);
        c = container("a", 10);
        c->start_time++;
        assert_int_equal(arrive(w, c, KH_YES), KH_BORN);
        assert_said(w, "+a:10 -a:10:replaced +a:10");
}

static void a_late_delete_of_an_earlier_life_is_not_obeyed(void **state)
{
        struct world *w = *state;

        arrive(w, container("a", 10), KH_YES);
        die(w, find(w, "a"));
        arrive(w, container("a", 11), KH_YES);
        assert_false(depart(w, container("a", 0)));
        assert_said(w, "+a:10 -a:10:exited +a:11");
        assert_non_null(find(w, "a"));
}

static void a_delete_is_obeyed_where_the_init_cannot_be_known(void **state)
{
        struct world *w = *state;

        arrive(w, container("a", 10), KH_UNKNOWN);
        assert_true(depart(w, container("a", 0)));
        assert_false(depart(w, container("a", 0)));
        assert_said(w, "+a:10 -a:10:deleted");
}

static void the_delete_of_the_only_one_is_obeyed(void **state)
{
        struct world *w = *state;

        arrive(w, container("a", 10), KH_YES);
        assert_true(depart(w, container("a", 0)));
        assert_said(w, "+a:10 -a:10:deleted");
}

static void a_delete_that_waited_in_the_spool_is_no_word_against_the_kernels(void **state)
{
        struct world *w = *state;

        arrive(w, container("a", 10), KH_YES);
        assert_false(
                kh_inventory_depart(&w->inventory, container("a", 0), KH_SOURCE_SPOOL, w->now));
        assert_said(w, "+a:10");
}

static void an_earlier_life_has_one_delete_the_next_is_the_later_ones(void **state)
{
        struct world *w = *state;

        arrive(w, container("a", 10), KH_YES);
        die(w, find(w, "a"));
        arrive(w, container("a", 11), KH_YES);
        assert_false(depart(w, container("a", 0)));
        assert_true(depart(w, container("a", 0)));
        assert_said(w, "+a:10 -a:10:exited +a:11 -a:11:deleted");
}

static void two_runtimes_may_use_one_id(void **state)
{
        struct world *w = *state;

        arrive(w, in_runtime(container("a", 10), "runc", "/r"), KH_YES);
        arrive(w, in_runtime(container("a", 11), "crun", "/c"), KH_YES);
        assert_said(w, "+a:10 +a:11");
        die(w, find_pid(w, 11));
        assert_false(depart(w, in_runtime(container("a", 0), "crun", "/c")));
        assert_said(w, "-a:11:exited");
        assert_non_null(find_pid(w, 10));
}

static void a_delete_says_which_of_two_is_meant(void **state)
{
        struct world *w = *state;

        arrive(w, in_runtime(container("a", 10), "runc", "/r"), KH_UNKNOWN);
        arrive(w, in_runtime(container("a", 11), "crun", "/c"), KH_UNKNOWN);
        assert_false(depart(w, container("a", 0))); /* either could be meant */
        assert_true(depart(w, in_runtime(container("a", 0), "crun", "/c")));
        assert_true(depart(w, container("a", 0)));
        assert_said(w, "+a:10 +a:11 -a:11:deleted -a:10:deleted");
}

static void a_delete_of_another_bundle_is_anothers(void **state)
{
        struct world *w = *state;

        arrive(w, in_runtime(container("a", 10), "runc", "/r"), KH_UNKNOWN);
        assert_false(depart(w, in_runtime(container("a", 0), "runc", "/other")));
        assert_said(w, "+a:10");
}

static void one_that_lives_shares_its_id_with_another_root(void **state)
{
        struct world *w = *state;

        arrive(w, in_runtime(container("a", 10), "runc", "/r"), KH_YES);
        arrive(w, in_runtime(container("a", 11), "runc", "/r"), KH_YES);
        assert_said(w, "+a:10 +a:11");
}

static void a_reused_number_removes_its_holder_first(void **state)
{
        struct world *w = *state;
        struct kh_container *c;

        arrive(w, container("a", 10), KH_UNKNOWN);
        c = container("b", 20);
        c->ns[KH_NS_MNT] = 30010;
        arrive(w, c, KH_YES);
        assert_said(w, "+a:10 -a:10:replaced +b:20");

        arrive(w, container("c", 30), KH_UNKNOWN);
        c = container("d", 40);
        c->cgroup_id = 40030;
        arrive(w, c, KH_YES);
        assert_said(w, "+c:30 -c:30:replaced +d:40");

        arrive(w, container("e", 50), KH_UNKNOWN);
        c = container("f", 50);
        c->start_time++;
        arrive(w, c, KH_YES);
        assert_said(w, "+e:50 -e:50:replaced +f:50");
}

static void all_holders_of_its_numbers_go(void **state)
{
        struct world *w = *state;
        struct kh_container *c;

        arrive(w, container("a", 10), KH_UNKNOWN);
        arrive(w, container("b", 20), KH_UNKNOWN);
        arrive(w, container("c", 30), KH_UNKNOWN);
        w->said_n = 0;
        c = container("d", 10);
        c->ns[KH_NS_MNT] = 30020;
        c->cgroup_id = 40030;
        arrive(w, c, KH_YES);
        assert_said(w, "-a:10:replaced -b:20:replaced -c:30:replaced +d:10");
}

static void what_a_living_holder_has_is_shared(void **state)
{
        struct world *w = *state;
        struct kh_container *c;

        arrive(w, container("a", 10), KH_YES);
        c = container("b", 20);
        c->ns[KH_NS_MNT] = 30010;
        c->cgroup_id = 40010;
        arrive(w, c, KH_YES);
        assert_said(w, "+a:10 +b:20");
}

static void a_joined_mount_namespace_is_shared(void **state)
{
        struct world *w = *state;
        struct kh_container *c;

        arrive(w, container("a", 10), KH_UNKNOWN);
        c = container("b", 20);
        c->ns[KH_NS_MNT] = 30010;
        c->ns_joined = 1 << KH_NS_MNT;
        arrive(w, c, KH_YES);
        assert_said(w, "+a:10 +b:20");
}

static void facts_that_come_late_remove_their_holder(void **state)
{
        struct world *w = *state;

        arrive(w, container("a", 0), KH_UNKNOWN);
        arrive(w, container("b", 10), KH_UNKNOWN);
        arrive(w, container("a", 10), KH_YES);
        assert_said(w, "+a:0 +b:10 -b:10:replaced ~a:10:created");
}

static enum kh_verdict arrive_from(
        struct world *w, const struct kh_container *c, uint32_t uid, struct kh_entry **ret)
{
        const struct kh_arrival a = {
                .container = c, .alive = KH_YES, .told_by = uid, .pid_is_ours = true
        };

        return kh_inventory_arrive(&w->inventory, &a, w->now, ret);
}

static void a_user_may_tell_of_what_is_nobody_elses(void **state)
{
        enum { ALICE = 1000 };
        struct world *w = *state;
        const struct kh_inventory *inv = &w->inventory;
        struct kh_container *c;
        struct kh_entry *e;

        arrive_from(w, container("roots", 10), 0, &e);
        arrive_from(w, container("own", 11), ALICE, &e);
        assert_true(kh_inventory_may_tell(inv, container("new", 12), ALICE));
        assert_true(kh_inventory_may_tell(inv, container("own", 11), ALICE));
        assert_false(kh_inventory_may_tell(inv, container("own", 11), ALICE + 1));
        assert_false(kh_inventory_may_tell(inv, container("roots", 12), ALICE));
        assert_false(kh_inventory_is_his(inv, KH_SPAN("roots"), ALICE));
        assert_true(kh_inventory_is_his(inv, KH_SPAN("own"), ALICE));
        c = container("new", 12);
        c->pid = 10;
        assert_false(kh_inventory_may_tell(inv, c, ALICE));
        c = container("new", 12);
        c->ns[KH_NS_MNT] = 30010;
        assert_false(kh_inventory_may_tell(inv, c, ALICE));
        c->ns_host = 1 << KH_NS_MNT;
        assert_true(kh_inventory_may_tell(inv, c, ALICE));
        c->cgroup_id = 40010;
        assert_false(kh_inventory_may_tell(inv, c, ALICE));
}

static void a_user_has_a_share(void **state)
{
        enum { ALICE = 1000 };
        struct world *w = *state;
        struct kh_entry *e;
        char id[16];

        for (uint32_t i = 0; i < KH_INVENTORY_USER_MAX; i++) {
                (void)snprintf(id, sizeof(id), "c%u", i);
                assert_true(kh_inventory_may_tell(&w->inventory, container(id, 100 + i), ALICE));
                arrive_from(w, container(id, 100 + i), ALICE, &e);
                w->said_n = 0;
        }
        assert_false(kh_inventory_may_tell(&w->inventory, container("more", 50), ALICE));
        assert_true(kh_inventory_may_tell(&w->inventory, container("c0", 100), ALICE));
        assert_true(kh_inventory_may_tell(&w->inventory, container("more", 50), ALICE + 1));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                T(a_life_is_one_birth_and_one_death),
                T(an_entry_is_found_by_all_its_keys),
                T(the_hosts_namespace_finds_nobody),
                T(a_duplicate_says_nothing),
                T(a_duplicate_adds_what_was_missing),
                T(what_was_known_first_stays),
                T(without_a_pid_the_namespaces_tell),
                T(with_nothing_known_the_id_tells),
                T(a_restart_under_the_same_id_is_a_new_life),
                T(a_restart_without_any_sign_of_the_death_replaces),
                T(the_same_pid_with_another_start_is_a_new_life),
                T(a_late_delete_of_an_earlier_life_is_not_obeyed),
                T(a_delete_is_obeyed_where_the_init_cannot_be_known),
                T(the_delete_of_the_only_one_is_obeyed),
                T(a_delete_that_waited_in_the_spool_is_no_word_against_the_kernels),
                T(an_earlier_life_has_one_delete_the_next_is_the_later_ones),
                T(two_runtimes_may_use_one_id),
                T(a_delete_says_which_of_two_is_meant),
                T(a_delete_of_another_bundle_is_anothers),
                T(one_that_lives_shares_its_id_with_another_root),
                T(a_reused_number_removes_its_holder_first),
                T(all_holders_of_its_numbers_go),
                T(what_a_living_holder_has_is_shared),
                T(a_joined_mount_namespace_is_shared),
                T(facts_that_come_late_remove_their_holder),
                T(a_user_may_tell_of_what_is_nobody_elses),
                T(a_user_has_a_share),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
