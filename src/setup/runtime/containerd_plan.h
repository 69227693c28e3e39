/* SPDX-License-Identifier: Apache-2.0 */
/* A plan for a containerd in the making: what its pages share. */
#pragma once

#include "setup/hook_set.h"
#include "setup/runtime/containerd_config.h"

/* The template that 2.x's configuration is rendered from, where k3s does that. */
#define KH_CONTAINERD_TEMPLATE "config-v3.toml.tmpl"

/* How a containerd is told of our base specification. */
enum kh_containerd_way {
        KH_BY_CONFIG,   /* lines in its configuration: a drop-in would void the rest in 1.x */
        KH_BY_DROP_IN,  /* a drop-in, and an import of it if need be */
        KH_BY_RENDERED, /* the same where the configuration is rendered: a template imports it */
        KH_BY_PATCH,    /* a drop-in, which whoever renders the configuration merges into it */
        KH_BY_TEMPLATE, /* lines in the text that the configuration is rendered from */
        KH_BY_COPY,     /* lines in a template that is made of what is rendered now */
};

struct kh_containerd_plan {
        struct kh_setup *setup;
        const struct kh_instance *instance;
        struct kh_plan *plan;
        enum kh_containerd_way way;
        char directory[PATH_MAX]; /* of the configuration */
        char edited[PATH_MAX];    /* the configuration, or what is edited in its stead */
        char spec[PATH_MAX];
        char drop_in[PATH_MAX];
        uint64_t version; /* of the configuration file */
        unsigned drop_in_version;
        struct kh_containerd_config now;
        bool wanted[KH_HANDLERS_MAX]; /* which handlers get our specification */
        unsigned n_wanted;
};

/* The edit of PATH in the plan, or NULL. */
const struct kh_edit *kh_containerd_edit_of(const struct kh_containerd_plan *p, const char *path);

/* An element of `imports`, as a path from the root. */
bool kh_containerd_import_path(
        const struct kh_containerd_plan *p, struct kh_span element, char *ret);

/*
 * Has the daemon's program read what is to be written: exactly our keys may differ from what it
 * reads now.
 */
int kh_containerd_check(struct kh_containerd_plan *p, struct kh_err *err);

/* Sets the paths beside the configuration; DROP_IN: the directory of drop-ins there. */
int kh_containerd_place(struct kh_containerd_plan *p, const char *drop_in, struct kh_err *err);

/* Reads the version of the configuration. */
int kh_containerd_version(struct kh_containerd_plan *p, struct kh_err *err);

/* Fills in the rest of P, whose way, paths and version are set, and the plan that it is for. */
int kh_containerd_plan(struct kh_containerd_plan *p, struct kh_err *err);
