/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One way to fail: a function returns a negative errno and, where its caller may want to tell a
 * person, fills a struct kh_err once, at the place that knows what failed. Only a program's main
 * prints it. The struct lives on the caller's stack, so the hook uses it as well.
 */
#pragma once

struct kh_err {
        int code; /* a negative errno, as returned */
        char msg[256];
};

/*
 * Fills ERR (may be NULL) from the format and returns CODE, a negative errno. The words of CODE are
 * not appended: the message says it in the user's terms, with kh_strerror() where that helps.
 */
__attribute__((format(printf, 3, 4))) int kh_fail(
        struct kh_err *err, int code, const char *format, ...);

/* The words of a negative errno; a constant string. */
const char *kh_strerror(int code);
