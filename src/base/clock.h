/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines are absolute times of CLOCK_BOOTTIME in nanoseconds: a suspended machine does not
 * stretch them, and the clock's being set does not move them.
 */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define KH_NS_PER_MS 1000000ULL
#define KH_NS_PER_S  1000000000ULL

/*
 * The system call itself: in a static program that reads the clock a few times in its life, finding
 * the vDSO costs more than it saves.
 */
static inline uint64_t kh_boottime_ns(void)
{
        struct timespec now = { 0 };

        (void)syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &now);
        return (uint64_t)now.tv_sec * KH_NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t kh_left_ns(uint64_t deadline_ns)
{
        uint64_t now = kh_boottime_ns();

        return deadline_ns > now ? deadline_ns - now : 0;
}

static inline void kh_pause_ms(unsigned ms)
{
        const struct timespec length = { .tv_sec = ms / 1000,
                .tv_nsec = (long)(ms % 1000 * KH_NS_PER_MS) };

        (void)nanosleep(&length, NULL);
}

/* What poll() takes: rounded up, so that a wait never ends just before its deadline and spins. */
static inline int kh_left_ms(uint64_t deadline_ns)
{
        uint64_t ms = (kh_left_ns(deadline_ns) + KH_NS_PER_MS - 1) / KH_NS_PER_MS;

        return ms > INT_MAX ? INT_MAX : (int)ms;
}
