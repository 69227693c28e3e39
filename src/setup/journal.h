/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What set-up did to the node, so that it can be undone: for each file the bytes that it had
 * without us and those that it has with us. A record is written before its file is, and forgotten
 * after; so whoever was interrupted, and wherever, the next run sees from file and record where
 * things stand. There is no log to be replayed.
 */
#pragma once

#include "setup/formats.h"
#include "setup/host.h"
#include "setup/identity.h"

#include <stdint.h>

#define KH_JOURNAL_DIRECTORY "/var/lib/kubearmor/setup"

/* Beside the records, and gone with the last of them: how the last install was told to be. */
#define KH_JOURNAL_SETTINGS KH_JOURNAL_DIRECTORY "/settings"

/* Whom a file serves, as a bit each. */
enum kh_owner {
        KH_OWNER_CRIO,
        KH_OWNER_PODMAN,
        KH_OWNER_CONTAINERD,
        KH_OWNER_K3S,
        KH_OWNER_RKE2,
        KH_OWNER_K0S,
        KH_OWNER_MICROK8S,
        KH_OWNER_DOCKER,
        KH_OWNER_COUNT,
};

extern const char *const kh_owner_name[KH_OWNER_COUNT];

enum kh_record_kind {
        KH_RECORD_FILE,
        KH_RECORD_DIRECTORY, /* made by us, to go when it is empty */
        KH_RECORD_PROGRAM,   /* ours whole, and not kept in the record */
        KH_RECORD_KINDS,
};

struct kh_record {
        struct kh_record *next; /* the one written before this: the order of undoing */
        unsigned number;
        enum kh_record_kind kind;
        enum kh_format format;
        unsigned owners; /* 1 << enum kh_owner */
        unsigned awaits; /* of a program: whose daemons may call it until they are restarted */
        char *path;      /* resolved */
        struct kh_identity who; /* writes it */
        struct kh_text base, after;
        uint64_t changed_ns; /* boot time of its last change; 0: all have read it */
        char boot_id[40];    /* of the boot that this was in */
};

struct kh_journal {
        const struct kh_host *root;
        struct kh_record *records; /* the latest first */
};

int kh_journal_open(struct kh_journal *ret, const struct kh_host *root, struct kh_err *err);
void kh_journal_close(struct kh_journal *j);

struct kh_record *kh_journal_find(const struct kh_journal *j, const char *path);

/* The record of PATH, or a new one that is not written yet. NULL: out of memory. */
struct kh_record *kh_journal_get(struct kh_journal *j, enum kh_record_kind kind, const char *path);

/* Makes the journal's directory. */
int kh_journal_prepare(const struct kh_journal *j, struct kh_err *err);

/* Its file changes now. */
void kh_journal_stamp(struct kh_record *record);
int kh_journal_write(struct kh_journal *j, struct kh_record *record, struct kh_err *err);

/* Removes it, from memory too. */
int kh_journal_forget(struct kh_journal *j, struct kh_record *record, struct kh_err *err);

/*
 * Removes what an interruption left in the journal's directory; that too, when it holds no record.
 */
void kh_journal_tidy(struct kh_journal *j);

/* mkdir -p with the rights of WHO, and a record of each directory that was made. */
int kh_journal_make_directory(struct kh_journal *j, unsigned owners, struct kh_identity who,
        const char *path, struct kh_err *err);

/* This boot's id, "" when it cannot be told. */
void kh_boot_id(char *ret, size_t cap);
