/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/codec.h"

static const struct kh_span type_name[] = {
        [KH_TYPE_CONTAINER] = { "container", 9 },
        [KH_TYPE_SANDBOX] = { "sandbox", 7 },
};

static void put_known(struct kh_buf *b, struct kh_span key, enum kh_known value)
{
        if (value != KH_UNKNOWN)
                kh_json_put_bool_member(b, key, value == KH_YES);
}

static void put_pairs(struct kh_buf *b, struct kh_span key, const struct kh_pairs *pairs)
{
        if (pairs->n == 0)
                return;
        kh_json_put_key(b, key);
        kh_json_open(b, '{');
        for (unsigned i = 0; i < pairs->n; i++) {
                kh_json_put_comma(b);
                kh_json_put_string(b, pairs->v[i].key);
                kh_buf_char(b, ':');
                kh_json_put_string(b, pairs->v[i].value);
        }
        kh_json_close(b, '}');
}

static void put_namespaces(struct kh_buf *b, const struct kh_container *c)
{
        uint64_t any = 0;

        for (int i = 0; i < KH_NS_COUNT; i++)
                any |= c->ns[i];
        if (!any)
                return;
        kh_json_put_key(b, KH_SPAN("namespaces"));
        kh_json_open(b, '{');
        for (int i = 0; i < KH_NS_COUNT; i++)
                kh_json_put_u64_member(b, kh_ns_name[i], c->ns[i]);
        kh_json_close(b, '}');
}

static void put_ns_set(struct kh_buf *b, struct kh_span key, uint8_t set)
{
        if (!set)
                return;
        kh_json_put_key(b, key);
        kh_json_open(b, '[');
        for (int i = 0; i < KH_NS_COUNT; i++) {
                if (!(set >> i & 1))
                        continue;
                kh_json_put_comma(b);
                kh_json_put_string(b, kh_ns_name[i]);
        }
        kh_json_close(b, ']');
}

static void put_pod(struct kh_buf *b, const struct kh_container *c, enum kh_members which)
{
        bool named = which == KH_MEMBERS_ALL && (c->pod_name.p || c->pod_namespace.p);

        if (!named && !c->pod_uid.p && !c->sandbox_id.p)
                return;
        kh_json_put_key(b, KH_SPAN("pod"));
        kh_json_open(b, '{');
        if (named) {
                kh_json_put_str_member(b, KH_SPAN("name"), c->pod_name);
                kh_json_put_str_member(b, KH_SPAN("namespace"), c->pod_namespace);
        }
        kh_json_put_str_member(b, KH_SPAN("uid"), c->pod_uid);
        kh_json_put_str_member(b, KH_SPAN("sandboxId"), c->sandbox_id);
        kh_json_close(b, '}');
}

static void put_cgroup(struct kh_buf *b, const struct kh_container *c)
{
        if (!c->cgroup_path.p && !c->cgroup_spec_path.p && !c->cgroup_id)
                return;
        kh_json_put_key(b, KH_SPAN("cgroup"));
        kh_json_open(b, '{');
        kh_json_put_str_member(b, KH_SPAN("path"), c->cgroup_path);
        kh_json_put_u64_member(b, KH_SPAN("id"), c->cgroup_id);
        kh_json_put_str_member(b, KH_SPAN("specPath"), c->cgroup_spec_path);
        kh_json_close(b, '}');
}

static void put_process(struct kh_buf *b, const struct kh_container *c)
{
        if (!c->command.p && c->uid < 0 && c->gid < 0)
                return;
        kh_json_put_key(b, KH_SPAN("process"));
        kh_json_open(b, '{');
        kh_json_put_str_member(b, KH_SPAN("command"), c->command);
        if (c->uid >= 0) {
                kh_json_put_key(b, KH_SPAN("uid"));
                kh_buf_i64(b, c->uid);
        }
        if (c->gid >= 0) {
                kh_json_put_key(b, KH_SPAN("gid"));
                kh_buf_i64(b, c->gid);
        }
        kh_json_close(b, '}');
}

static void put_sockets(struct kh_buf *b, const struct kh_spans *sockets)
{
        if (sockets->n == 0)
                return;
        kh_json_put_key(b, KH_SPAN("runtimeSockets"));
        kh_json_open(b, '[');
        for (unsigned i = 0; i < sockets->n; i++) {
                kh_json_put_comma(b);
                kh_json_put_string(b, sockets->v[i]);
        }
        kh_json_close(b, ']');
}

