/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/privileges.h"

#include <errno.h>
#include <linux/capability.h>
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
static int drop_capabilities(void)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

        for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
                (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
                data[i].permitted &= i == 0 ? 1U << CAP_SYS_PTRACE : 0;
                data[i].effective = data[i].permitted;
                data[i].inheritable = 0;
        }
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int kh_privileges_drop(struct kh_err *err)
{
        struct rlimit none = { 0, 0 };
        int r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
                return kh_fail(err, -errno, "give up privileges: %s", kh_strerror(errno));
        r = drop_capabilities();
        if (r < 0)
                return kh_fail(err, r, "drop capabilities: %s", kh_strerror(r));
        return 0;
}
