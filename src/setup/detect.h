/* SPDX-License-Identifier: Apache-2.0 */
/* Which runtimes a node has, by its processes and its files; no runtime is spoken to. */
#pragma once

#include "setup/setup.h"

/* Fills s->instances, anew if they are. */
void kh_detect(struct kh_setup *s);
void kh_detect_done(struct kh_setup *s);

/* What the program says of its version; none when it says nothing. */
void kh_detect_version(const struct kh_setup *s, struct kh_instance *i);

/* The value of an option of the daemon's command line, --NAME or -LETTER (0: none); NULL: not
 * given. */
const char *kh_daemon_option(const struct kh_instance *i, const char *name, char letter);

/* Whether the daemon started after the record's file was changed last; true without a daemon. */
bool kh_has_read(const struct kh_instance *i, const struct kh_record *record);

/* Those whose running daemon has yet to read what a program's record awaits. */
unsigned kh_awaited(const struct kh_setup *s, const struct kh_record *record);
