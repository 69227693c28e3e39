/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/config.h"

#include "oci/annotations.h"
#include "oci/runtime_socket.h"
#include "wire/codec.h"
#include "json/reader.h"

#include <errno.h>
#include <limits.h>

/* What is kept while reading, to be judged together at the end. */
struct reading {
        struct kh_container *c;
        const struct kh_oci_config_options *options;
        struct kh_span root;
        uint8_t own, joined; /* namespaces listed without and with a path, as bits */
        unsigned capabilities;
        unsigned hidden_paths; /* masked and read-only ones */
        bool linux_seen;
};

static unsigned count_elements(struct kh_json *j)
{
        unsigned n = 0;

        if (!kh_json_enter_array(j))
                return 0;
        while (kh_json_element(j)) {
                kh_json_skip(j);
                n++;
        }
        return n;
}

static void read_user(struct kh_json *j, struct kh_container *c)
{
        struct kh_span key;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                if (!kh_container_read_ids(j, key, c))
                        kh_json_skip(j);
        }
}

static void read_capabilities(struct kh_json *j, struct reading *r)
{
        struct kh_span key;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("bounding")))
                        r->capabilities = count_elements(j);
                else
                        kh_json_skip(j);
        }
}

/* The first word alone: what follows may be a secret. */
static void read_args(struct kh_json *j, struct kh_container *c)
{
        if (!kh_json_enter_array(j))
                return;
        if (kh_json_element(j)) {
                kh_json_string(j, &c->command);
                while (kh_json_element(j))
                        kh_json_skip(j);
        }
}

static void read_process(struct kh_json *j, struct reading *r)
{
        struct kh_span key;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("user")))
                        read_user(j, r->c);
                else if (kh_span_eq(key, KH_SPAN("args")))
                        read_args(j, r->c);
                else if (kh_span_eq(key, KH_SPAN("capabilities")))
                        read_capabilities(j, r);
                else if (kh_span_eq(key, KH_SPAN("apparmorProfile")))
                        kh_json_name(j, &r->c->apparmor_profile);
                else if (kh_span_eq(key, KH_SPAN("selinuxLabel")))
                        kh_json_name(j, &r->c->selinux_label);
                else
                        kh_json_skip(j);
        }
}

static void read_root(struct kh_json *j, struct reading *r)
{
        struct kh_span key;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("path")))
                        kh_json_name(j, &r->root);
                else
                        kh_json_skip(j);
        }
}

/* The specification's names of namespaces are not the kernel's. */
static uint8_t ns_bit(struct kh_span type)
{
        if (kh_span_eq(type, KH_SPAN("network")))
                return 1 << KH_NS_NET;
        if (kh_span_eq(type, KH_SPAN("mount")))
                return 1 << KH_NS_MNT;
        for (int i = 0; i < KH_NS_COUNT; i++) {
                if (i != KH_NS_NET && i != KH_NS_MNT && kh_span_eq(type, kh_ns_name[i]))
                        return (uint8_t)(1 << i);
        }
        return 0;
}

static void read_namespaces(struct kh_json *j, struct reading *r)
{
        struct kh_span key;

        if (!kh_json_enter_array(j))
                return;
        while (kh_json_element(j)) {
                struct kh_span type = { 0 }, path = { 0 };

                if (!kh_json_enter_object(j))
                        continue;
                while (kh_json_member(j, &key)) {
                        if (kh_span_eq(key, KH_SPAN("type")))
                                kh_json_string(j, &type);
                        else if (kh_span_eq(key, KH_SPAN("path")))
                                kh_json_string(j, &path);
                        else
                                kh_json_skip(j);
                }
                if (path.n)
                        r->joined |= ns_bit(type);
                else
                        r->own |= ns_bit(type);
        }
}

static void read_linux(struct kh_json *j, struct reading *r)
{
        struct kh_span key;

        if (!kh_json_enter_object(j))
                return;
        r->linux_seen = true;
        r->c->seccomp = KH_NO;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("namespaces"))) {
                        read_namespaces(j, r);
                } else if (kh_span_eq(key, KH_SPAN("cgroupsPath"))) {
                        kh_json_name(j, &r->c->cgroup_spec_path);
                } else if (kh_span_eq(key, KH_SPAN("maskedPaths")) ||
                           kh_span_eq(key, KH_SPAN("readonlyPaths"))) {
                        r->hidden_paths += count_elements(j);
                } else if (kh_span_eq(key, KH_SPAN("seccomp"))) {
                        if (kh_json_peek(j) == KH_JSON_OBJECT)
                                r->c->seccomp = KH_YES;
                        kh_json_skip(j);
                } else {
                        kh_json_skip(j);
                }
        }
}

