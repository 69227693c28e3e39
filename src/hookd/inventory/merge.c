/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/inventory/merge.h"

#include "wire/codec.h"

#include <stdlib.h>

/* Two megabytes, of which only the pages that a text needs are ever touched. */
struct kh_merge {
        struct kh_container known;
        char text[KH_ENTRY_TEXT_MAX + 2]; /* with braces around it */
        char room[KH_MERGE_ROOM];
};

struct kh_merge *kh_merge_new(void)
{
        return malloc(sizeof(struct kh_merge));
}

void kh_merge_free(struct kh_merge *m)
{
        free(m);
}

char *kh_merge_room(struct kh_merge *m)
{
        return m->room;
}

bool kh_merge_read(struct kh_merge *m, const struct kh_entry *e, struct kh_container *ret)
{
        struct kh_buf b = kh_buf_of(m->text, sizeof(m->text));
        struct kh_json j;
        struct kh_span key;

        kh_buf_char(&b, '{');
        kh_buf_span(&b, kh_entry_text(e));
        kh_buf_char(&b, '}');
        j = kh_json_of(b.p, b.len);
        kh_container_init(ret);
        if (!kh_json_enter_object(&j))
                return false;
        while (kh_json_member(&j, &key)) {
                if (!kh_container_read_member(&j, key, ret))
                        kh_json_skip(&j);
        }
        return kh_json_end(&j);
}

static bool add_span(struct kh_span *known, struct kh_span news)
{
        if (known->p || !news.p)
                return false;
        *known = news;
        return true;
}

static bool add_u64(uint64_t *known, uint64_t news)
{
        if (*known || !news)
                return false;
        *known = news;
        return true;
}

static bool add_known(enum kh_known *known, enum kh_known news)
{
        if (*known != KH_UNKNOWN || news == KH_UNKNOWN)
                return false;
        *known = news;
        return true;
}

static bool add_id(int64_t *known, int64_t news)
{
        if (*known >= 0 || news < 0)
                return false;
        *known = news;
        return true;
}

static bool add_set(uint8_t *known, uint8_t news)
{
        uint8_t before = *known;

        *known |= news;
        return *known != before;
}

static bool add_pairs(struct kh_pairs *known, const struct kh_pairs *news)
{
        if (known->n || !news->n)
                return false;
        memcpy(known->v, news->v, news->n * sizeof(news->v[0]));
        known->n = news->n;
        known->dropped = news->dropped;
        return true;
}

static bool add_sockets(struct kh_spans *known, const struct kh_spans *news)
{
        if (known->n || !news->n)
                return false;
        *known = *news;
        return true;
}

static bool add_identity(struct kh_container *known, const struct kh_container *c)
{
        bool news = false;

        news |= add_span(&known->name, c->name);
        news |= add_span(&known->image, c->image);
        news |= add_span(&known->pod_name, c->pod_name);
        news |= add_span(&known->pod_namespace, c->pod_namespace);
        news |= add_span(&known->pod_uid, c->pod_uid);
        news |= add_span(&known->sandbox_id, c->sandbox_id);
        news |= add_span(&known->runtime, c->runtime);
        news |= add_span(&known->bundle, c->bundle);
        news |= add_span(&known->rootfs, c->rootfs);
        if (known->type == KH_TYPE_UNKNOWN && c->type != KH_TYPE_UNKNOWN) {
                known->type = c->type;
                news = true;
        }
        return news;
}

static bool add_kernel_facts(struct kh_container *known, const struct kh_container *c)
{
        bool news = false;

        if (!known->pid && c->pid) {
                known->pid = c->pid;
                news = true;
        }
        news |= add_u64(&known->start_time, c->start_time);
        for (int i = 0; i < KH_NS_COUNT; i++)
                news |= add_u64(&known->ns[i], c->ns[i]);
        news |= add_set(&known->ns_host, c->ns_host);
        news |= add_set(&known->ns_joined, c->ns_joined);
        news |= add_span(&known->cgroup_path, c->cgroup_path);
        news |= add_u64(&known->cgroup_id, c->cgroup_id);
        return news;
}

/* `stage` is left as it is: it says which one announced the container, and that was the first. */
static bool add_specification(struct kh_container *known, const struct kh_container *c)
{
        bool news = false;

        news |= add_span(&known->cgroup_spec_path, c->cgroup_spec_path);
        news |= add_span(&known->command, c->command);
        news |= add_id(&known->uid, c->uid);
        news |= add_id(&known->gid, c->gid);
        news |= add_span(&known->apparmor_profile, c->apparmor_profile);
        news |= add_span(&known->selinux_label, c->selinux_label);
        news |= add_known(&known->privileged, c->privileged);
        news |= add_known(&known->seccomp, c->seccomp);
        news |= add_sockets(&known->runtime_sockets, &c->runtime_sockets);
        news |= add_pairs(&known->labels, &c->labels);
        news |= add_pairs(&known->annotations, &c->annotations);
        return news;
}

const struct kh_container *kh_merge(
        struct kh_merge *m, const struct kh_entry *e, const struct kh_container *c)
{
        bool news;

        if (!kh_merge_read(m, e, &m->known))
                return NULL;
        news = add_identity(&m->known, c);
        news |= add_kernel_facts(&m->known, c);
        news |= add_specification(&m->known, c);
        return news ? &m->known : NULL;
}
