/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's word on inits: which process a pidfd is, whether it lives, and the moment it dies.
 */
#pragma once

#include "hookd/inventory/inventory.h"
#include "hookd/loop.h"

/*
 * All pidfds lie in an epoll instance of their own. The first death in a while is told at once;
 * after it the others are looked at only every few milliseconds, so that many deaths are few
 * wake-ups. Nobody sees a container's number used again meanwhile: who asks about one calls
 * kh_pidfds_check().
 */
struct kh_pidfds {
        struct kh_loop *loop;
        struct kh_inventory *inventory;
        int epoll, slot;
        struct kh_timer timer;
        unsigned count;
        unsigned max; /* so that descriptors are left for connections */
};

int kh_pidfds_init(struct kh_pidfds *p, struct kh_loop *loop, struct kh_inventory *inventory,
        unsigned max, struct kh_err *err);
void kh_pidfds_done(struct kh_pidfds *p);

/*
 * The pid, in our own pid namespace, of the process that a descriptor from somebody else refers to:
 * 0 when that namespace does not hold it, -ESRCH when it is dead, -ENOTTY when FD is no pidfd.
 */
int kh_pidfd_pid(int fd);

bool kh_pidfd_is_dead(int pidfd);

/*
 * The inode number of a namespace of its process, in any pid namespace; 0 where we lack the rights
 * over it (those of ptrace), it is dead, or the kernel is older than Linux 6.11.
 */
uint64_t kh_pidfd_namespace(int pidfd, enum kh_ns which);

/*
 * Takes PIDFD over, for E. When it cannot be watched it is closed, and E is polled if that is
 * possible, else its init is one of whom nobody knows.
 */
void kh_pidfds_watch(struct kh_pidfds *p, struct kh_entry *e, int pidfd);

/* E has moved, or is about to be freed. */
void kh_pidfds_moved(struct kh_pidfds *p, struct kh_entry *e);
void kh_pidfds_forget(struct kh_pidfds *p, struct kh_entry *e);

/* The init of E is dead, by whatever sign: the inventory is told. E may be gone on return. */
void kh_pidfds_died(struct kh_pidfds *p, struct kh_entry *e);

/* The same if its pidfd says so, which the loop may not have come to yet. */
void kh_pidfds_check(struct kh_pidfds *p, struct kh_entry *e);