static bool leads_to_socket(struct kh_span source, const struct kh_oci_config_options *options)
{
        char path[PATH_MAX];

        return options->resolve && options->resolve(source, path) &&
               kh_is_runtime_socket(kh_span_of(path));
}

static void read_mount(struct kh_json *j, struct reading *r)
{
        struct kh_span key, source = { 0 };
        bool roundabout;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("source")))
                        kh_json_string(j, &source);
                else
                        kh_json_skip(j);
        }
        /* Only a bind mount's source is a path from the root; "proc", "tmpfs" are none. */
        if (!source.n || source.p[0] != '/')
                return;
        roundabout = r->options->resolve_all || memmem(source.p, source.n, "/..", 3);
        if (kh_is_runtime_socket(source) || (roundabout && leads_to_socket(source, r->options)))
                kh_spans_add(&r->c->runtime_sockets, source);
}

static void read_mounts(struct kh_json *j, struct reading *r)
{
        if (!kh_json_enter_array(j))
                return;
        while (kh_json_element(j))
                read_mount(j, r);
}

static void read_document(struct kh_json *j, struct reading *r)
{
        struct kh_span key;

        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("process")))
                        read_process(j, r);
                else if (kh_span_eq(key, KH_SPAN("root")))
                        read_root(j, r);
                else if (kh_span_eq(key, KH_SPAN("mounts")))
                        read_mounts(j, r);
                else if (kh_span_eq(key, KH_SPAN("annotations")))
                        kh_oci_read_annotations(j, &r->c->annotations);
                else if (kh_span_eq(key, KH_SPAN("linux")))
                        read_linux(j, r);
                else
                        kh_json_skip(j);
        }
}

static void set_rootfs(
        struct kh_container *c, struct kh_span root, struct kh_span bundle, struct kh_buf *scratch)
{
        size_t start = scratch->len;

        if (!root.n)
                return;
        if (root.p[0] == '/') {
                c->rootfs = root;
                return;
        }
        if (!bundle.n)
                return;
        kh_buf_span(scratch, bundle);
        if (bundle.p[bundle.n - 1] != '/')
                kh_buf_char(scratch, '/');
        kh_buf_span(scratch, root);
        if (!scratch->over)
                c->rootfs = (struct kh_span){ scratch->p + start, scratch->len - start };
}

/* CAP_AUDIT_READ is number 37: a runtime that knows no newer ones lists 38 for "all". */
enum { ALL_CAPABILITIES = 38 };

static void judge(struct reading *r, struct kh_span bundle, struct kh_buf *scratch)
{
        struct kh_container *c = r->c;

        set_rootfs(c, r->root, bundle, scratch);
        if (!r->linux_seen)
                return;
        c->privileged = r->capabilities >= ALL_CAPABILITIES && !r->hidden_paths ? KH_YES : KH_NO;
        c->ns_joined = r->joined;
        /* One that is not listed is inherited from the runtime (config-linux.md, "Namespaces"). */
        c->ns_host = (uint8_t) ~(r->own | r->joined);
}

int kh_oci_read_config(char *text, size_t n, struct kh_span bundle, struct kh_buf *scratch,
        const struct kh_oci_config_options *options, struct kh_container *c, struct kh_err *err)
{
        struct kh_json j = kh_json_of(text, n);
        struct reading r = { .c = c, .options = options };
        struct kh_span id = c->id;

        if (!kh_json_enter_object(&j))
                return kh_fail(err, -EBADMSG, "config.json is no JSON object");
        read_document(&j, &r);
        if (!kh_json_end(&j)) {
                kh_container_init(c);
                c->id = id;
                return kh_fail(err, -EBADMSG, "config.json is no JSON: %s", j.error);
        }
        judge(&r, bundle, scratch);
        return 0;
}
