/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setting the hook up on a node, and undoing it. What a runtime needs is a plan: for each file what
 * it is without us and what it is with us. Installing, undoing, comparing and showing are then the
 * same for all of them.
 */
#pragma once

#include "setup/journal.h"
#include "spec/hooks.h"

#include <sys/types.h>

enum { KH_HOOK_ARGUMENTS_MAX = 32, KH_RUNTIMES_MAX = 16, KH_STAGES_MAX = 6, KH_ROOTLESS_MAX = 16 };

/* An option that runtimes shall call the hook with. */
struct kh_hook_argument {
        const char *option;
        const char *value; /* NULL: it takes none */
};

/* What `install` was told; what is empty or NULL has its default. */
struct kh_setup_options {
        const char *host_root;
        const char *bin_dir;                   /* where the programs shall go */
        const char *source_dir;                /* where they come from */
        const char *runtimes[KH_RUNTIMES_MAX]; /* none: all that there are */
        unsigned n_runtimes;
        const char *stages[KH_STAGES_MAX];
        unsigned n_stages;
        struct kh_hook_argument arguments[KH_HOOK_ARGUMENTS_MAX];
        unsigned n_arguments;
        const char *rootless[KH_ROOTLESS_MAX]; /* users whose own Podman calls the hook, too */
        unsigned n_rootless;
        uint64_t timeout_ns; /* the hook's; 0: its default */
        bool docker_default;
        const char *runtime_path; /* what the wrapper calls */
};

/* One runtime of this node. */
struct kh_instance {
        enum kh_owner owner;
        char version[32];
        unsigned major, minor, patch;
        char program[PATH_MAX];      /* its daemon, or itself */
        char config[PATH_MAX];       /* the configuration that it was started with, or would be */
        pid_t pid;                   /* of its daemon; 0: it does not run, or has none */
        uint64_t started_ns;         /* of the daemon, in boot time */
        struct kh_text command_line; /* of the daemon, words that end in NUL */
        const char *service;         /* its unit, or whose it is; NULL: it has no daemon */
        const char *evidence;        /* how we know */
};

struct kh_edit {
        struct kh_edit *next;
        char *path; /* resolved */
        enum kh_format format;
        unsigned owners;
        mode_t mode;
        struct kh_identity who; /* writes it */
        struct kh_text current, base, after;
        const struct kh_record *record; /* NULL: there is none */
        /* of a file that counts if its directory was made before its daemon started; or NULL */
        const struct kh_record *directory;
        bool is_stuck; /* to be undone, but nobody can tell what of it is ours */
        bool is_held;  /* to be undone, but for what containers need */
};

struct kh_plan {
        struct kh_edit *edits; /* in the order of their writing */
        struct kh_text notes;  /* what a person should know, a line each */
};

struct kh_setup {
        struct kh_host root;
        struct kh_journal journal;
        struct kh_setup_options options;
        struct kh_text settings; /* what `options` points into, when they were read back */
        struct kh_instance instances[KH_OWNER_COUNT];
        unsigned n_instances;
        char bin_dir[PATH_MAX]; /* where the programs are, or go; "" when nowhere */
        struct kh_text kept;    /* programs that an uninstall left, and why, a line each */
        bool may_be_starting;   /* containers, by what has been undone just now */
        int lock;
};

/* What setting a runtime up takes. */
struct kh_runtime {
        /* Appends its edits and notes to PLAN; a failure's message says what to do by hand. */
        int (*plan)(struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan,
                struct kh_err *err);
        /* Of systemd: the usual one, and another; none: no daemon must read the change. */
        const char *services[2];
        int signal;      /* that makes it read the change; 0: it has to be restarted */
        const char *why; /* it has to, and what that means */
        /* Why no signal makes it go on without what its configuration named before; or NULL. */
        const char *keeps;
};

extern const struct kh_runtime kh_runtimes[KH_OWNER_COUNT];

/*
 * Opens the node: its root, its journal, its runtimes. With LOCK it waits a while for whoever else
 * is at work, and *RET is the only one that is until kh_setup_close().
 */
int kh_setup_open(struct kh_setup *ret, const struct kh_setup_options *options, bool lock,
        struct kh_err *err);
void kh_setup_close(struct kh_setup *s);

/*
 * Takes the options of earlier installs that say how, where the present ones say nothing else; adds
 * those that it took to RET (may be NULL), as they are typed.
 */
int kh_setup_recall(struct kh_setup *s, struct kh_text *ret, struct kh_err *err);

/* Keeps the options, for kh_setup_recall(). */
int kh_setup_remember(struct kh_setup *s, struct kh_err *err);

/* Whether the options ask for it. */
bool kh_setup_wants(const struct kh_setup *s, enum kh_owner owner);

/* Lets the options ask for those in OWNERS only, of which there must be one. */
void kh_setup_narrow(struct kh_setup *s, unsigned owners);

/* Fills PLAN for an instance. */
int kh_plan_for(
        struct kh_setup *s, const struct kh_instance *i, struct kh_plan *plan, struct kh_err *err);

/* What PLAN would become where there is nothing of ours any more: for the runtimes in OWNERS. */
int kh_plan_undo(struct kh_setup *s, unsigned owners, struct kh_plan *plan, struct kh_err *err);

/* A plan that failed in the middle is none; its notes may still be of use. */
void kh_plan_drop_edits(struct kh_plan *plan);
void kh_plan_done(struct kh_plan *plan);

/*
 * For the runtimes' plans: an edit of the file at PATH. The caller fills `after`, from `base`; NULL
 * when it failed.
 */
struct kh_edit *kh_plan_edit(struct kh_setup *s, struct kh_plan *plan, enum kh_owner owner,
        enum kh_format format, const char *path, struct kh_err *err);

/* The same by its name: whoever owns it has a link on the way lead elsewhere one day. */
struct kh_edit *kh_plan_edit_as_named(struct kh_setup *s, struct kh_plan *plan, enum kh_owner owner,
        enum kh_format format, const char *path, struct kh_err *err);

/* Makes it so. */
int kh_plan_apply(struct kh_setup *s, const struct kh_plan *plan, struct kh_err *err);

/* Makes the files as they were, by the plan of kh_plan_undo(). */
int kh_plan_revert(
        struct kh_setup *s, unsigned owners, const struct kh_plan *plan, struct kh_err *err);

/* Removes the programs and directories that no runtime has any more; s->kept names what stays. */
int kh_plan_clear(struct kh_setup *s, struct kh_err *err);
