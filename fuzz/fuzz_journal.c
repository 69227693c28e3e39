/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the listener left on /run for the next one: its journal, or by an odd first byte the relay's
 * record. What was read is written anew at once, and read again it has to be the same.
 */
#include "fuzz.h"
#include "hookd/journal.h"
#include "hookd/sinks/ledger.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static char place[PATH_MAX];
static int dir = -1;
static char header[512]; /* of a journal of this boot, for all others are passed over */

static void clean_up(void)
{
        (void)unlinkat(dir, "journal", 0);
        (void)unlinkat(dir, "relay", 0);
        (void)rmdir(place);
}

static void ignore(void *arg, const struct kh_change *change)
{
        (void)arg;
        (void)change;
}

struct kept {
        size_t count, in_state[KH_STATE_COUNT];
};

/* Opened, rewritten and closed. */
static struct kept open_journal(void)
{
        struct kh_inventory inv;
        struct kh_journal journal;
        struct kept kept;
        struct kh_err err;
        bool same_pids;

        fuzz_require(kh_inventory_init(&inv, (struct kh_hash_seed){ 1, 2 }, ignore, NULL) == 0);
        fuzz_require(kh_journal_open(&journal, place, &inv, &same_pids, &err) == 0);
        fuzz_require(!kh_journal_is_broken(&journal));
        kept = (struct kept){ .count = inv.count };
        memcpy(kept.in_state, inv.in_state, sizeof(kept.in_state));
        kh_journal_close(&journal);
        kh_inventory_done(&inv);
        return kept;
}

static size_t open_ledger(void)
{
        struct kh_ledger l;
        size_t known;

        kh_ledger_init(&l);
        kh_ledger_open(&l, dir);
        fuzz_require(l.fd >= 0);
        known = l.known_n;
        kh_ledger_done(&l);
        return known;
}

static FILE *open_file(const char *name, int flags, const char *mode)
{
        FILE *file = fdopen(openat(dir, name, flags | O_CLOEXEC, 0600), mode);

        fuzz_require(file);
        return file;
}

static void prepare(void)
{
        FILE *file;

        (void)snprintf(place, sizeof(place), "%s/fuzz-journal-XXXXXX",
                access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        fuzz_require(mkdtemp(place) != NULL);
        dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void)atexit(clean_up);
        (void)open_journal();
        file = open_file("journal", O_RDONLY, "r");
        fuzz_require(fgets(header, sizeof(header), file));
        (void)fclose(file);
}

static void put(const char *name, const char *head, const uint8_t *data, size_t size)
{
        FILE *file = open_file(name, O_WRONLY | O_CREAT | O_TRUNC, "w");

        fuzz_require(fputs(head, file) >= 0 && fwrite(data, 1, size, file) == size);
        fuzz_require(fclose(file) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (!place[0])
                prepare();
        if (size == 0)
                return 0;
        if (data[0] & 1) {
                size_t known;

                put("relay", "{\"relay\":1}\n", data + 1, size - 1);
                known = open_ledger();
                fuzz_require(open_ledger() == known);
        } else {
                struct kept first, second;

                put("journal", header, data + 1, size - 1);
                first = open_journal();
                second = open_journal();
                fuzz_require(memcmp(&first, &second, sizeof(first)) == 0);
        }
        return 0;
}
