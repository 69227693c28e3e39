/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sources/places.h"

#include "base/cleanup.h"
#include "hookd/options.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

struct kind {
        enum kh_place_kind kind;
        const char *below;
};

/* What tells the start time comes first, as in the default places. */
static const struct kind kinds[] = {
        { KH_PLACE_RUNTIME, "" },
        { KH_PLACE_SHIM, KH_TASKS },
        { KH_PLACE_STORAGE, KH_STORES },
};

/* By name, where root's have a '*': a user could make up drivers without end. */
static const struct kind user_kinds[] = {
        { KH_PLACE_RUNTIME, "/crun" },
        { KH_PLACE_RUNTIME, "/runc" },
        { KH_PLACE_STORAGE, "/containers/overlay-containers" },
        { KH_PLACE_STORAGE, "/containers/vfs-containers" },
        { KH_PLACE_STORAGE, "/containers/btrfs-containers" },
};

#define USER_GRAPH_ROOT "/.local/share/containers/storage"

enum {
        KINDS = sizeof(kinds) / sizeof(kinds[0]),
        USER_KINDS = sizeof(user_kinds) / sizeof(user_kinds[0]),
        USER_PATH_MAX = 64, /* "/run/user/UID" and what is below */
        USER_TEXT_MAX = USER_KINDS * USER_PATH_MAX + PATH_MAX,
};

static void add(struct kh_state_places *places, const struct kind *kind, uid_t owner,
        const char *path, const char *graph_root)
{
        places->patterns[places->n++] = (struct kh_place_pattern){ kind->kind, owner, path,
                kind->kind == KH_PLACE_STORAGE ? graph_root : NULL };
}

/* A path of two parts behind what is in TEXT, which has room for it; NULL where it has not. */
static const char *keep(struct kh_buf *text, struct kh_span directory, const char *below)
{
        const char *path = text->p + text->len;

        kh_buf_span(text, directory);
        kh_buf_span(text, kh_span_of(below));
        kh_buf_char(text, '\0');
        return text->over ? NULL : path;
}

/* The patterns of one kind below all the roots. */
static void add_roots(struct kh_state_places *places, const struct kind *kind,
        const struct kh_options *o, struct kh_buf *text)
{
        for (size_t i = 0; i < o->state_roots_n; i++) {
                struct kh_span root = kh_span_of(o->state_roots[i]);

                while (root.n > 1 && root.p[root.n - 1] == '/')
                        root.n--;
                add(places, kind, 0, keep(text, root, kind->below), KH_GRAPH_ROOT);
        }
}

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
        return keep(text, kh_span_of(entry->pw_dir), USER_GRAPH_ROOT);
}

static void add_user(struct kh_state_places *places, uid_t uid, FILE *passwd, struct kh_buf *text)
{
        const char *graph_root = find_graph_root(passwd, uid, text);
        char directory[USER_PATH_MAX];

        (void)snprintf(directory, sizeof(directory), "/run/user/%u", uid);
        for (size_t i = 0; i < USER_KINDS; i++)
                add(places, &user_kinds[i], uid,
                        keep(text, kh_span_of(directory), user_kinds[i].below), graph_root);
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
        size_t patterns =
                kh_default_places_n + KINDS * o->state_roots_n + USER_KINDS * o->allowed_n;
        size_t bytes = USER_TEXT_MAX * o->allowed_n;
        struct kh_buf text;

        for (size_t i = 0; i < o->state_roots_n; i++)
                bytes += KINDS * (strlen(o->state_roots[i]) + sizeof(KH_TASKS));
        ret->n = 0;
        ret->patterns = malloc(patterns * sizeof(*ret->patterns) + bytes);
        if (!ret->patterns)
                return -ENOMEM;
        text = kh_buf_of((char *)(ret->patterns + patterns), bytes);
        add_roots(ret, &kinds[0], o, &text);
        for (size_t i = 0; i < kh_default_places_n; i++)
                ret->patterns[ret->n++] = kh_default_places[i];
        for (size_t kind = 1; kind < KINDS; kind++)
                add_roots(ret, &kinds[kind], o, &text);
        add_users(ret, root, o, &text);
        return 0;
}

void kh_state_places_free(struct kh_state_places *places)
{
        free(places->patterns);
        *places = (struct kh_state_places){ 0 };
}
