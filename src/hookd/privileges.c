/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/privileges.h"

#include "hookd/log.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

unsigned kh_privileges_raise_limits(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return 1024;
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_cur > 1U << 20 ? 1U << 20 : (unsigned)limit.rlim_cur;
}

/* Of what we have; in a pod that may be nothing, and then nobody can be looked at either. */
static int drop_capabilities(bool with_users)
{
        const uint32_t users = with_users ? 1U << CAP_DAC_READ_SEARCH : 0;
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

        for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
                (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
                data[i].permitted &= i == 0 ? 1U << CAP_SYS_PTRACE | users : 0;
                data[i].effective = data[i].permitted;
                data[i].inheritable = 0;
        }
        if (users & ~data[0].permitted)
                kh_log(LOG_WARNING, "rootless containers are not looked for message=\"users' "
                                    "directories take CAP_DAC_READ_SEARCH to be read\"");
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/*
 * What a fault could be turned into something with; a listener has no use for any of it. A list of
 * what is denied, and EPERM rather than death: a C library that changes its ways must not end us.
 */
static const int denied[] = {
        SCMP_SYS(add_key),
        SCMP_SYS(bpf),
        SCMP_SYS(chroot),
        SCMP_SYS(clone),
        SCMP_SYS(clone3),
        SCMP_SYS(delete_module),
        SCMP_SYS(execve),
        SCMP_SYS(execveat),
        SCMP_SYS(finit_module),
        SCMP_SYS(fork),
        SCMP_SYS(fsmount),
        SCMP_SYS(fsopen),
        SCMP_SYS(init_module),
        SCMP_SYS(io_uring_setup),
        SCMP_SYS(kexec_file_load),
        SCMP_SYS(kexec_load),
        SCMP_SYS(keyctl),
        SCMP_SYS(kill),
        SCMP_SYS(mount),
        SCMP_SYS(mount_setattr),
        SCMP_SYS(move_mount),
        SCMP_SYS(open_by_handle_at),
        SCMP_SYS(open_tree),
        SCMP_SYS(perf_event_open),
        SCMP_SYS(personality),
        SCMP_SYS(pidfd_getfd),
        SCMP_SYS(pidfd_send_signal),
        SCMP_SYS(pivot_root),
        SCMP_SYS(process_vm_readv),
        SCMP_SYS(process_vm_writev),
        SCMP_SYS(ptrace),
        SCMP_SYS(reboot),
        SCMP_SYS(request_key),
        SCMP_SYS(setns),
        SCMP_SYS(swapoff),
        SCMP_SYS(swapon),
        SCMP_SYS(umount2),
        SCMP_SYS(unshare),
        SCMP_SYS(userfaultfd),
        SCMP_SYS(vfork),
};

/* LeakSanitizer looks at its own process by clone() and ptrace(). */
#if defined(__SANITIZE_ADDRESS__)
#define LOOKS_AT_ITSELF true
#elif defined(__has_feature)
#define LOOKS_AT_ITSELF __has_feature(address_sanitizer)
#else
#define LOOKS_AT_ITSELF false
#endif

static int deny_system_calls(void)
{
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        int r = filter ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < sizeof(denied) / sizeof(denied[0]); i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
        if (r == 0)
                r = seccomp_load(filter);
        seccomp_release(filter);
        return r;
}

int kh_privileges_drop(bool with_users, struct kh_err *err)
{
        struct rlimit none = { 0, 0 };
        int r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
                return kh_fail(err, -errno, "give up privileges: %s", kh_strerror(errno));
        r = drop_capabilities(with_users);
        if (r < 0)
                return kh_fail(err, r, "drop capabilities: %s", kh_strerror(r));
        r = LOOKS_AT_ITSELF ? 0 : deny_system_calls();
        if (r < 0)
                return kh_fail(err, r, "deny system calls: %s", kh_strerror(r));
        return 0;
}
