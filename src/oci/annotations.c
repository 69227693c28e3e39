/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/annotations.h"

#define CRI  "io.kubernetes.cri."
#define CRIO "io.kubernetes.cri-o."

#define KEY(literal)                                                                               \
        {                                                                                          \
                literal, sizeof(literal) - 1                                                       \
        }

/* What says who a container is, and in which dialect. */
static const struct kh_span identity_keys[] = {
        KEY(CRI "container-name"),
        KEY(CRI "container-type"),
        KEY(CRI "image-name"),
        KEY(CRI "podsandbox.image-name"),
        KEY(CRI "sandbox-id"),
        KEY(CRI "sandbox-name"),
        KEY(CRI "sandbox-namespace"),
        KEY(CRI "sandbox-uid"),
        KEY(CRIO "ContainerType"),
        KEY(CRIO "Image"),
        KEY(CRIO "ImageName"),
        KEY(CRIO "Labels"),
        KEY(CRIO "Name"),
        KEY(CRIO "SandboxID"),
        KEY("io.container.manager"),
        KEY("io.kubernetes.container.name"),
        KEY("io.kubernetes.docker.type"),
        KEY("io.kubernetes.pod.name"),
        KEY("io.kubernetes.pod.namespace"),
        KEY("io.kubernetes.pod.uid"),
        KEY("io.kubernetes.sandbox.id"),
};

static bool is_identity(struct kh_span key)
{
        for (size_t i = 0; i < sizeof(identity_keys) / sizeof(identity_keys[0]); i++) {
                if (kh_span_eq(key, identity_keys[i]))
                        return true;
        }
        return false;
}

/*
 * A pod's author may give it more annotations than there is room for, and name them so that the
 * runtime's own come behind: these take the place of others, or the pod would be nobody's.
 */
static void add_pair(struct kh_pairs *pairs, struct kh_span key, struct kh_span value)
{
        unsigned i = pairs->n == KH_MAX_PAIRS && is_identity(key) ? pairs->n : 0;

        while (i > 0 && is_identity(pairs->v[i - 1].key) && !kh_span_eq(pairs->v[i - 1].key, key))
                i--;
        if (i == 0) {
                kh_pairs_add(pairs, key, value);
                return;
        }
        pairs->v[i - 1] = (struct kh_pair){ key, value };
        pairs->dropped++;
}

void kh_oci_read_annotations(struct kh_json *j, struct kh_pairs *pairs)
{
        struct kh_span key, value;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                if (kh_json_string(j, &value))
                        add_pair(pairs, key, value);
        }
}

void kh_oci_read_annotations_text(struct kh_span text, struct kh_pairs *pairs)
{
        /* It lies in the buffer that a document was read into, which is ours to change. */
        struct kh_json j = kh_json_of((char *)text.p, text.n);

        if (text.n)
                kh_oci_read_annotations(&j, pairs);
}

static bool has_part(struct kh_span s, struct kh_span part)
{
        return s.n && memmem(s.p, s.n, part.p, part.n) != NULL;
}

static enum kh_dialect dialect_of_keys(const struct kh_pairs *annotations)
{
        struct kh_span manager = kh_pairs_get(annotations, KH_SPAN("io.container.manager"));
        bool podman = kh_span_eq(manager, KH_SPAN("libpod"));
        bool crio = kh_span_eq(manager, KH_SPAN("cri-o")) ||
                    (!podman && kh_pairs_get(annotations, KH_SPAN(CRIO "ContainerType")).p);
        bool containerd = kh_pairs_get(annotations, KH_SPAN(CRI "container-type")).p;
        bool docker = kh_pairs_get(annotations, KH_SPAN("io.kubernetes.docker.type")).p;

        if (podman + crio + containerd + docker > 1)
                return KH_DIALECT_AMBIGUOUS;
        if (podman)
                return KH_DIALECT_PODMAN;
        if (crio)
                return KH_DIALECT_CRIO;
        if (containerd)
                return KH_DIALECT_CONTAINERD;
        return docker ? KH_DIALECT_DOCKER : KH_DIALECT_NONE;
}

enum kh_dialect kh_oci_dialect(struct kh_span bundle, const struct kh_pairs *annotations)
{
        struct kh_span manager;

        if (has_part(bundle, KH_SPAN("/io.containerd.runtime.v2.task/moby/")))
                return KH_DIALECT_DOCKER;
        if (has_part(bundle, KH_SPAN("/io.containerd.runtime.v2.task/")))
                return KH_DIALECT_CONTAINERD;
        if (!has_part(bundle, KH_SPAN("-containers/")) ||
                !kh_span_ends(bundle, KH_SPAN("/userdata")))
                return dialect_of_keys(annotations);
        /*
         * CRI-O and Podman share the store's layout; each overwrites this key on every container.
         */
        manager = kh_pairs_get(annotations, KH_SPAN("io.container.manager"));
        return kh_span_eq(manager, KH_SPAN("cri-o")) ? KH_DIALECT_CRIO : KH_DIALECT_PODMAN;
}

static void take(const struct kh_pairs *pairs, struct kh_span key, struct kh_span *ret)
{
        struct kh_span value = kh_pairs_get(pairs, key);

        if (value.n)
                *ret = value;
}

static void take_type(const struct kh_pairs *pairs, struct kh_span key, struct kh_span sandbox,
        struct kh_container *c)
{
        struct kh_span value = kh_pairs_get(pairs, key);

        if (value.n)
                c->type = kh_span_eq(value, sandbox) ? KH_TYPE_SANDBOX : KH_TYPE_CONTAINER;
}

