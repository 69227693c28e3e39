/* SPDX-License-Identifier: Apache-2.0 */
/* What the sub-commands of set-up tell of the runtimes, on a terminal and as JSON. */
#pragma once

#include "base/buf.h"
#include "hookctl/hookctl.h"
#include "setup/operate.h"

#include <stdio.h>

/* Opens the node; otherwise reports why not, and *RET_CODE says how to exit. */
bool kh_open_setup(
        struct kh_setup *ret, const struct kh_settings *s, bool lock, enum kh_exit *ret_code);

/* Reports ERR and what to do about it. */
enum kh_exit kh_report_setup(const struct kh_err *err);

/* Runtimes with their states, and below them what there is to say. */
void kh_print_views(const struct kh_settings *s, const struct kh_views *views);

/* What there is to say of one. */
void kh_print_view_notes(const struct kh_view *v, FILE *f);

/* The members of the object of one runtime, without its closing bracket. */
void kh_put_view(struct kh_buf *b, const struct kh_view *view);

/* The same of one file. */
void kh_print_change(const char *path, const struct kh_text *from, const struct kh_text *to);

/* What the edits of a plan would change: as a diff, or as the JSON array `files`. */
void kh_print_diff(const struct kh_plan *plan);
void kh_put_files(struct kh_buf *b, const struct kh_plan *plan);

/* An empty buffer for JSON, and its printing: with the reason, when it was too small. */
struct kh_buf kh_json_room(void);
enum kh_exit kh_print_json(struct kh_buf *b);
