/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts of a process, from procfs. A process is named by a descriptor of its directory, so that all
 * facts are of one process: once it is gone, every read fails instead of telling of a stranger.
 */
#pragma once

#include "base/buf.h"
#include "wire/container.h"

#include <sys/types.h>

/* An O_PATH descriptor of PID's directory below PROC, an open procfs root; or a negative errno. */
int kh_proc_open(int proc, pid_t pid);

struct kh_proc_stat {
        char comm[16]; /* TASK_COMM_LEN; terminated */
        char state;    /* 'R', 'S', ...; 'Z', a zombie, and 'X' are dead */
        pid_t ppid;    /* in the procfs's pid namespace; 0 when it has none there */
        uint64_t start_time;
};

/* Of /proc/PID/stat: fields 2, 3, 4 and 22 (proc(5)). 0 or a negative errno. */
int kh_proc_stat(int process, struct kh_proc_stat *ret);

/* The same from the file's text, apart for its tests. */
int kh_proc_parse_stat(struct kh_span text, struct kh_proc_stat *ret);

/* The inode numbers of its namespaces; one that the kernel lacks or hides stays 0. */
void kh_proc_namespaces(int process, uint64_t ret[KH_NS_COUNT]);

/* One of them; 0 or a negative errno. */
int kh_proc_namespace(int process, enum kh_ns which, uint64_t *ret);

/* The user that owns the user namespace of a process. 0 or a negative errno. */
int kh_proc_user_ns_owner(int process, uid_t *ret);

/* Longer paths than the kernel's own limit for a path do not come. */
enum { KH_CGROUP_FILE_MAX = 16384 };

struct kh_cgroup {
        struct kh_span path; /* absent when it is in no cgroup of its own that can be told */
        uint64_t id;         /* 0 where the v2 hierarchy does not hold it */
        uint32_t owner;      /* of its directory there, to whom it was delegated; else 0 */
};

/*
 * The cgroup of a process, by the kernel's word, into *RET with the path in BUF (of
 * KH_CGROUP_FILE_MAX). Only right when read from the host's cgroup namespace. CGROUPFS is where the
 * hierarchies are mounted, "/sys/fs/cgroup". 0 or a negative errno.
 */
int kh_proc_cgroup(int process, const char *cgroupfs, char *buf, struct kh_cgroup *ret);

/* The same with the path kept in SCRATCH; nothing is known where there is no room or an error. */
void kh_proc_cgroup_kept(
        int process, const char *cgroupfs, struct kh_buf *scratch, struct kh_cgroup *ret);

/* A pidfd, or a negative errno (-ENOSYS before Linux 5.3). */
int kh_pidfd_open(pid_t pid);