static void identify_containerd(struct kh_container *c)
{
        const struct kh_pairs *a = &c->annotations;

        take_type(a, KH_SPAN(CRI "container-type"), KH_SPAN("sandbox"), c);
        take(a, KH_SPAN(CRI "sandbox-name"), &c->pod_name);
        take(a, KH_SPAN(CRI "sandbox-namespace"), &c->pod_namespace);
        take(a, KH_SPAN(CRI "sandbox-uid"), &c->pod_uid);
        take(a, KH_SPAN(CRI "sandbox-id"), &c->sandbox_id);
        take(a, KH_SPAN(CRI "container-name"), &c->name);
        take(a, KH_SPAN(CRI "podsandbox.image-name"), &c->image);
        take(a, KH_SPAN(CRI "image-name"), &c->image);
}

/* The kubelet's labels, which CRI-O repeats as annotations and cri-dockerd keeps as labels. */
static void identify_kubelet(struct kh_container *c, const struct kh_pairs *pairs)
{
        take(pairs, KH_SPAN("io.kubernetes.pod.name"), &c->pod_name);
        take(pairs, KH_SPAN("io.kubernetes.pod.namespace"), &c->pod_namespace);
        take(pairs, KH_SPAN("io.kubernetes.pod.uid"), &c->pod_uid);
        take(pairs, KH_SPAN("io.kubernetes.container.name"), &c->name);
}

/*
 * An annotation that holds a JSON object of strings; read from a copy, for it is reported as well.
 */
static void read_labels(struct kh_span text, struct kh_pairs *labels, struct kh_buf *scratch)
{
        struct kh_span copy = { scratch->p + scratch->len, text.n };

        kh_buf_span(scratch, text);
        if (!scratch->over)
                kh_oci_read_annotations_text(copy, labels);
}

/* What the kubelet and CRI-O call a sandbox; Kubernetes lets no container be named so. */
static bool is_named_sandbox(const struct kh_container *c)
{
        return kh_span_eq(c->name, KH_SPAN("POD"));
}

static struct kh_span take_part(struct kh_span *rest)
{
        const char *end = memchr(rest->p, '_', rest->n);
        size_t n = end ? (size_t)(end - rest->p) : rest->n;
        struct kh_span part = { rest->p, n };

        *rest = kh_span_from(*rest, end ? n + 1 : n);
        return part;
}

/*
 * The kubelet's labels are on the kubelet's containers only. What any client of the CRI calls a
 * container CRI-O keeps as k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT. Kubernetes allows no underscore
 * in a part: a name with more of them tells nothing.
 */
static void identify_by_crio_name(struct kh_container *c)
{
        struct kh_span rest = kh_pairs_get(&c->annotations, KH_SPAN(CRIO "Name"));
        unsigned separators = 0;

        for (size_t i = 0; i < rest.n; i++)
                separators += rest.p[i] == '_';
        if (separators != 5 || !kh_span_eq(take_part(&rest), KH_SPAN("k8s")))
                return;
        c->name = take_part(&rest);
        c->pod_name = take_part(&rest);
        c->pod_namespace = take_part(&rest);
        c->pod_uid = take_part(&rest);
}

/*
 * In a sandbox's annotations those of the pod, which its creator chooses, take the place of CRI-O's
 * own, though not of its labels.
 */
static void identify_crio(struct kh_container *c, struct kh_buf *scratch)
{
        const struct kh_pairs *a = &c->annotations;

        identify_kubelet(c, a);
        take(a, KH_SPAN(CRIO "ImageName"), &c->image);
        take(a, KH_SPAN(CRIO "Image"), &c->image);
        read_labels(kh_pairs_get(a, KH_SPAN(CRIO "Labels")), &c->labels, scratch);
        if (is_named_sandbox(c)) {
                c->name = (struct kh_span){ 0 };
                c->type = KH_TYPE_SANDBOX;
                c->sandbox_id = c->id;
                return;
        }
        take_type(a, KH_SPAN(CRIO "ContainerType"), KH_SPAN("sandbox"), c);
        take(a, KH_SPAN(CRIO "SandboxID"), &c->sandbox_id);
        identify_by_crio_name(c);
}

/* Podman borrows some of CRI-O's keys for the members of its pods. */
static void identify_podman(struct kh_container *c)
{
        take_type(&c->annotations, KH_SPAN(CRIO "ContainerType"), KH_SPAN("sandbox"), c);
        take(&c->annotations, KH_SPAN(CRIO "SandboxID"), &c->sandbox_id);
}

static void identify_docker(struct kh_container *c, const struct kh_pairs *pairs)
{
        identify_kubelet(c, pairs);
        take_type(pairs, KH_SPAN("io.kubernetes.docker.type"), KH_SPAN("podsandbox"), c);
        take(pairs, KH_SPAN("io.kubernetes.sandbox.id"), &c->sandbox_id);
        if (c->type == KH_TYPE_SANDBOX) {
                c->sandbox_id = c->id;
                if (is_named_sandbox(c))
                        c->name = (struct kh_span){ 0 };
        }
}

void kh_oci_identify(struct kh_container *c, enum kh_dialect dialect, struct kh_buf *scratch)
{
        switch (dialect) {
        case KH_DIALECT_CONTAINERD:
                identify_containerd(c);
                break;
        case KH_DIALECT_CRIO:
                identify_crio(c, scratch);
                break;
        case KH_DIALECT_PODMAN:
                identify_podman(c);
                break;
        case KH_DIALECT_DOCKER:
                identify_docker(c, &c->annotations);
                identify_docker(c, &c->labels);
                break;
        case KH_DIALECT_NONE:
                identify_kubelet(c, &c->annotations);
                break;
        case KH_DIALECT_AMBIGUOUS:
                break;
        }
}
