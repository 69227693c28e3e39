/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a runtime's command line says, as far as the wrapper has to know; runc's and crun's alike.
 */
#pragma once

#include <stdbool.h>

struct kh_arguments {
        bool makes_container; /* `create`, `run` or `restore`: the bundle's hooks are read now */
        bool asks_features;   /* `features`: an engine reads its configuration */
        const char *bundle;   /* NULL: the working directory */
        const char *log;      /* where the runtime tells its caller what went wrong; or NULL */
};

void kh_arguments_read(int argc, char **argv, struct kh_arguments *ret);
