/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "hookd/inventory/gone.h"
#include "hookd/inventory/inventory.h"
#include "wire/codec.h"

#include <stdio.h>

/* What the inventory said, as "+id:pid", "~id:pid:state", "-id:pid:reason", separated by blanks. */
struct world {
        struct kh_inventory inventory;
        struct kh_now now;
        char said[4096];
        size_t said_n;
};

static void say(void *arg, const struct kh_change *change)
{
        struct world *w = arg;
        const struct kh_entry *e = change->entry;
        struct kh_span id = kh_entry_piece(e, e->id);
        const char *word = "";

        if (change->type == KH_REMOVED)
                word = kh_reason_name[change->reason].p;
        else if (change->type == KH_UPDATED)
                word = kh_state_name[e->state].p;
        w->said_n += (size_t)snprintf(w->said + w->said_n, sizeof(w->said) - w->said_n,
                "%s%c%.*s:%u%s%s", w->said_n ? " " : "", "+~-"[change->type], (int)id.n, id.p,
                e->pid, *word ? ":" : "", word);
}

/* The changes since the last call. */
#define assert_said(w, text)                                                                       \
        do {                                                                                       \
                (w)->said[(w)->said_n] = '\0';                                                     \
                (w)->said_n = 0;                                                                   \
                assert_string_equal((w)->said, text);                                              \
        } while (0)

static int set_up(void **state)
{
        static struct world w;
        const struct kh_hash_seed seed = { 0x1234, 0x5678 };

        w = (struct world){ .now = { .boot_ns = 1, .real_ns = 1 } };
        *state = &w;
        return kh_inventory_init(&w.inventory, seed, say, &w);
}

static int tear_down(void **state)
{
        struct world *w = *state;

        kh_inventory_done(&w->inventory);
        return 0;
}

/* A container of its own pid, mount namespace and cgroup, all made from its pid. */
static struct kh_container *container(const char *id, uint32_t pid)
{
        static struct kh_container c;

        kh_container_init(&c);
        c.id = kh_span_of(id);
        c.pid = pid;
        if (!pid)
                return &c;
        c.start_time = 1000 + pid;
        c.ns[KH_NS_PID] = 20000 + pid;
        c.ns[KH_NS_MNT] = 30000 + pid;
        c.cgroup_id = 40000 + pid;
        return &c;
}

static enum kh_verdict arrive_as(
        struct world *w, struct kh_container *c, enum kh_known alive, struct kh_entry **ret)
{
        const struct kh_arrival arrival = {
                .container = c, .source = KH_SOURCE_HOOK, .alive = alive, .state = KH_STATE_CREATED
        };

        return kh_inventory_arrive(&w->inventory, &arrival, w->now, ret);
}

static enum kh_verdict arrive(struct world *w, struct kh_container *c, enum kh_known alive)
{
        struct kh_entry *e;

        return arrive_as(w, c, alive, &e);
}

static bool depart(struct world *w, struct kh_container *c)
{
        return kh_inventory_depart(&w->inventory, c, KH_SOURCE_HOOK, w->now);
}

static struct kh_entry *find(struct world *w, const char *id)
{
        return kh_inventory_find_id(&w->inventory, kh_span_of(id), NULL);
}

static struct kh_entry *find_pid(struct world *w, uint32_t pid)
{
        return kh_inventory_find(&w->inventory, KH_KEY_PID, pid, NULL);
}

static void die(struct world *w, struct kh_entry *e)
{
        kh_inventory_init_died(&w->inventory, e, w->now);
}

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

