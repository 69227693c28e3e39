/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/inventory/entry.h"

#include "base/cleanup.h"
#include "wire/codec.h"

const struct kh_span kh_state_name[KH_STATE_COUNT] = {
        [KH_STATE_CREATED] = { "created", 7 },
        [KH_STATE_RUNNING] = { "running", 7 },
        [KH_STATE_EXITED] = { "exited", 6 },
};

const struct kh_span kh_source_name[KH_SOURCE_COUNT] = {
        [KH_SOURCE_HOOK] = { "hook", 4 },
        [KH_SOURCE_SPOOL] = { "spool", 5 },
        [KH_SOURCE_SNAPSHOT] = { "snapshot", 8 },
        [KH_SOURCE_DISCOVERY] = { "discovery", 9 },
        [KH_SOURCE_KERNEL] = { "kernel", 6 },
};

const struct kh_span kh_reason_name[] = {
        [KH_REASON_EXITED] = { "exited", 6 },
        [KH_REASON_DELETED] = { "deleted", 7 },
        [KH_REASON_REPLACED] = { "replaced", 8 },
};

/*
 * Where S stands in the text, which holds it verbatim unless the writer had to escape a character:
 * then it is appended behind the text.
 */
static struct kh_piece piece_of(struct kh_buf *b, size_t text_n, struct kh_span s)
{
        const char *at;
        size_t behind = b->len;

        if (!s.n)
                return (struct kh_piece){ 0 };
        at = memmem(b->p, text_n, s.p, s.n);
        if (at)
                return (struct kh_piece){ (uint32_t)(at - b->p), (uint32_t)s.n };
        kh_buf_span(b, s);
        return (struct kh_piece){ (uint32_t)behind, (uint32_t)s.n };
}

static void fill(const struct kh_inventory *inv, struct kh_entry *e, const struct kh_container *c)
{
        kh_list_init(&e->all);
        kh_list_init(&e->unquiet);
        e->key[KH_KEY_ID] = kh_hash_bytes(&inv->seed, c->id);
        e->key[KH_KEY_PID] = c->pid;
        e->key[KH_KEY_CGROUP] = c->cgroup_id;
        /* The host's would put half a node's containers into one chain, and finds nobody. */
        if (!(c->ns_host >> KH_NS_MNT & 1))
                e->key[KH_KEY_MNT] = c->ns[KH_NS_MNT];
        if (!(c->ns_host >> KH_NS_PID & 1))
                e->key[KH_KEY_PID_NS] = c->ns[KH_NS_PID];
        e->start_time = c->start_time;
        memcpy(e->ns, c->ns, sizeof(e->ns));
        e->pid = c->pid;
        e->ns_host = c->ns_host;
        e->ns_joined = c->ns_joined;
        e->type = (uint8_t)c->type;
        e->pidfd = -EBADF;
}

static void write_text(struct kh_buf *b, const struct kh_container *c, bool bare)
{
        struct kh_container copy;

        if (bare) {
                copy = *c;
                copy.labels.n = copy.annotations.n = 0;
                c = &copy;
        }
        kh_container_write(b, c, KH_MEMBERS_ALL);
}

struct kh_entry *kh_entry_new(
        const struct kh_inventory *inv, const struct kh_container *c, char *room, size_t room_size)
{
        struct kh_buf b = kh_buf_of(room, room_size);
        struct kh_entry head = { 0 }, *e;

        write_text(&b, c, false);
        if (b.over || inv->text_bytes + b.len > KH_INVENTORY_TEXT_MAX) {
                b = kh_buf_of(room, room_size);
                write_text(&b, c, true);
        }
        head.text_n = (uint32_t)b.len;
        head.id = piece_of(&b, head.text_n, c->id);
        head.name = piece_of(&b, head.text_n, c->name);
        head.pod = piece_of(&b, head.text_n, c->pod_name);
        head.pod_namespace = piece_of(&b, head.text_n, c->pod_namespace);
        head.runtime = piece_of(&b, head.text_n, c->runtime);
        head.bundle = piece_of(&b, head.text_n, c->bundle);
        head.cgroup_path = piece_of(&b, head.text_n, c->cgroup_path);
        if (b.over)
                return NULL;
        e = malloc(sizeof(*e) + b.len);
        if (!e)
                return NULL;
        *e = head;
        e->size = (uint32_t)b.len;
        memcpy(e->text, b.p, b.len);
        fill(inv, e, c);
        return e;
}

static uint32_t hash_of(const struct kh_inventory *inv, enum kh_key key, uint64_t value)
{
        return key == KH_KEY_ID ? (uint32_t)value : kh_hash_u64(&inv->seed, value);
}

void kh_entry_index(struct kh_inventory *inv, struct kh_entry *e)
{
        for (enum kh_key key = 0; key < KH_KEY_COUNT; key++) {
                if (e->key[key])
                        kh_hash_add(
                                &inv->index[key], &e->node[key], hash_of(inv, key, e->key[key]));
        }
        inv->count++;
        inv->in_state[e->state]++;
        inv->text_bytes += e->size;
}

void kh_entry_unindex(struct kh_inventory *inv, struct kh_entry *e)
{
        for (enum kh_key key = 0; key < KH_KEY_COUNT; key++)
                kh_hash_del(&inv->index[key], &e->node[key]);
        inv->count--;
        inv->in_state[e->state]--;
        inv->text_bytes -= e->size;
}

void kh_entry_unindex_pid(struct kh_inventory *inv, struct kh_entry *e)
{
        kh_hash_del(&inv->index[KH_KEY_PID], &e->node[KH_KEY_PID]);
        e->key[KH_KEY_PID] = 0;
}

void kh_entry_set_state(struct kh_inventory *inv, struct kh_entry *e, enum kh_state state)
{
        inv->in_state[e->state]--;
        inv->in_state[state]++;
        e->state = (uint8_t)state;
        e->looks = 0;
        e->look_at_ns = 0;
        kh_list_del(&e->unquiet);
        if (state != KH_STATE_RUNNING || e->polled)
                kh_list_append(&inv->unquiet, &e->unquiet);
}

bool kh_entry_owns_pid_ns(const struct kh_entry *e)
{
        return e->ns[KH_NS_PID] && kh_is_own_ns(e->ns_host, e->ns_joined, KH_NS_PID);
}

struct kh_entry *kh_inventory_find(const struct kh_inventory *inv, enum kh_key key, uint64_t value,
        const struct kh_entry *previous)
{
        struct kh_hash_node *node =
                previous ? kh_hash_next(&previous->node[key])
                         : kh_hash_find(&inv->index[key], hash_of(inv, key, value));

        for (; node; node = kh_hash_next(node)) {
                struct kh_entry *e = kh_container_of(node - key, struct kh_entry, node);

                if (e->key[key] == value)
                        return e;
        }
        return NULL;
}

struct kh_entry *kh_inventory_find_id(
        const struct kh_inventory *inv, struct kh_span id, const struct kh_entry *previous)
{
        uint64_t hash = previous ? previous->key[KH_KEY_ID] : kh_hash_bytes(&inv->seed, id);

        while ((previous = kh_inventory_find(inv, KH_KEY_ID, hash, previous))) {
                if (kh_span_eq(kh_entry_piece(previous, previous->id), id))
                        break;
        }
        return (struct kh_entry *)previous;
}
