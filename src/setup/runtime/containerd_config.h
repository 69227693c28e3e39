/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's configuration as containerd itself understands it: with its defaults, its imports
 * merged, as `containerd config dump` prints it. From that come the runtime handlers, and the proof
 * that an edit means what it should.
 */
#pragma once

#include "setup/setup.h"
#include "setup/toml.h"

/* A node with more of them has other worries. */
enum { KH_HANDLERS_MAX = 64 };

struct kh_handler {
        char name[128];
        char type[128];      /* "io.containerd.runc.v2" */
        char base[PATH_MAX]; /* its base_runtime_spec; "" for none */
};

struct kh_containerd_config {
        struct kh_text dump;
        bool is_split; /* since 2.0 the runtimes are a plugin's of their own */
        bool cri_is_off;
        struct kh_handler handlers[KH_HANDLERS_MAX];
        unsigned n;
};

/* The table of a handler in a configuration of that kind; NAME must outlive it. */
struct kh_toml_key kh_handler_key(bool is_split, const char *name);

/* What the daemon's program makes of the configuration at PATH; "": of none. */
int kh_containerd_dump(struct kh_setup *s, const struct kh_instance *i, const char *path,
        struct kh_containerd_config *ret, struct kh_err *err);
void kh_containerd_config_done(struct kh_containerd_config *c);

/*
 * 0 when the two say the same but for base_runtime_spec and for imports. A value that is empty,
 * zero or false is as good as none.
 */
int kh_containerd_compare(const struct kh_containerd_config *before,
        const struct kh_containerd_config *after, struct kh_err *err);
