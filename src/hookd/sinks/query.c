/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/query.h"

#include "json/reader.h"

static const struct kh_span kind_name[] = {
        [KH_QUERY_SUBSCRIBE] = { "subscribe", 9 },
        [KH_QUERY_LIST] = { "list", 4 },
        [KH_QUERY_LOOKUP] = { "lookup", 6 },
        [KH_QUERY_STATUS] = { "status", 6 },
        [KH_QUERY_METRICS] = { "metrics", 7 },
};

static const struct kh_span type_name[] = {
        [KH_TYPE_CONTAINER] = { "container", 9 },
        [KH_TYPE_SANDBOX] = { "sandbox", 7 },
};

static bool read_kind(struct kh_json *j, enum kh_query_kind *ret)
{
        struct kh_span name;

        if (!kh_json_string(j, &name))
                return false;
        for (int i = 0; i < (int)(sizeof(kind_name) / sizeof(kind_name[0])); i++) {
                if (kh_span_eq(name, kind_name[i])) {
                        *ret = (enum kh_query_kind)i;
                        return true;
                }
        }
        return false;
}

static struct kh_span *filter_member(struct kh_filter *f, struct kh_span key)
{
        const struct {
                struct kh_span key;
                struct kh_span *member;
        } members[] = {
                { KH_SPAN("id"), &f->id },
                { KH_SPAN("name"), &f->name },
                { KH_SPAN("pod"), &f->pod },
                { KH_SPAN("namespace"), &f->pod_namespace },
                { KH_SPAN("runtime"), &f->runtime },
                { KH_SPAN("type"), &f->type },
                { KH_SPAN("state"), &f->state },
        };

        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                if (kh_span_eq(key, members[i].key))
                        return members[i].member;
        }
        return NULL;
}

/* An unknown member would be a condition that is not kept: it is refused, not passed over. */
static bool read_filter(struct kh_json *j, struct kh_filter *f)
{
        struct kh_span key;
        bool good = true;

        if (!kh_json_enter_object(j))
                return false;
        while (kh_json_member(j, &key)) {
                struct kh_span *member = filter_member(f, key);

                if (member)
                        good &= kh_json_string(j, member);
                else
                        good = kh_json_skip(j) && false;
        }
        return good;
}

/* {"type":"mnt","inode":N} */
static bool read_namespace(struct kh_json *j, struct kh_query *q)
{
        struct kh_span key, type = { 0 };

        if (!kh_json_enter_object(j))
                return false;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("type")))
                        kh_json_string(j, &type);
                else if (kh_span_eq(key, KH_SPAN("inode")))
                        kh_json_u64(j, UINT64_MAX, &q->inode);
                else
                        kh_json_skip(j);
        }
        for (int i = 0; i < KH_NS_COUNT; i++) {
                if (kh_span_eq(type, kh_ns_name[i])) {
                        q->ns = (enum kh_ns)i;
                        return q->inode != 0;
                }
        }
        return false;
}

static const char *check(const struct kh_query *q, bool has_kind, unsigned keys)
{
        if (!has_kind)
                return "request must be subscribe, list, lookup, status or metrics";
        if (q->kind == KH_QUERY_LOOKUP && keys != 1)
                return "a lookup takes exactly one of id, pid, cgroupId and namespace";
        return NULL;
}

const char *kh_query_read(char *text, size_t n, struct kh_query *ret)
{
        struct kh_json j = kh_json_of(text, n);
        struct kh_span key;
        bool has_kind = false, good = true;
        unsigned keys = 0;
        uint64_t pid = 0;

        *ret = (struct kh_query){ 0 };
        if (!kh_json_enter_object(&j))
                return "the request is no JSON object";
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("request")))
                        has_kind = read_kind(&j, &ret->kind);
                else if (kh_span_eq(key, KH_SPAN("filter")))
                        good &= read_filter(&j, &ret->filter);
                else if (kh_span_eq(key, KH_SPAN("acknowledge")))
                        good &= kh_json_bool(&j, &ret->acknowledge);
                else if (kh_span_eq(key, KH_SPAN("id")))
                        keys += kh_json_string(&j, &ret->filter.id) && ret->filter.id.n;
                else if (kh_span_eq(key, KH_SPAN("pid")))
                        keys += kh_json_u64(&j, INT32_MAX, &pid) && pid;
                else if (kh_span_eq(key, KH_SPAN("cgroupId")))
                        keys += kh_json_u64(&j, UINT64_MAX, &ret->cgroup_id) && ret->cgroup_id;
                else if (kh_span_eq(key, KH_SPAN("namespace")))
                        keys += read_namespace(&j, ret);
                else
                        kh_json_skip(&j);
        }
        ret->pid = (uint32_t)pid;
        if (!kh_json_end(&j))
                return j.error;
        if (!good)
                return "the filter is no object of strings, or has a member that nobody knows";
        return check(ret, has_kind, keys);
}

