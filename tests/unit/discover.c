/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discover [HOST-ROOT]: prints what the discovery room finds, one JSON object a line, for the tests
 * on real runtimes.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/root.h"
#include "discovery/discovery.h"
#include "wire/codec.h"

#include <stdio.h>

static const char *const finding_name[] = {
        [KH_FOUND_NOTHING] = "nothing",
        [KH_FOUND_CONTAINER] = "container",
        [KH_FOUND_YOUNG] = "young",
        [KH_FOUND_UNKNOWN] = "unknown",
};

static void print(void *arg, struct kh_found *found)
{
        static char text[4 * 1024 * 1024];
        struct kh_buf b = kh_buf_of(text, sizeof(text));

        (void)arg;
        kh_json_open(&b, '{');
        kh_json_put_str_member(&b, KH_SPAN("finding"), kh_span_of(finding_name[found->finding]));
        kh_json_put_str_member(&b, KH_SPAN("place"), found->place->path);
        if (found->started != KH_UNKNOWN)
                kh_json_put_bool_member(&b, KH_SPAN("started"), found->started == KH_YES);
        kh_json_put_bool_member(&b, KH_SPAN("pidfd"), found->pidfd >= 0);
        if (found->err.code)
                kh_json_put_str_member(&b, KH_SPAN("error"), kh_span_of(found->err.msg));
        kh_json_put_key(&b, KH_SPAN("container"));
        kh_json_open(&b, '{');
        kh_container_write(&b, &found->container, KH_MEMBERS_ALL);
        kh_json_close(&b, '}');
        kh_json_close(&b, '}');
        kh_buf_char(&b, '\n');
        if (b.over || kh_write_all(STDOUT_FILENO, b.p, b.len) < 0)
                exit(1);
}

int main(int argc, char **argv)
{
        static struct kh_discovery_room room;
        const char *root = argc > 1 ? argv[1] : "/";
        struct kh_host host = { .root = KH_OWN_ROOT, .cgroupfs = "/sys/fs/cgroup" };
        struct kh_discovery d;

        if (argc > 1)
                host.root.dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        host.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if ((argc > 1 && host.root.dir < 0) || host.proc < 0) {
                perror(root);
                return 1;
        }
        kh_discovery_init(&d, &host, kh_default_places, KH_DEFAULT_PLACES, &room);
        kh_discovery_scan(&d, print, NULL);
        return 0;
}
