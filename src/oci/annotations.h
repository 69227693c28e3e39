/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identity from annotations: who the pod, the container and its image are, in the dialect of
 * whoever drives the runtime. The keys are listed, with their sources, in docs/identity.md.
 */
#pragma once

#include "base/buf.h"
#include "wire/container.h"
#include "json/reader.h"

enum kh_dialect {
        KH_DIALECT_NONE,       /* a plain runtime: no pod, no names */
        KH_DIALECT_CONTAINERD, /* containerd's CRI plugin: containerd, k3s, RKE2, ... */
        KH_DIALECT_CRIO,
        KH_DIALECT_PODMAN,
        KH_DIALECT_DOCKER,    /* with cri-dockerd or without */
        KH_DIALECT_AMBIGUOUS, /* keys of two: one of them was forged, so none is believed */
};

/*
 * The annotations object that comes next, appended to PAIRS; a value that is no string is left out.
 */
void kh_oci_read_annotations(struct kh_json *j, struct kh_pairs *pairs);

/* The same of TEXT, one that stands for itself; it is changed. */
void kh_oci_read_annotations_text(struct kh_span text, struct kh_pairs *pairs);

/*
 * Which one wrote them. The bundle's path, which only the runtime chooses, decides where it has a
 * form of its own; otherwise the keys do.
 */
enum kh_dialect kh_oci_dialect(struct kh_span bundle, const struct kh_pairs *annotations);

/*
 * Fills pod, name, image, type and labels of C from its annotations and, for Docker, its labels.
 * SCRATCH takes a copy of an annotation that is JSON itself, and must live as long as C.
 */
void kh_oci_identify(struct kh_container *c, enum kh_dialect dialect, struct kh_buf *scratch);
