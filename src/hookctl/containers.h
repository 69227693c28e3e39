/* SPDX-License-Identifier: Apache-2.0 */
/* What `list`, `watch` and `whose` have in common: containers, as a table or as JSON. */
#pragma once

#include "hookctl/hookctl.h"
#include "hookctl/table.h"

/* Whether a container passes the settings' labels, which the listener does not filter by. */
bool kh_has_labels(const struct kh_settings *s, const struct kubearmor_hook_container *c);

struct kh_table_style kh_style_of(const struct kh_settings *s, bool live);

/* Prints the answer to a list or a lookup that HOOK was asked. */
enum kh_exit kh_print_containers(const struct kh_settings *s, struct kubearmor_hook *hook);

/* Prints what happens, and before it, if asked, what is there. */
enum kh_exit kh_watch(const struct kh_settings *s, bool present_too);

/*
 * Reports a lookup of ID (NULL: by another key) that failed; where it is ambiguous, by what it is.
 */
enum kh_exit kh_report_lookup(struct kubearmor_hook *hook, int rc, const char *id);
