/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may change the inventory (docs/protocol.md, "Who may"): decided by what the kernel says of
 * the peer of a connection, never by what the message says.
 */
#pragma once

#include "hookd/inventory/inventory.h"
#include "wire/request.h"

#include <sys/types.h>

struct kh_peer {
        pid_t pid; /* 0: of a pid namespace that ours does not hold */
        uid_t uid;
        bool is_host; /* root, known to be the host's */
};

struct kh_peers {
        int proc;                                /* our own pid namespace's procfs */
        uint64_t mnt, init_mnt, pid_ns, user_ns; /* our own namespaces, and our pid 1's */
        const uid_t *allowed;                    /* besides root, for containers of their own */
        size_t allowed_n;
        /* The last peer that was found to be the host's; its pid is its own while it lives. */
        pid_t last_pid;
        int last_pidfd;
};

int kh_peers_init(struct kh_peers *p, struct kh_err *err);
void kh_peers_done(struct kh_peers *p);

/* Who is at the other end of FD; whether it is the host's root, where that is quickly told. */
struct kh_peer kh_peers_look_at(struct kh_peers *p, int fd);

enum kh_permission {
        KH_DENIED,
        KH_PERMITTED,
        KH_PERMITTED_KNOWN, /* its own container, which is known: there is nothing to take in */
};

/*
 * Whether PEER, at the other end of FD, may make this request. What a container's own process says
 * of itself, and cannot be held to, is taken out of the request.
 */
enum kh_permission kh_peers_permit(struct kh_peers *p, int fd, struct kh_peer *peer,
        struct kh_request *request, const struct kh_inventory *inv);
