/* SPDX-License-Identifier: Apache-2.0 */
/* Having a runtime's daemon read its configuration, by systemd where that runs it. */
#pragma once

#include "setup/setup.h"

/* What has a runtime's daemon read its configuration: a command line, into RET. */
void kh_reload_command(const struct kh_instance *i, struct kh_text *ret);

/* Does it, after an install. */
int kh_reload(struct kh_setup *s, const struct kh_instance *i, struct kh_err *err);

/* The same after an uninstall; and what it means, or why no reload will do. */
void kh_release_command(const struct kh_instance *i, struct kh_text *ret);
const char *kh_release_reason(const struct kh_instance *i);

/*
 * Has the daemon go on without what an uninstall has taken out of its configuration. One that shows
 * by nothing that it did so is taken to call our programs as before.
 */
int kh_release(struct kh_setup *s, const struct kh_instance *i, struct kh_err *err);
