/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/notify.h"

#include "base/cleanup.h"
#include "base/number.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { FIRST_HANDED_OVER = 3 }; /* SD_LISTEN_FDS_START */

void kh_notify(const char *state)
{
        struct kh_span path = kh_span_of(getenv("NOTIFY_SOCKET"));
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        kh_cleanup(kh_closep) int fd = -EBADF;

        if (path.n < 2 || path.n >= sizeof(address.sun_path))
                return;
        memcpy(address.sun_path, path.p, path.n);
        if (path.p[0] == '@')
                address.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                (const struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n));
}

static bool is_for_us(const char *variable)
{
        uint64_t pid;

        return kh_parse_u64(kh_span_of(getenv(variable)), INT32_MAX, &pid) &&
               (pid_t)pid == getpid();
}

uint64_t kh_notify_watchdog_ns(void)
{
        uint64_t us;

        if ((getenv("WATCHDOG_PID") && !is_for_us("WATCHDOG_PID")) ||
                !kh_parse_u64(kh_span_of(getenv("WATCHDOG_USEC")), UINT64_MAX / 1000, &us))
                return 0;
        return us * 1000 / 2; /* as sd_watchdog_enabled(3) advises */
}

int kh_notify_socket(const char *name)
{
        struct kh_span names = kh_span_of(getenv("LISTEN_FDNAMES"));
        uint64_t n;

        if (!is_for_us("LISTEN_PID") ||
                !kh_parse_u64(kh_span_of(getenv("LISTEN_FDS")), INT16_MAX, &n))
                return -ENOENT;
        for (int fd = FIRST_HANDED_OVER; fd < FIRST_HANDED_OVER + (int)n && names.p; fd++) {
                const char *colon = memchr(names.p, ':', names.n);
                struct kh_span first = { names.p, colon ? (size_t)(colon - names.p) : names.n };

                if (kh_span_eq(first, kh_span_of(name))) {
                        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
                        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
                        return fd;
                }
                names = colon ? kh_span_from(names, first.n + 1) : (struct kh_span){ 0 };
        }
        return -ENOENT;
}
