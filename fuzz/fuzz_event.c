/* SPDX-License-Identifier: Apache-2.0 */
/* A line of the events socket, as the client library reads it. */
#include "client/event.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct kh_event_room room;
        struct kh_err err = { 0 };
        char *line = malloc(size + 1);
        int r;

        fuzz_require(line);
        if (size)
                memcpy(line, data, size);
        line[size] = '\0';
        r = kh_event_read(&room, (struct kh_span){ line, size }, &err);
        fuzz_require(r < 0 ? err.msg[0] != '\0' : r <= 1);
        free(line);
        return 0;
}
