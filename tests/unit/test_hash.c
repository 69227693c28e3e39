/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/hash.h"
#include "base/list.h"

enum { NODES = 3000, STEPS = 300000 };

struct item {
        struct kh_hash_node node;
        struct kh_list link;
        uint32_t key;
        bool is_there;
};

static unsigned count(const struct kh_hash *h, uint32_t hash)
{
        unsigned n = 0;

        for (struct kh_hash_node *node = kh_hash_find(h, hash); node; node = kh_hash_next(node))
                n++;
        return n;
}

/* Against an array, with few keys so that many are equal, while it grows. */
static void it_holds_what_was_put_in(void **state)
{
        static struct item items[NODES];
        static unsigned with_key[NODES];
        struct fixture_random random = { .state = 42 };
        struct kh_hash h;
        size_t n = 0;

        (void)state;
        kh_hash_init(&h);
        for (int step = 0; step < STEPS; step++) {
                struct item *i = &items[fixture_below(&random, NODES)];

                if (i->is_there) {
                        kh_hash_del(&h, &i->node);
                        kh_hash_del(&h, &i->node); /* harmless */
                        with_key[i->key]--;
                } else {
                        i->key = fixture_below(&random, NODES / 2);
                        kh_hash_add(&h, &i->node, i->key * 2654435761U);
                        with_key[i->key]++;
                }
                n += i->is_there ? (size_t)-1 : 1;
                i->is_there = !i->is_there;
                assert_int_equal(h.count, n);
                assert_int_equal(count(&h, i->key * 2654435761U), with_key[i->key]);
        }
        for (uint32_t key = 0; key < NODES / 2; key++)
                assert_int_equal(count(&h, key * 2654435761U), with_key[key]);
        kh_hash_done(&h);
}

static void a_node_may_move(void **state)
{
        struct item a = { 0 }, b = { 0 }, c = { 0 }, moved;
        struct kh_hash h;

        (void)state;
        kh_hash_init(&h);
        kh_hash_add(&h, &a.node, 5);
        kh_hash_add(&h, &b.node, 5);
        kh_hash_add(&h, &c.node, 5);
        moved = b;
        kh_hash_replace(&b.node, &moved.node);
        assert_int_equal(count(&h, 5), 3);
        kh_hash_del(&h, &a.node);
        kh_hash_del(&h, &moved.node);
        assert_ptr_equal(kh_hash_find(&h, 5), &c.node);
        kh_hash_done(&h);
}

/* Vectors of the reference implementation for SipHash-1-3, key 00..0f, texts 00, 0001, ... */
static void its_hash_is_siphash(void **state)
{
        const struct kh_hash_seed seed = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
        char text[16];

        (void)state;
        for (int i = 0; i < 16; i++)
                text[i] = (char)i;
        assert_true(kh_hash_bytes(&seed, (struct kh_span){ text, 0 }) == 0xabac0158050fc4dcULL);
        assert_true(kh_hash_bytes(&seed, (struct kh_span){ text, 15 }) !=
                    kh_hash_bytes(&seed, (struct kh_span){ text, 16 }));
}

static void a_list_keeps_its_order(void **state)
{
        struct item a, b, c, moved;
        struct kh_list head;

        (void)state;
        kh_list_init(&head);
        assert_true(kh_list_is_empty(&head));
        kh_list_append(&head, &a.link);
        kh_list_append(&head, &b.link);
        kh_list_append(&head, &c.link);
        moved = b;
        kh_list_replace(&b.link, &moved.link);
        assert_ptr_equal(head.next->next, &moved.link);
        kh_list_for_each(node, next, &head)
                kh_list_del(node);
        assert_true(kh_list_is_empty(&head));
        kh_list_del(&a.link); /* harmless */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_holds_what_was_put_in),
                cmocka_unit_test(a_node_may_move),
                cmocka_unit_test(its_hash_is_siphash),
                cmocka_unit_test(a_list_keeps_its_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
