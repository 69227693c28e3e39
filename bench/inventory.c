/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an event costs the pure inventory, without any I/O: inventory COUNT... fills one with COUNT
 * containers, then has others be created, die and be deleted beside them. Prints lines of the count
 * and the nanoseconds an event, the median of many rounds.
 */
#include "hookd/inventory/inventory.h"
#include "base/clock.h"
#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 101, LIVES = 200, EVENTS = 3 };

static void ignore(void *arg, const struct kh_change *change)
{
        (void)arg;
        (void)change;
}

static void fill_container(struct kh_container *c, uint64_t number, char id[32])
{
        kh_container_init(c);
        (void)snprintf(id, 32, "bench-%llu", (unsigned long long)number);
        c->id = kh_span_of(id);
        c->name = KH_SPAN("web");
        c->pod_name = KH_SPAN("web-7d4b9c6f5b-x2x7k");
        c->pod_namespace = KH_SPAN("shop");
        c->runtime = KH_SPAN("runc");
        c->bundle =
                KH_SPAN("/run/containerd/io.containerd.runtime.v2.task/k8s.io/9ad7c2f1e0b34d5a");
        c->pid = (uint32_t)(number % 4000000) + 1;
        c->start_time = number + 1;
        for (unsigned i = 0; i < KH_NS_COUNT; i++)
                c->ns[i] = 4026540000 + number * KH_NS_COUNT + i;
        c->cgroup_id = number + 1;
        kh_pairs_add(&c->labels, KH_SPAN("app.kubernetes.io/name"), KH_SPAN("web"));
}

static struct kh_entry *arrive(struct kh_inventory *inv, uint64_t number)
{
        static struct kh_container c;
        const struct kh_arrival arrival = {
                .container = &c,
                .source = KH_SOURCE_HOOK,
                .alive = KH_YES,
                .state = KH_STATE_CREATED,
                .pid_is_ours = true,
        };
        const struct kh_now now = { number, number };
        struct kh_entry *entry;
        char id[32];

        fill_container(&c, number, id);
        if (kh_inventory_arrive(inv, &arrival, now, &entry) != KH_BORN) {
                fputs("inventory: a container was not taken\n", stderr);
                exit(1);
        }
        return entry;
}

static void live_and_die(struct kh_inventory *inv, uint64_t number)
{
        static struct kh_container c;
        struct kh_entry *entry = arrive(inv, number);
        const struct kh_now now = { number, number };
        char id[32];

        kh_inventory_init_died(inv, entry, now);
        fill_container(&c, number, id);
        (void)kh_inventory_depart(inv, &c, KH_SOURCE_HOOK, now);
}

static int compare(const void *a, const void *b)
{
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static uint64_t measure(uint64_t count)
{
        static struct kh_inventory inv;
        const struct kh_hash_seed seed = { 1, 2 };
        uint64_t ns[ROUNDS], number = 0;

        if (kh_inventory_init(&inv, seed, ignore, NULL) < 0)
                exit(1);
        while (number < count)
                arrive(&inv, number++);
        for (int round = 0; round < ROUNDS; round++) {
                uint64_t start = kh_boottime_ns();

                for (int i = 0; i < LIVES; i++)
                        live_and_die(&inv, number++);
                ns[round] = (kh_boottime_ns() - start) / ((uint64_t)LIVES * EVENTS);
        }
        kh_inventory_done(&inv);
        qsort(ns, ROUNDS, sizeof(ns[0]), compare);
        return ns[ROUNDS / 2];
}

int main(int argc, char **argv)
{
        for (int i = 1; i < argc; i++) {
                uint64_t count;

                if (!kh_parse_u64(kh_span_of(argv[i]), KH_INVENTORY_MAX - 1, &count)) {
                        fputs("usage: inventory COUNT...\n", stderr);
                        return 2;
                }
                printf("%llu\t%llu\n", (unsigned long long)count,
                        (unsigned long long)measure(count));
        }
        return 0;
}