void kh_container_write(struct kh_buf *b, const struct kh_container *c, enum kh_members which)
{
        if (which == KH_MEMBERS_ALL) {
                kh_json_put_str_member(b, KH_SPAN("id"), c->id);
                kh_json_put_str_member(b, KH_SPAN("name"), c->name);
                kh_json_put_str_member(b, KH_SPAN("image"), c->image);
                kh_json_put_u64_member(b, KH_SPAN("pid"), c->pid);
                kh_json_put_str_member(b, KH_SPAN("apparmorProfile"), c->apparmor_profile);
        }
        if (c->type != KH_TYPE_UNKNOWN)
                kh_json_put_str_member(b, KH_SPAN("type"), type_name[c->type]);
        put_pod(b, c, which);
        kh_json_put_str_member(b, KH_SPAN("runtime"), c->runtime);
        kh_json_put_str_member(b, KH_SPAN("stage"), c->stage);
        kh_json_put_str_member(b, KH_SPAN("bundle"), c->bundle);
        kh_json_put_str_member(b, KH_SPAN("rootfs"), c->rootfs);
        kh_json_put_u64_member(b, KH_SPAN("startTime"), c->start_time);
        put_namespaces(b, c);
        put_ns_set(b, KH_SPAN("hostNamespaces"), c->ns_host);
        put_ns_set(b, KH_SPAN("joinedNamespaces"), c->ns_joined);
        put_cgroup(b, c);
        put_process(b, c);
        kh_json_put_str_member(b, KH_SPAN("selinuxLabel"), c->selinux_label);
        put_known(b, KH_SPAN("privileged"), c->privileged);
        put_known(b, KH_SPAN("seccomp"), c->seccomp);
        put_sockets(b, &c->runtime_sockets);
        if (which != KH_MEMBERS_BOUNDED) {
                put_pairs(b, KH_SPAN("labels"), &c->labels);
                put_pairs(b, KH_SPAN("annotations"), &c->annotations);
        }
}

static void read_pairs(struct kh_json *j, struct kh_pairs *pairs)
{
        struct kh_span key, value;

        pairs->n = pairs->dropped = 0;
        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                if (kh_json_string(j, &value))
                        kh_pairs_add(pairs, key, value);
        }
}

static int ns_of(struct kh_span name)
{
        for (int i = 0; i < KH_NS_COUNT; i++) {
                if (kh_span_eq(name, kh_ns_name[i]))
                        return i;
        }
        return -1;
}

static void read_namespaces(struct kh_json *j, struct kh_container *c)
{
        struct kh_span key;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                int i = ns_of(key);

                if (i < 0)
                        kh_json_skip(j);
                else
                        kh_json_u64(j, UINT64_MAX, &c->ns[i]);
        }
}

static void read_ns_set(struct kh_json *j, uint8_t *set)
{
        struct kh_span name;

        if (!kh_json_enter_array(j))
                return;
        while (kh_json_element(j)) {
                int i = kh_json_string(j, &name) ? ns_of(name) : -1;

                if (i >= 0)
                        *set |= (uint8_t)(1 << i);
        }
}

static void read_pod(struct kh_json *j, struct kh_container *c)
{
        struct kh_span key;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("name")))
                        kh_json_name(j, &c->pod_name);
                else if (kh_span_eq(key, KH_SPAN("namespace")))
                        kh_json_name(j, &c->pod_namespace);
                else if (kh_span_eq(key, KH_SPAN("uid")))
                        kh_json_name(j, &c->pod_uid);
                else if (kh_span_eq(key, KH_SPAN("sandboxId")))
                        kh_json_name(j, &c->sandbox_id);
                else
                        kh_json_skip(j);
        }
}

static void read_cgroup(struct kh_json *j, struct kh_container *c)
{
        struct kh_span key;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("path")))
                        kh_json_name(j, &c->cgroup_path);
                else if (kh_span_eq(key, KH_SPAN("id")))
                        kh_json_u64(j, UINT64_MAX, &c->cgroup_id);
                else if (kh_span_eq(key, KH_SPAN("specPath")))
                        kh_json_name(j, &c->cgroup_spec_path);
                else
                        kh_json_skip(j);
        }
}

