/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/timestamp.h"

#include "base/clock.h"

#include <string.h>

enum { UP_TO_SECONDS = sizeof("2006-01-02T15:04:05") - 1 };

const char *kh_timestamp(char buf[KH_TIMESTAMP_SIZE], uint64_t real_ns)
{
        /* Most calls are about the second that the last one was about. */
        static char last[UP_TO_SECONDS + 1];
        static time_t last_second = -1;
        time_t second = (time_t)(real_ns / KH_NS_PER_S);
        uint64_t ns = real_ns % KH_NS_PER_S;

        if (second != last_second) {
                struct tm tm;

                gmtime_r(&second, &tm);
                strftime(last, sizeof(last), "%Y-%m-%dT%H:%M:%S", &tm);
                last_second = second;
        }
        memcpy(buf, last, UP_TO_SECONDS);
        buf[UP_TO_SECONDS] = '.';
        for (int i = UP_TO_SECONDS + 9; i > UP_TO_SECONDS; i--) {
                buf[i] = (char)('0' + ns % 10);
                ns /= 10;
        }
        buf[UP_TO_SECONDS + 10] = 'Z';
        buf[UP_TO_SECONDS + 11] = '\0';
        return buf;
}

const char *kh_timestamp_now(char buf[KH_TIMESTAMP_SIZE])
{
        return kh_timestamp(buf, kh_realtime_ns());
}

static uint64_t read_clock(clockid_t clock)
{
        struct timespec now = { 0 };

        clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * KH_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t kh_realtime_ns(void)
{
        return read_clock(CLOCK_REALTIME);
}

uint64_t kh_clock_ns(void)
{
        return read_clock(CLOCK_BOOTTIME);
}

struct kh_now kh_now(void)
{
        return (struct kh_now){ .boot_ns = kh_clock_ns(), .real_ns = kh_realtime_ns() };
}