static struct kh_container *in_runtime(
        struct kh_container *c, const char *runtime, const char *bundle)
{
        c->runtime = kh_span_of(runtime);
        c->bundle = kh_span_of(bundle);
        return c;
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

/* What the inventory must hold after any history, kept by a slow and simple model beside it. */
enum { POOL = 6, STEPS = 200000 };

struct model {
        struct {
                bool is_there, has_pid; /* an exited one's pid may be another's */
                uint32_t pid, start;
        } of[POOL];
        int births, deaths;
};

static void count_change(void *arg, const struct kh_change *change)
{
        struct model *m = arg;
        const struct kh_entry *e = change->entry;
        int i = kh_entry_piece(e, e->id).p[0] - 'a';

        if (change->type == KH_CREATED) {
                assert_false(m->of[i].is_there);
                m->of[i].is_there = true;
                m->of[i].pid = e->pid;
                m->of[i].start = (uint32_t)e->start_time;
                m->births++;
        } else {
                assert_true(m->of[i].is_there);
                assert_int_equal(m->of[i].pid, e->pid);
                assert_int_equal(m->of[i].start, e->start_time);
                m->of[i].is_there = change->type != KH_REMOVED;
                m->deaths += change->type == KH_REMOVED;
        }
        m->of[i].has_pid = m->of[i].is_there && e->state != KH_STATE_EXITED;
        /* No two hold one pid, at any moment. */
        for (int a = 0; a < POOL; a++) {
                for (int b = 0; b < a; b++)
                        assert_false(m->of[a].has_pid && m->of[b].has_pid &&
                                     m->of[a].pid == m->of[b].pid);
        }
}

static void every_history_has_births_and_deaths_in_turns(void **state)
{
        static struct kh_container c;
        const struct kh_hash_seed seed = { 1, 2 };
        struct fixture_random random = { .state = 0x9e3779b97f4a7c15 };
        struct kh_inventory inv;
        struct model m = { 0 };
        struct kh_now now = { 1, 1 };
        struct kh_entry *e;
        size_t there = 0;

        (void)state;
        assert_int_equal(kh_inventory_init(&inv, seed, count_change, &m), 0);
        for (int step = 0; step < STEPS; step++) {
                const char id[2] = { (char)('a' + fixture_below(&random, POOL)), 0 };
                uint32_t pid = 1 + fixture_below(&random, 8);

                now.boot_ns += fixture_below(&random, 3) * 1000000000ULL;
                kh_container_init(&c);
                c.id = kh_span_of(id);
                e = kh_inventory_find_id(&inv, c.id, NULL);
                switch (fixture_below(&random, 4)) {
                case 0:
                        if (e)
                                kh_inventory_init_died(&inv, e, now);
                        break;
                case 1:
                        kh_inventory_depart(&inv, &c, KH_SOURCE_HOOK, now);
                        break;
                default: {
                        const struct kh_arrival a = { .container = &c,
                                .source = KH_SOURCE_SPOOL,
                                .alive = fixture_below(&random, 2) ? KH_UNKNOWN : KH_NO };

                        c.pid = pid;
                        c.start_time = 1 + fixture_below(&random, 3);
                        c.ns[KH_NS_MNT] = 100 + fixture_below(&random, 8);
                        c.ns[KH_NS_PID] = fixture_below(&random, 2) ? 7 : 0;
                        c.cgroup_id = fixture_below(&random, 8);
                        kh_inventory_arrive(&inv, &a, now, &e);
                }
                }
                there = inv.in_state[KH_STATE_CREATED] + inv.in_state[KH_STATE_RUNNING] +
                        inv.in_state[KH_STATE_EXITED];
                assert_int_equal(inv.count, there);
                assert_int_equal(m.births - m.deaths, there);
        }
        assert_true(m.births > STEPS / 20);
        kh_inventory_done(&inv);
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
                T(two_runtimes_may_use_one_id),
                T(a_delete_says_which_of_two_is_meant),
                T(a_delete_of_another_bundle_is_anothers),
                T(one_that_lives_shares_its_id_with_another_root),
                T(a_reused_number_removes_its_holder_first),
                T(all_holders_of_its_numbers_go),
                T(what_a_living_holder_has_is_shared),
                T(a_joined_mount_namespace_is_shared),
                T(facts_that_come_late_remove_their_holder),
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
                cmocka_unit_test(every_history_has_births_and_deaths_in_turns),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