static bool is_or_any(struct kh_span wanted, struct kh_span value)
{
        return !wanted.p || (value.p && kh_span_eq(wanted, value));
}

bool kh_filter_matches(const struct kh_filter *f, const struct kh_entry *e)
{
        return (!f->id.p || kh_span_starts(kh_entry_piece(e, e->id), f->id)) &&
               is_or_any(f->name, kh_entry_piece(e, e->name)) &&
               is_or_any(f->pod, kh_entry_piece(e, e->pod)) &&
               is_or_any(f->pod_namespace, kh_entry_piece(e, e->pod_namespace)) &&
               is_or_any(f->runtime, kh_entry_piece(e, e->runtime)) &&
               is_or_any(f->type, type_name[e->type]) &&
               is_or_any(f->state, kh_state_name[e->state]);
}

/* Every container whose id begins so: those of one id, or it is ambiguous. */
static size_t lookup_prefix(struct kh_span prefix, const struct kh_inventory *inv,
        void (*fn)(void *arg, const struct kh_entry *e), void *arg, bool *ret_ambiguous)
{
        const struct kh_entry *found = NULL, *e = NULL;
        size_t n = 0;

        if (!kh_inventory_find_id(inv, prefix, NULL)) {
                kh_list_for_each(node, next, &inv->all) {
                        e = kh_container_of(node, struct kh_entry, all);
                        if (!kh_span_starts(kh_entry_piece(e, e->id), prefix))
                                continue;
                        *ret_ambiguous |= found && !kh_span_eq(kh_entry_piece(found, found->id),
                                                           kh_entry_piece(e, e->id));
                        found = e;
                }
                if (!found || *ret_ambiguous)
                        return 0;
                prefix = kh_entry_piece(found, found->id);
        }
        for (e = NULL; (e = kh_inventory_find_id(inv, prefix, e)); n++)
                fn(arg, e);
        return n;
}

/* The rarer namespaces have no index of their own: nobody looks for them by event. */
static size_t lookup_scan(const struct kh_query *q, const struct kh_inventory *inv,
        void (*fn)(void *arg, const struct kh_entry *e), void *arg)
{
        size_t n = 0;

        kh_list_for_each(node, next, &inv->all) {
                const struct kh_entry *e = kh_container_of(node, struct kh_entry, all);

                if (e->ns[q->ns] == q->inode) {
                        fn(arg, e);
                        n++;
                }
        }
        return n;
}

size_t kh_query_lookup(const struct kh_query *q, const struct kh_inventory *inv,
        void (*fn)(void *arg, const struct kh_entry *e), void *arg, bool *ret_ambiguous)
{
        const struct kh_entry *e = NULL;
        enum kh_key key = KH_KEY_PID;
        uint64_t value = q->pid;
        size_t n = 0;

        *ret_ambiguous = false;
        if (q->filter.id.p)
                return lookup_prefix(q->filter.id, inv, fn, arg, ret_ambiguous);
        if (q->cgroup_id) {
                key = KH_KEY_CGROUP;
                value = q->cgroup_id;
        } else if (q->inode && q->ns == KH_NS_MNT) {
                key = KH_KEY_MNT;
                value = q->inode;
        } else if (q->inode && q->ns == KH_NS_PID) {
                key = KH_KEY_PID_NS;
                value = q->inode;
        } else if (q->inode) {
                return lookup_scan(q, inv, fn, arg);
        }
        for (; (e = kh_inventory_find(inv, key, value, e)); n++)
                fn(arg, e);
        return n;
}
