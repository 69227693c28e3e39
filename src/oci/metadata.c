/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/metadata.h"

#include "base/io.h"

#include <fcntl.h>
#include <limits.h>

/* The file DIRECTORY + NAME, whole, in BUF; 0 bytes when it cannot be read. */
static size_t read_beside(
        struct kh_span directory, struct kh_span middle, struct kh_span name, char *buf, size_t cap)
{
        char path[PATH_MAX];
        struct kh_buf b = kh_buf_of(path, sizeof(path));
        size_t n;

        kh_buf_span(&b, directory);
        kh_buf_span(&b, middle);
        kh_buf_span(&b, name);
        if (!kh_buf_terminate(&b) || kh_read_file(AT_FDCWD, path, buf, cap, &n) < 0)
                return 0;
        return n;
}

/* What storage keeps as a string that is JSON itself: {"image-name":...,"name":...}. */
static void read_storage_metadata(struct kh_span text, struct kh_container *c)
{
        struct kh_json j = kh_json_of((char *)text.p, text.n);
        struct kh_span key;

        if (!kh_json_enter_object(&j))
                return;
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("image-name")))
                        kh_json_string(&j, &c->image);
                else if (kh_span_eq(key, KH_SPAN("name")))
                        kh_json_string(&j, &c->name);
                else
                        kh_json_skip(&j);
        }
}

/* One element of containers.json: whether it is C's. */
static bool read_storage_container(struct kh_json *j, struct kh_container *c)
{
        struct kh_span key, id = { 0 }, metadata = { 0 };

        if (!kh_json_enter_object(j))
                return false;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("id")))
                        kh_json_string(j, &id);
                else if (kh_span_eq(key, KH_SPAN("metadata")))
                        kh_json_string(j, &metadata);
                else
                        kh_json_skip(j);
        }
        if (!kh_span_eq(id, c->id))
                return false;
        read_storage_metadata(metadata, c);
        return true;
}

static bool find_in_storage(char *text, size_t n, struct kh_container *c)
{
        struct kh_json j = kh_json_of(text, n);

        if (n == 0 || !kh_json_enter_array(&j))
                return false;
        while (kh_json_element(&j)) {
                if (read_storage_container(&j, c))
                        return true;
        }
        return false;
}

/* The bundle is STORE/DRIVER-containers/ID/userdata; the files lie in the first two. */
static void read_podman(struct kh_container *c, char *buf)
{
        struct kh_span store = c->bundle;

        for (int up = 0; up < 2; up++) {
                const char *slash = store.n ? memrchr(store.p, '/', store.n) : NULL;

                if (!slash)
                        return;
                store.n = (size_t)(slash - store.p);
        }
        /* `podman run --rm` keeps its container in the second. */
        if (!find_in_storage(buf,
                    read_beside(
                            store, KH_SPAN("/"), KH_SPAN("containers.json"), buf, KH_METADATA_MAX),
                    c))
                find_in_storage(buf,
                        read_beside(store, KH_SPAN("/"), KH_SPAN("volatile-containers.json"), buf,
                                KH_METADATA_MAX),
                        c);
}

static void read_docker_config(struct kh_json *j, struct kh_container *c)
{
        struct kh_span key;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("Image")))
                        kh_json_string(j, &c->image);
                else if (kh_span_eq(key, KH_SPAN("Labels")))
                        kh_oci_read_annotations(j, &c->labels);
                else
                        kh_json_skip(j);
        }
}

/* Where Docker keeps everything: what comes before the storage driver's part of the rootfs. */
static struct kh_span docker_root(const struct kh_container *c)
{
        static const struct kh_span drivers[] = {
                { "/overlay2/", 10 },
                { "/vfs/", 5 },
                { "/fuse-overlayfs/", 16 },
                { "/btrfs/", 7 },
                { "/zfs/", 5 },
                { "/rootfs/", 8 },
        };

        for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]) && c->rootfs.n; i++) {
                const char *at = memmem(c->rootfs.p, c->rootfs.n, drivers[i].p, drivers[i].n);

                if (at && at > c->rootfs.p)
                        return (struct kh_span){ c->rootfs.p, (size_t)(at - c->rootfs.p) };
        }
        return KH_SPAN("/var/lib/docker");
}

static void read_docker(struct kh_container *c, char *buf)
{
        char middle[300]; /* "/containers/" and an id */
        struct kh_buf b = kh_buf_of(middle, sizeof(middle));
        struct kh_json j;
        struct kh_span key, name = { 0 };

        kh_buf_lit(&b, "/containers/");
        kh_buf_span(&b, c->id);
        j = kh_json_of(buf, read_beside(docker_root(c), kh_buf_view(&b), KH_SPAN("/config.v2.json"),
                                    buf, KH_METADATA_MAX));
        if (j.p == j.end || !kh_json_enter_object(&j))
                return;
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("Name")))
                        kh_json_string(&j, &name);
                else if (kh_span_eq(key, KH_SPAN("Config")))
                        read_docker_config(&j, c);
                else
                        kh_json_skip(&j);
        }
        if (name.n > 1)
                c->name = name.p[0] == '/' ? kh_span_from(name, 1) : name;
}

void kh_oci_read_metadata(struct kh_container *c, enum kh_dialect dialect, char *buf)
{
        if (dialect == KH_DIALECT_PODMAN)
                read_podman(c, buf);
        else if (dialect == KH_DIALECT_DOCKER)
                read_docker(c, buf);
}
