/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines on stderr: what happened, then key=value. Under systemd each begins with its level in
 * angle brackets; else with the time and the level's name. The rate is bounded, and a reader that
 * does not read is not waited for: lines are dropped, and their number is said later.
 */
#pragma once

#include "base/span.h"

#include <syslog.h>

void kh_log_init(void);

/* LEVEL is one of LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO. */
__attribute__((format(printf, 2, 3))) void kh_log(int level, const char *format, ...);

/* Whether a line of this level would be written now: what it takes to make one may be saved. */
bool kh_log_wants(int level);

/*
 * A text of others', as a value: quoted where it has to be, control characters escaped, cut when
 * too long. In BUF, of KH_LOG_VALUE bytes.
 */
enum { KH_LOG_VALUE = 128 };
const char *kh_log_value(char buf[KH_LOG_VALUE], struct kh_span s);
