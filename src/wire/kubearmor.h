/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KubeArmor's own `container` object, filled as its hooks fill it: docs/kubearmor.md says which
 * member comes from what, and why. A container of no pod is named as its Podman hook and its Docker
 * handler name one, since policies match on nothing else.
 */
#pragma once

#include "wire/request.h"
#include "json/reader.h"
#include "json/writer.h"

/*
 * The object, as the last member of the request R: two closing braces still find room behind it.
 * Unless the detail is KH_REQUEST_WHOLE it has as many labels as fit, those that policies match
 * first, and is not `over` for the others.
 */
void kh_kubearmor_write(
        struct kh_buf *b, const struct kh_request *r, enum kh_request_detail detail);

/* Consumes the object into *C, but for its labels, whose text becomes *RET_LABELS. */
void kh_kubearmor_read(struct kh_json *j, struct kh_container *c, struct kh_span *ret_labels);

/*
 * What a container is called where nobody calls it anything is taken back, and LABELS, a text of
 * KubeArmor's form, become C's without those that only repeat its name. After the whole object.
 */
void kh_kubearmor_take_names(struct kh_container *c, struct kh_span labels);
