/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int kh_fail(struct kh_err *err, int code, const char *format, ...)
{
        va_list ap;

        if (!err)
                return code;
        err->code = code;
        va_start(ap, format);
        (void)vsnprintf(err->msg, sizeof(err->msg), format, ap);
        va_end(ap);
        return code;
}

const char *kh_strerror(int code)
{
        return strerror(code < 0 ? -code : code);
}