bool kh_container_read_ids(struct kh_json *j, struct kh_span key, struct kh_container *c)
{
        bool is_uid = kh_span_eq(key, KH_SPAN("uid"));
        int64_t *id = is_uid ? &c->uid : &c->gid;
        uint64_t number;

        if (!is_uid && !kh_span_eq(key, KH_SPAN("gid")))
                return false;
        *id = kh_json_u64(j, UINT32_MAX, &number) ? (int64_t)number : -1;
        return true;
}

static void read_process(struct kh_json *j, struct kh_container *c)
{
        struct kh_span key;

        if (!kh_json_enter_object(j))
                return;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("command")))
                        kh_json_name(j, &c->command);
                else if (!kh_container_read_ids(j, key, c))
                        kh_json_skip(j);
        }
}

static void read_type(struct kh_json *j, enum kh_container_type *ret)
{
        struct kh_span s;

        if (!kh_json_string(j, &s))
                return;
        if (kh_span_eq(s, type_name[KH_TYPE_CONTAINER]))
                *ret = KH_TYPE_CONTAINER;
        else if (kh_span_eq(s, type_name[KH_TYPE_SANDBOX]))
                *ret = KH_TYPE_SANDBOX;
}

static void read_known(struct kh_json *j, enum kh_known *ret)
{
        bool value;

        if (kh_json_bool(j, &value))
                *ret = value ? KH_YES : KH_NO;
}

static void read_sockets(struct kh_json *j, struct kh_spans *sockets)
{
        struct kh_span s;

        sockets->n = sockets->dropped = 0;
        if (!kh_json_enter_array(j))
                return;
        while (kh_json_element(j)) {
                if (kh_json_string(j, &s))
                        kh_spans_add(sockets, s);
        }
}

/* The members whose value is one string, by their name. */
static struct kh_span *string_member(struct kh_span key, struct kh_container *c)
{
        const struct {
                struct kh_span key;
                struct kh_span *member;
        } members[] = {
                { KH_SPAN("id"), &c->id },
                { KH_SPAN("name"), &c->name },
                { KH_SPAN("image"), &c->image },
                { KH_SPAN("runtime"), &c->runtime },
                { KH_SPAN("stage"), &c->stage },
                { KH_SPAN("bundle"), &c->bundle },
                { KH_SPAN("rootfs"), &c->rootfs },
                { KH_SPAN("apparmorProfile"), &c->apparmor_profile },
                { KH_SPAN("selinuxLabel"), &c->selinux_label },
        };

        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                if (kh_span_eq(key, members[i].key))
                        return members[i].member;
        }
        return NULL;
}

bool kh_container_read_member(struct kh_json *j, struct kh_span key, struct kh_container *c)
{
        struct kh_span *string = string_member(key, c);
        uint64_t number;

        if (string)
                kh_json_name(j, string);
        else if (kh_span_eq(key, KH_SPAN("pid")))
                c->pid = kh_json_u64(j, INT32_MAX, &number) ? (uint32_t)number : 0;
        else if (kh_span_eq(key, KH_SPAN("startTime")))
                kh_json_u64(j, UINT64_MAX, &c->start_time);
        else if (kh_span_eq(key, KH_SPAN("type")))
                read_type(j, &c->type);
        else if (kh_span_eq(key, KH_SPAN("pod")))
                read_pod(j, c);
        else if (kh_span_eq(key, KH_SPAN("namespaces")))
                read_namespaces(j, c);
        else if (kh_span_eq(key, KH_SPAN("hostNamespaces")))
                read_ns_set(j, &c->ns_host);
        else if (kh_span_eq(key, KH_SPAN("joinedNamespaces")))
                read_ns_set(j, &c->ns_joined);
        else if (kh_span_eq(key, KH_SPAN("cgroup")))
                read_cgroup(j, c);
        else if (kh_span_eq(key, KH_SPAN("process")))
                read_process(j, c);
        else if (kh_span_eq(key, KH_SPAN("privileged")))
                read_known(j, &c->privileged);
        else if (kh_span_eq(key, KH_SPAN("seccomp")))
                read_known(j, &c->seccomp);
        else if (kh_span_eq(key, KH_SPAN("runtimeSockets")))
                read_sockets(j, &c->runtime_sockets);
        else if (kh_span_eq(key, KH_SPAN("labels")))
                read_pairs(j, &c->labels);
        else if (kh_span_eq(key, KH_SPAN("annotations")))
                read_pairs(j, &c->annotations);
        else
                return false;
        return true;
}
