/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sources/places.h"

#include "base/cleanup.h"
#include "hookd/options.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

/* By name, where root's have a '*': a user could make up drivers without end. */
static const struct kind {
        enum kh_place_kind kind;
        const char *below;
} user_kinds[] = {
        { KH_PLACE_RUNTIME, "/crun" },
        { KH_PLACE_RUNTIME, "/runc" },
        { KH_PLACE_STORAGE, "/containers/overlay-containers" },
        { KH_PLACE_STORAGE, "/containers/vfs-containers" },
        { KH_PLACE_STORAGE, "/containers/btrfs-containers" },
};

#define USER_GRAPH_ROOT "/.local/share/containers/storage"

enum {
        USER_KINDS = sizeof(user_kinds) / sizeof(user_kinds[0]),
        USER_PATH_MAX = 64, /* "/run/user/UID" and what is below */
        USER_TEXT_MAX = USER_KINDS * USER_PATH_MAX + PATH_MAX,
};

/* Where the user's Podman has its twins, by the host's own PASSWD; NULL when that cannot be told. */
static const char *find_graph_root(FILE *passwd, uid_t uid, struct kh_buf *text)
{
        const struct passwd *entry;

        if (!passwd)
                return NULL;
        rewind(passwd);
        do
                entry = fgetpwent(passwd);
        while (entry && entry->pw_uid != uid);
        if (!entry || entry->pw_dir[0] != '/' || strlen(entry->pw_dir) > PATH_MAX / 2)
                return NULL;
        return kh_place_path(text, kh_span_of(entry->pw_dir), USER_GRAPH_ROOT);
}

static void add_user(struct kh_state_places *places, uid_t uid, FILE *passwd, struct kh_buf *text)
{
        const char *graph_root = find_graph_root(passwd, uid, text);
        char directory[USER_PATH_MAX];

        (void)snprintf(directory, sizeof(directory), "/run/user/%u", uid);
        for (size_t i = 0; i < USER_KINDS; i++) {
                const struct kind *kind = &user_kinds[i];

                places->patterns[places->n++] = (struct kh_place_pattern){ kind->kind, uid,
                        kh_place_path(text, kh_span_of(directory), kind->below),
                        kind->kind == KH_PLACE_STORAGE ? graph_root : NULL };
        }
}

static void add_users(struct kh_state_places *places, struct kh_root root,
        const struct kh_options *o, struct kh_buf *text)
{
        int fd = o->allowed_n ? kh_root_open(root, "/etc/passwd", O_RDONLY | O_NONBLOCK) : -EBADF;
        FILE *passwd = fd >= 0 ? fdopen(fd, "r") : NULL;

        for (size_t i = 0; i < o->allowed_n; i++) {
                if (o->allowed[i] != 0)
                        add_user(places, o->allowed[i], passwd, text);
        }
        if (passwd)
                (void)fclose(passwd);
        else
                kh_close(fd);
}

int kh_state_places_make(
        struct kh_state_places *ret, struct kh_root root, const struct kh_options *o)
{
        size_t patterns = KH_DEFAULT_PLACES + KH_STATE_ROOT_PLACES * o->state_roots_n +
                          USER_KINDS * o->allowed_n;
        size_t bytes = USER_TEXT_MAX * o->allowed_n;
        struct kh_buf text;

        for (size_t i = 0; i < o->state_roots_n; i++)
                bytes += KH_STATE_ROOT_PLACES * (strlen(o->state_roots[i]) + sizeof(KH_TASKS));
        ret->patterns = malloc(patterns * sizeof(*ret->patterns) + bytes);
        if (!ret->patterns)
                return -ENOMEM;
        text = kh_buf_of((char *)(ret->patterns + patterns), bytes);
        ret->n = kh_places_with(ret->patterns, o->state_roots, o->state_roots_n, &text);
        add_users(ret, root, o, &text);
        return 0;
}

void kh_state_places_free(struct kh_state_places *places)
{
        free(places->patterns);
        *places = (struct kh_state_places){ 0 };
}
