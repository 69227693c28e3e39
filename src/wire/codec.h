/* SPDX-License-Identifier: Apache-2.0 */
/* A container as JSON: the object of docs/protocol.md, "The container object". */
#pragma once

#include "wire/container.h"
#include "json/reader.h"
#include "json/writer.h"

enum kh_members {
        KH_MEMBERS_ALL,
        /* Without those that KubeArmor's own `container` object carries beside it in a request. */
        KH_MEMBERS_BEYOND_KUBEARMOR,
        /* Of those, without labels and annotations, whose size has no bound. */
        KH_MEMBERS_BOUNDED,
};

/* Writes the members, without the braces around them, so that a caller can add its own. */
void kh_container_write(struct kh_buf *b, const struct kh_container *c, enum kh_members which);

/*
 * Consumes the value of a member if KEY is one of the container object's, into *C: false when it is
 * none, and nothing was consumed. Spans point into the text behind J.
 */
bool kh_container_read_member(struct kh_json *j, struct kh_span key, struct kh_container *c);

/* The same of `uid` and `gid` alone, which a configuration has too. */
bool kh_container_read_ids(struct kh_json *j, struct kh_span key, struct kh_container *c);
