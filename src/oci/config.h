/* SPDX-License-Identifier: Apache-2.0 */
/* What a bundle's config.json says of its container (runtime-spec, config.md, config-linux.md). */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "wire/container.h"

/*
 * Larger ones are not read: the container is then told of by its state alone. No pod's author gets
 * there: a program has at most 2 MiB of arguments and environment, Kubernetes bounds annotations at
 * 256 KiB, which CRI-O repeats up to four times, and a byte may be written as seven ("\\u003c").
 */
enum { KH_OCI_CONFIG_MAX = 32 * 1024 * 1024 };

struct kh_oci_config_options {
        /* Where a bind mount's source leads, in PATH (of PATH_MAX); false when nobody can tell. */
        bool (*resolve)(struct kh_span source, char *path);
        /* Asked of every source, for links in it, at a look-up's price; else of those with "..". */
        bool resolve_all;
};

/*
 * Reads TEXT, which is changed, into C: process, root, namespaces, cgroup, confinement, mounted
 * runtime sockets, annotations. BUNDLE is what a relative root is relative to; SCRATCH takes paths
 * that are put together. Both, and TEXT, must live as long as C. -EBADMSG for what is no JSON
 * object; then C holds nothing of it.
 */
int kh_oci_read_config(char *text, size_t n, struct kh_span bundle, struct kh_buf *scratch,
        const struct kh_oci_config_options *options, struct kh_container *c, struct kh_err *err);
