/* SPDX-License-Identifier: Apache-2.0 */
/* The options of the sub-commands that set a node up. */
#pragma once

#include "hookctl/hookctl.h"

/* False when ID is none of them, or VALUE is none for it. */
bool kh_apply_setup_option(enum kh_option_id id, const char *value, struct kh_settings *s);
