/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/log.h"

#include "base/clock.h"
#include "hookd/timestamp.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
        LINE_MAX_BYTES = 1024, /* below PIPE_BUF: lines of several writers do not mix */
        BURST = 200,           /* lines at once, */
        PER_SECOND = 20,       /* and in the long run: a node's start-up is told, a storm is not */
};

static bool for_journal;
static unsigned tokens = BURST;
static uint64_t refilled_ns;
static unsigned suppressed;

void kh_log_init(void)
{
        for_journal = getenv("JOURNAL_STREAM") != NULL;
}

static void refill(void)
{
        uint64_t now = kh_clock_ns();
        uint64_t more = (now - refilled_ns) * PER_SECOND / KH_NS_PER_S;

        if (more == 0)
                return;
        refilled_ns = now;
        tokens = more > BURST - tokens ? BURST : tokens + (unsigned)more;
}

bool kh_log_wants(int level)
{
        if (tokens == 0)
                refill();
        if (tokens || level <= LOG_ERR)
                return true;
        suppressed++;
        return false;
}

static const char *level_name(int level)
{
        switch (level) {
        case LOG_ERR:
                return "error";
        case LOG_WARNING:
                return "warning";
        case LOG_NOTICE:
                return "notice";
        default:
                return "info";
        }
}

__attribute__((format(printf, 2, 0))) static void put(int level, const char *format, va_list ap)
{
        char line[LINE_MAX_BYTES], time[KH_TIMESTAMP_SIZE];
        struct pollfd err = { .fd = STDERR_FILENO, .events = POLLOUT };
        size_t cap = sizeof(line) - 1;
        int head, n;

        if (for_journal)
                head = snprintf(line, cap, "<%d>", level);
        else
                head = snprintf(line, cap, "%s %s ", kh_timestamp_now(time), level_name(level));
        n = vsnprintf(line + head, cap - (size_t)head, format, ap);
        if (n < 0)
                return;
        n = head + n >= (int)cap ? (int)cap - 1 : head + n;
        line[n++] = '\n';
        /* A pipe that polls as writable takes PIPE_BUF bytes without a wait. */
        if (poll(&err, 1, 0) != 1 || write(STDERR_FILENO, line, (size_t)n) < 0)
                suppressed++;
}

__attribute__((format(printf, 2, 3))) static void put_line(int level, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        put(level, format, ap);
        va_end(ap);
}

void kh_log(int level, const char *format, ...)
{
        va_list ap;

        if (!kh_log_wants(level))
                return;
        if (tokens)
                tokens--;
        if (suppressed) {
                unsigned n = suppressed;

                suppressed = 0;
                put_line(LOG_WARNING, "log lines suppressed count=%u", n);
        }
        va_start(ap, format);
        put(level, format, ap);
        va_end(ap);
}

const char *kh_log_value(char buf[KH_LOG_VALUE], struct kh_span s)
{
        static const char hex[] = "0123456789abcdef";
        size_t at = 1;
        bool quote = s.n == 0;

        for (size_t i = 0; i < s.n && at < KH_LOG_VALUE - 8; i++) {
                unsigned char c = (unsigned char)s.p[i];

                if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
                        buf[at++] = '\\';
                        buf[at++] = 'x';
                        buf[at++] = hex[c >> 4];
                        buf[at++] = hex[c & 15];
                } else {
                        buf[at++] = (char)c;
                }
                quote |= c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=';
        }
        if (!quote) {
                buf[at] = '\0';
                return buf + 1;
        }
        buf[0] = '"';
        buf[at++] = '"';
        buf[at] = '\0';
        return buf;
}
