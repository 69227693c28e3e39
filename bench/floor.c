/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What any hook costs that waits for its answer: floor SOCKET SPIN_US MESSAGE connects, sends the
 * message, waits for "ok" and exits. It spins for SPIN_US microseconds before it sleeps.
 */
#include "base/clock.h"
#include "base/number.h"
#include "base/span.h"

#include <sys/socket.h>
#include <sys/un.h>

static ssize_t spin(int fd, char *answer, size_t cap, uint64_t until_ns)
{
        ssize_t n;

        do
                n = recv(fd, answer, cap, MSG_DONTWAIT);
        while (n < 0 && kh_boottime_ns() < until_ns);
        return n;
}

int main(int argc, char **argv)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char answer[8];
        uint64_t spin_us;
        ssize_t n = -1;
        int fd;

        if (argc != 4 || !kh_parse_u64(kh_span_of(argv[2]), 1000000, &spin_us) ||
                strlen(argv[1]) >= sizeof(address.sun_path))
                return 2;
        memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
                send(fd, argv[3], strlen(argv[3]), MSG_NOSIGNAL) < 0)
                return 1;
        if (spin_us)
                n = spin(fd, answer, sizeof(answer), kh_boottime_ns() + spin_us * 1000);
        if (n < 0)
                n = recv(fd, answer, sizeof(answer), 0);
        return n == 2 && memcmp(answer, "ok", 2) == 0 ? 0 : 1;
}
