/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Within the inventory: who died lately. Events overtake one another (a hook that was slow, one
 * that lay in the spool), and where the kernel cannot be asked about an init, only this memory
 * keeps a late account of a dead container from becoming a ghost. Bounded in number and in time.
 */
#pragma once

#include "hookd/inventory/inventory.h"

enum {
        KH_GONE_MAX = 1024, /* a node's worth of deaths at once; the oldest is forgotten first */
};

/* Ten times the hook's deadline: a later event comes from no hook that still waits. */
#define KH_GONE_NS (10ULL * 1000 * 1000 * 1000)

/* NULL when there is no memory. */
struct kh_gone *kh_gone_new(void);
void kh_gone_free(struct kh_gone *g);

/* An incarnation that was known was removed; DELETED: it was its own delete that did it. */
void kh_gone_removed(struct kh_gone *g, const struct kh_entry *e, uint64_t bundle, bool deleted,
        uint64_t now_ns);

/* Whether a delete is that of an incarnation which was removed before, at its init's death say. */
bool kh_gone_expects_delete(struct kh_gone *g, uint64_t id, uint64_t bundle, uint64_t now_ns);

/* A delete found nobody, dead or alive: it has overtaken its create. */
void kh_gone_deleted(struct kh_gone *g, uint64_t id, uint64_t bundle, uint64_t now_ns);

/* Whether this container, whose init nobody can ask about, is one of the dead. */
bool kh_gone_has(struct kh_gone *g, uint64_t id, uint64_t bundle, const struct kh_container *c,
        uint64_t now_ns);
