/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and images that engines keep outside the specification, in files of their own that are
 * found from the bundle: Podman's containers.json, Docker's config.v2.json (cri-dockerd's as well).
 */
#pragma once

#include "base/buf.h"
#include "oci/annotations.h"
#include "oci/storage.h"

/*
 * Larger files are not read: the names then stay absent. Docker's has the arguments and the
 * environment of its container, at most 2 MiB, of which a byte may be written as six ("\u003c").
 */
enum { KH_METADATA_MAX = 16 * 1024 * 1024 };

struct kh_metadata {
        char *text;                 /* of KH_METADATA_MAX, for a file; NULL: none is read */
        struct kh_storage *storage; /* for whoever asks of many containers; else NULL */
};

/*
 * Who C is, once its bundle, rootfs and annotations are known: the dialect, which is returned, what
 * such a file of its engine's below ROOT (base/root.h) adds, and kh_oci_identify(). Spans of C then
 * point into METADATA and SCRATCH. What cannot be read is left out.
 */
enum kh_dialect kh_oci_complete(struct kh_root root, struct kh_container *c,
        const struct kh_metadata *metadata, struct kh_buf *scratch);
