/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose rights files are changed with: in a user's home the user's own, so that no link of his can
 * have root change what he could not.
 */
#pragma once

#include <sys/fsuid.h>
#include <sys/types.h>

struct kh_identity {
        uid_t uid; /* 0: root, whatever the gid */
        gid_t gid;
};

/* Until kh_identity_leave(): kh_cleanup(kh_identity_leave) struct kh_identity ... */
static inline struct kh_identity kh_identity_enter(struct kh_identity who)
{
        if (who.uid) {
                (void)setfsgid(who.gid);
                (void)setfsuid(
                        who.uid); /* takes the capabilities of a file system's root as well */
        }
        return who;
}

static inline void kh_identity_leave(const struct kh_identity *who)
{
        if (!who->uid)
                return;
        (void)setfsuid(0);
        (void)setfsgid(0);
}
