/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/metadata.h"

#include <limits.h>

/* The file DIRECTORY + NAME, whole, in BUF; 0 bytes when it cannot be read. */
static size_t read_beside(struct kh_root root, struct kh_span directory, struct kh_span middle,
        struct kh_span name, char *buf)
{
        char path[PATH_MAX];
        struct kh_buf b = kh_buf_of(path, sizeof(path));
        size_t n;

        kh_buf_span(&b, directory);
        kh_buf_span(&b, middle);
        kh_buf_span(&b, name);
        if (!kh_buf_terminate(&b) || kh_root_read_file(root, path, buf, KH_METADATA_MAX, &n) < 0)
                return 0;
        return n;
}

/* The bundle is STORE/DRIVER-containers/ID/userdata. */
static void read_podman(
        struct kh_root root, struct kh_container *c, const struct kh_metadata *metadata)
{
        struct kh_span store = c->bundle;

        for (int up = 0; up < 2; up++) {
                const char *slash = store.n ? memrchr(store.p, '/', store.n) : NULL;

                if (!slash)
                        return;
                store.n = (size_t)(slash - store.p);
        }
        if (metadata->storage)
                kh_storage_look_up(metadata->storage, root, store, c);
        else if (metadata->text)
                kh_storage_read(root, store, metadata->text, c);
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

static void read_docker(struct kh_root root, struct kh_container *c, char *buf)
{
        char middle[300]; /* "/containers/" and an id */
        struct kh_buf b = kh_buf_of(middle, sizeof(middle));
        struct kh_json j;
        struct kh_span key, name = { 0 };

        kh_buf_lit(&b, "/containers/");
        kh_buf_span(&b, c->id);
        j = kh_json_of(buf, read_beside(root, docker_root(c), kh_buf_view(&b),
                                    KH_SPAN("/config.v2.json"), buf));
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

enum kh_dialect kh_oci_complete(struct kh_root root, struct kh_container *c,
        const struct kh_metadata *metadata, struct kh_buf *scratch)
{
        enum kh_dialect dialect = kh_oci_dialect(c->bundle, &c->annotations);

        if (dialect == KH_DIALECT_PODMAN)
                read_podman(root, c, metadata);
        else if (dialect == KH_DIALECT_DOCKER && metadata->text)
                read_docker(root, c, metadata->text);
        kh_oci_identify(c, dialect, scratch);
        return dialect;
}
