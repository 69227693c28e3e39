/* SPDX-License-Identifier: Apache-2.0 */
/* What `install` and `repair` have in common. */
#pragma once

#include "hookctl/setup_report.h"

/* Sets up what is asked for; or again, as it was, whatever has been set up. */
enum kh_exit kh_run_install(const struct kh_settings *s, bool recorded_only);
