/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sources/places.h"

#include <errno.h>
#include <stdlib.h>

static const struct {
        enum kh_place_kind kind;
        const char *below;
} kinds[] = {
        /* What tells the start time comes first, as in the default places. */
        { KH_PLACE_RUNTIME, "" },
        { KH_PLACE_SHIM, KH_TASKS },
        { KH_PLACE_STORAGE, KH_STORES },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* The patterns of one kind below all the roots; the end of what was written to TEXT. */
static char *add_kind(
        struct kh_state_places *places, size_t kind, const char *const *roots, size_t n, char *text)
{
        for (size_t i = 0; i < n; i++) {
                size_t length = strlen(roots[i]);
                const char *path = text;

                while (length > 1 && roots[i][length - 1] == '/')
                        length--;
                text = mempcpy(text, roots[i], length);
                text = stpcpy(text, kinds[kind].below) + 1;
                places->patterns[places->n++] =
                        (struct kh_place_pattern){ kinds[kind].kind, 0, path };
        }
        return text;
}

int kh_state_places_make(struct kh_state_places *ret, const char *const *roots, size_t n)
{
        size_t patterns = kh_default_places_n + KINDS * n, bytes = 0;
        char *text;

        for (size_t i = 0; i < n; i++)
                bytes += KINDS * (strlen(roots[i]) + sizeof(KH_TASKS));
        ret->n = 0;
        ret->patterns = malloc(patterns * sizeof(*ret->patterns) + bytes);
        if (!ret->patterns)
                return -ENOMEM;
        text = add_kind(ret, 0, roots, n, (char *)(ret->patterns + patterns));
        for (size_t i = 0; i < kh_default_places_n; i++)
                ret->patterns[ret->n++] = kh_default_places[i];
        for (size_t kind = 1; kind < KINDS; kind++)
                text = add_kind(ret, kind, roots, n, text);
        return 0;
}

void kh_state_places_free(struct kh_state_places *places)
{
        free(places->patterns);
        *places = (struct kh_state_places){ 0 };
}
