/* SPDX-License-Identifier: Apache-2.0 */
/*
 * old-kernel VERSION PROGRAM [ARGUMENT...]: executes PROGRAM, to which the kernel answers as one of
 * that version would where the listener has another way.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define PIDFD_IOCTLS 0xff00

static const struct {
        unsigned since; /* major * 1000 + minor */
        int call, error;
        struct scmp_arg_cmp only; /* op 0: always */
} news[] = {
        { 5003, SCMP_SYS(pidfd_open), ENOSYS, { 0 } },
        { 5006, SCMP_SYS(openat2), ENOSYS, { 0 } },
        { 5009, SCMP_SYS(close_range), ENOSYS, { 0 } },
        { 5009, SCMP_SYS(fanotify_init), EINVAL,
                { 0, SCMP_CMP_MASKED_EQ, FAN_REPORT_NAME, FAN_REPORT_NAME } },
        { 5013, SCMP_SYS(fanotify_mark), ENODEV, { 0 } }, /* of a tmpfs */
        { 6005, SCMP_SYS(getsockopt), ENOPROTOOPT, { 2, SCMP_CMP_EQ, SO_PEERPIDFD, 0 } },
        { 6011, SCMP_SYS(ioctl), ENOTTY, { 1, SCMP_CMP_MASKED_EQ, 0xfffff0f0, PIDFD_IOCTLS } },
        /* PIDFD_GET_INFO, whatever the size of its structure. */
        { 6013, SCMP_SYS(ioctl), ENOTTY, { 1, SCMP_CMP_MASKED_EQ, 0xffff, PIDFD_IOCTLS | 11 } },
};

static int forget(unsigned long version)
{
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        int r = filter ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < sizeof(news) / sizeof(news[0]); i++) {
                if (news[i].since > version)
                        r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(news[i].error),
                                news[i].call, news[i].only.op ? 1 : 0, &news[i].only);
        }
        if (r == 0)
                r = seccomp_load(filter);
        seccomp_release(filter);
        return r;
}

/* "5.4" as 5004; 0 for what is no version. */
static unsigned long version_of(const char *text)
{
        char *end;
        unsigned long major = strtoul(text, &end, 10);

        return *end == '.' ? major * 1000 + strtoul(end + 1, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
        unsigned long version = argc > 2 ? version_of(argv[1]) : 0;
        int r;

        if (!version) {
                fprintf(stderr, "usage: old-kernel VERSION PROGRAM [ARGUMENT...]\n");
                return 2;
        }
        r = forget(version);
        if (r < 0) {
                fprintf(stderr, "old-kernel: seccomp: %s\n", strerror(-r));
                return 1;
        }
        execv(argv[2], argv + 2);
        perror(argv[2]);
        return 1;
}
