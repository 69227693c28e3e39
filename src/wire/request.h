/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request of the hook socket: KubeArmor's HookRequest with one more key, `oci`, of ours
 * (docs/protocol.md, "The hook socket").
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "wire/container.h"

enum {
        /*
         * What KubeArmor's listener reads at once, and so the most that is ever sent in a stream.
         */
        KH_REQUEST_STREAM_MAX = 4096,
        /* What our listener takes, whole, from a stream or a memfd; a spool file's size as well. */
        KH_REQUEST_MAX = 1024 * 1024,
        KH_ID_MAX = 255, /* NAME_MAX */
};

/* The id of the delete that ends a snapshot; no container's. */
#define KH_RESERVED_ID KH_SPAN("kubearmor-hook.none")

enum kh_operation { KH_OP_CREATE = 0, KH_OP_DELETE = 1 };

struct kh_request {
        enum kh_operation operation;
        bool detached;            /* part of a snapshot: the container ran before */
        bool running;             /* its own process runs */
        bool test;                /* a probe of the set-up: answered, never taken in */
        uint64_t duration_us;     /* the hook's life so far; 0 when unknown */
        struct kh_span node_name; /* the host's; said to KubeArmor, which alone reads it */
        struct kh_container container;
};

enum kh_request_detail {
        KH_REQUEST_WHOLE,
        /* `oci` without labels and annotations, saying that it is cut; those labels that fit. */
        KH_REQUEST_BOUNDED,
        KH_REQUEST_IDENTITY, /* KubeArmor's `container` alone, with those labels that fit */
        /* The same without long names; it fits into KH_REQUEST_STREAM_MAX bytes. */
        KH_REQUEST_SHORT,
};

void kh_request_write(struct kh_buf *b, const struct kh_request *r, enum kh_request_detail detail);

/*
 * Reads one request from TEXT, which is changed, and to which the spans in *RET point. -EBADMSG for
 * what is no JSON object, -EINVAL for one that lacks a usable id or operation.
 */
int kh_request_read(char *text, size_t n, struct kh_request *ret, struct kh_err *err);

/*
 * Whether an id may be one: the name of a directory, which is what it is to every runtime. crun
 * allows any byte but '/'; runc and containerd allow less.
 */
bool kh_container_id_is_valid(struct kh_span id);
