/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time, as people and JSON read them: RFC 3339, UTC, nanoseconds. */
#pragma once

#include "hookd/inventory/inventory.h"

#include <stdint.h>

enum { KH_TIMESTAMP_SIZE = sizeof("2006-01-02T15:04:05.000000000Z") };

/* Nanoseconds since the epoch, into BUF, which is returned; always the same length. */
const char *kh_timestamp(char buf[KH_TIMESTAMP_SIZE], uint64_t real_ns);
const char *kh_timestamp_now(char buf[KH_TIMESTAMP_SIZE]);

uint64_t kh_realtime_ns(void);

/* CLOCK_BOOTTIME by way of the vDSO, which a program that reads it often gains from. */
uint64_t kh_clock_ns(void);

/* Both clocks, for the inventory, which reads none. */
struct kh_now kh_now(void);
