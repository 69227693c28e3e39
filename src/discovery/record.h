/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a state directory say of one container, as each runtime writes them: runc's
 * state.json, crun's status, CRI-O's state.json, the options of a containerd shim, a file with a
 * pid. Bytes in, facts out.
 */
#pragma once

#include "wire/container.h"

struct kh_record {
        struct kh_span runtime; /* a constant string; absent when the file is of no OCI runtime */
        struct kh_span bundle;
        struct kh_span rootfs;
        struct kh_pairs annotations; /* runc's alone repeats them */
        uint32_t pid;                /* 0: none yet */
        uint64_t start_time;         /* 0: not told */
};

/* Forgets everything. */
void kh_record_init(struct kh_record *record);

/*
 * Each reads TEXT, which is changed, and to which the spans then point. 0, or -EBADMSG for what is
 * not whole or something else; *RECORD is then unusable.
 */
int kh_record_read_runc(char *text, size_t n, struct kh_record *record);
int kh_record_read_crun(char *text, size_t n, struct kh_record *record);
int kh_record_read_crio(char *text, size_t n, struct kh_record *record);
int kh_record_read_pid(char *text, size_t n, struct kh_record *record);

/* The runtime's root that a shim was told to use; absent when it was told none. */
int kh_record_read_shim_root(char *text, size_t n, struct kh_span *ret);
