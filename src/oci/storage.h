/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containers.json of containers/storage, where Podman keeps names and images: of one container, or
 * of one after another without reading the file for each.
 */
#pragma once

#include "base/buf.h"
#include "base/root.h"
#include "wire/container.h"

#include <limits.h>

enum {
        /* Larger files are not read: the names then stay absent. */
        KH_STORAGE_FILE_MAX = 4 * 1024 * 1024,
        KH_STORAGE_SLOTS = 16384,
        /* Containers in one store; what is beyond has no name. */
        KH_STORAGE_CONTAINERS_MAX = KH_STORAGE_SLOTS / 4 * 3,
};

/* A store's files, once read. */
struct kh_storage {
        char store[PATH_MAX]; /* whose; empty: nobody's yet */
        unsigned n;
        struct kh_storage_slot {
                uint64_t hash; /* of the id */
                struct kh_span text;
        } slots[KH_STORAGE_SLOTS];
        char text[2][KH_STORAGE_FILE_MAX];
};

/* Forgets the files, which may have changed since. */
void kh_storage_forget(struct kh_storage *storage);

/*
 * Fills name and image of C, one of the store in the directory STORE below ROOT (base/root.h); what
 * is not there is left out. Spans point into TEXT, of KH_STORAGE_FILE_MAX.
 */
void kh_storage_read(struct kh_root root, struct kh_span store, char *text, struct kh_container *c);

/* The same with files that are read at most once; each container can be found once. */
void kh_storage_look_up(struct kh_storage *storage, struct kh_root root, struct kh_span store,
        struct kh_container *c);
