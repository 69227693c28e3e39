/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd and its like expect of a service: readiness, a watchdog, sockets handed over. */
#pragma once

#include <stdint.h>

/* Sends STATE to $NOTIFY_SOCKET, if there is one; nobody is waited for. */
void kh_notify(const char *state);

/* How often "WATCHDOG=1" is due, in nanoseconds; 0 when nobody watches. */
uint64_t kh_notify_watchdog_ns(void);

/*
 * The descriptor that was handed over under NAME (sd_listen_fds(3)), close-on-exec and non-blocking
 * now, or -ENOENT.
 */
int kh_notify_socket(const char *name);
