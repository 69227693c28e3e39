/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

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
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_history_has_births_and_deaths_in_turns),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
