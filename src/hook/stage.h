/* SPDX-License-Identifier: Apache-2.0 */
/*
 * At which stage the hook was called, and which process is the container's init. Neither can be
 * taken from one place: the state's status is not the stage, its pid is the container's own
 * numbering at createContainer, and one entry of a hooks directory gives the same arguments to
 * every stage. docs/stages.md has what each runtime does.
 */
#pragma once

#include "oci/state.h"
#include "proc/proc.h"

enum kh_stage {
        KH_STAGE_UNKNOWN,
        KH_STAGE_PRESTART,
        KH_STAGE_CREATE_RUNTIME,
        KH_STAGE_CREATE_CONTAINER,
        KH_STAGE_START_CONTAINER,
        KH_STAGE_POSTSTART,
        KH_STAGE_POSTSTOP,
};

/* The specification's name; absent for KH_STAGE_UNKNOWN. */
struct kh_span kh_stage_name(enum kh_stage stage);
enum kh_stage kh_stage_of(struct kh_span name);

struct kh_init {
        enum kh_stage stage;
        bool in_container; /* the hook runs in the container's namespaces */
        pid_t pid;         /* in the host's procfs; 0 when it could not be told */
        pid_t pid_here;    /* the same in the hook's own pid namespace; 0 likewise */
        int process;       /* its directory in procfs (proc/proc.h), the caller's to close */
        struct kh_proc_stat stat;
};

/*
 * What the state and the surroundings tell. ASKED is the stage that the arguments name: it is taken
 * where it does not contradict them. PROC is the procfs root; MOUNT_NS says whether the container
 * has a mount namespace of its own, by its configuration.
 */
void kh_find_init(int proc, const struct kh_oci_state *state, enum kh_stage asked,
        enum kh_known mount_ns, struct kh_init *ret);
