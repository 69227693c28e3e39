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

/*
 * From a daemon.json as an uninstall leaves it, one that has a running dockerd let go of what that
 * took out: the default runtime is named; and so is ours, which is called through a script, for
 * dockerd writes one whenever it takes a configuration, and as runc, so that containers which are
 * being made by its name start. And the same without runtimes, of which dockerd keeps those that it
 * has: it writes the script only if it has taken the first one.
 */
int kh_docker_let_go(struct kh_span text, struct kh_text *ret_naming, struct kh_text *ret_silent,
        struct kh_err *err);

/* The script of our runtime; `written` is 0 when there is none. */
struct kh_docker_script {
        struct timespec written;
        bool is_at_once; /* by a dockerd that puts each value in force as it reads it: up to 24 */
};

struct kh_docker_script kh_docker_find_script(const struct kh_setup *s);

/* Whether it is another one than BEFORE. */
bool kh_docker_is_rewritten(const struct kh_setup *s, const struct kh_docker_script *before);

/* Whether there are containers that it starts by our runtime, or may be. */
bool kh_docker_has_containers(const struct kh_setup *s);

/*
 * Whether dockerd shows that it has read its configuration as that is now, with our runtime in it:
 * up to 24 it makes the directory of scripts anew, from 25 on it asks the wrapper for its features.
 * It is enough to tell of, and no proof that the configuration is in force.
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
