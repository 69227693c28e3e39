/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and images that engines keep outside the specification, in files of their own that are
 * found from the bundle: Podman's containers.json, Docker's config.v2.json (cri-dockerd's as well).
 */
#pragma once

#include "base/buf.h"
#include "oci/annotations.h"

/* Larger files are not read: the names then stay absent. */
enum { KH_METADATA_MAX = 4 * 1024 * 1024 };

/*
 * Fills name, image and labels of C, whose id, bundle and rootfs are known. BUF, of
 * KH_METADATA_MAX, takes a file's text; spans of C point into it. What cannot be read is left out.
 */
void kh_oci_read_metadata(struct kh_container *c, enum kh_dialect dialect, char *buf);
