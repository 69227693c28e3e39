/* SPDX-License-Identifier: Apache-2.0 */
/* The runtimes' plans, and what those of one family share. */
#pragma once

#include "setup/setup.h"
#include "setup/toml.h"

int kh_plan_crio(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan, struct kh_err *err);
int kh_plan_podman(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan, struct kh_err *err);
int kh_plan_containerd(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan, struct kh_err *err);
int kh_plan_k3s(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan, struct kh_err *err);
int kh_plan_k0s(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan, struct kh_err *err);
int kh_plan_microk8s(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan, struct kh_err *err);
int kh_plan_docker(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan, struct kh_err *err);

/* A daemon.json that names what dockerd has by default, where it names nothing. */
int kh_docker_name_defaults(struct kh_span text, struct kh_text *ret, struct kh_err *err);

/*
 * The inode of the directory that dockerd, up to 20.10, makes anew whenever it reads its runtimes;
 * 0: there is none.
 */
ino_t kh_docker_runtimes(const struct kh_setup *s, const struct kh_instance *i);

/*
 * Whether a file of dockerd's shows that it has read its configuration as that is now. It need not
 * show it: since 23.0 only a container that it has made by our runtime does.
 */
bool kh_docker_shows_reading(const struct kh_setup *s, const struct kh_instance *i);

/* More directories than any configuration names. */
enum { KH_HOOKS_DIRS_MAX = 32 };

/* The directories that a runtime reads hooks from, in its order. */
struct kh_hooks_dirs {
        char *v[KH_HOOKS_DIRS_MAX];
        unsigned n;
};

/* Copies PATH to the end of the list; false when it is full. */
bool kh_hooks_dirs_add(struct kh_hooks_dirs *dirs, struct kh_span path);
void kh_hooks_dirs_done(struct kh_hooks_dirs *dirs);

/*
 * What the configuration at PATH, if it is there, makes of them: `hooks_dir` of the table at KEY
 * takes their place.
 */
int kh_hooks_dirs_read(const struct kh_host *root, const char *path, const struct kh_toml_key *key,
        struct kh_hooks_dirs *dirs, struct kh_err *err);

/* The same of all *.conf in a directory but the one named EXCEPT. */
int kh_hooks_dirs_read_drop_ins(const struct kh_setup *s, const char *directory, const char *except,
        const struct kh_toml_key *key, struct kh_hooks_dirs *dirs, struct kh_err *err);

/* A configuration that names DIRS, and LAST unless it is among them. */
void kh_hooks_dirs_print(struct kh_text *ret, const char *section, const struct kh_hooks_dirs *dirs,
        const char *last);

/*
 * The directory that the hooks' files go to: the first of DIRS that can have them, or one in /etc,
 * which a drop-in then has to add.
 */
const char *kh_hooks_dirs_choose(const struct kh_setup *s, const struct kh_hooks_dirs *dirs);

/*
 * The hooks' files in that directory; and where it is none of DIRS, DROP_IN, a configuration of
 * ours with a table named SECTION, that adds it to them.
 */
int kh_plan_hooksd(struct kh_setup *s, enum kh_owner owner, const struct kh_hooks_dirs *dirs,
        const char *drop_in, const char *section, struct kh_plan *plan, struct kh_err *err);
