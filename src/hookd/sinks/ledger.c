/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/ledger.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "hookd/log.h"
#include "wire/request.h"
#include "json/reader.h"
#include "json/writer.h"

#include <fcntl.h>
#include <stdio.h>

#define FILE_NAME "relay"
#define TEMP_NAME "relay.new"

enum {
        FORMAT = 1,
        LINE_MAX_BYTES = 2048,     /* with the longest id, every byte of it escaped */
        HISTORY_MAX = 1024 * 1024, /* beside as much again as is of use */
        LINE_USUAL = 128,
};

/* Ids are chosen by who may start containers; who can do that needs no long chain to slow us. */
static const struct kh_hash_seed seed = { 0x6b75626561726d6fULL, 0x72686f6f6b730000ULL };

void kh_ledger_init(struct kh_ledger *l)
{
        *l = (struct kh_ledger){ .dir = -EBADF, .fd = -EBADF };
        kh_hash_init(&l->items);
        kh_list_init(&l->all);
        kh_list_init(&l->due);
}

static void free_item(struct kh_ledger *l, struct kh_item *item)
{
        kh_hash_del(&l->items, &item->node);
        kh_list_del(&item->all);
        if (!kh_list_is_empty(&item->due))
                l->due_n--;
        kh_list_del(&item->due);
        free(item);
}

void kh_ledger_done(struct kh_ledger *l)
{
        kh_list_for_each(node, next, &l->all)
                free_item(l, kh_container_of(node, struct kh_item, all));
        kh_hash_done(&l->items);
        kh_closep(&l->fd);
        kh_closep(&l->dir);
}

static uint32_t hash_of(struct kh_span id)
{
        return (uint32_t)kh_hash_bytes(&seed, id);
}

struct kh_item *kh_ledger_find(const struct kh_ledger *l, struct kh_span id)
{
        for (struct kh_hash_node *n = kh_hash_find(&l->items, hash_of(id)); n;
                n = kh_hash_next(n)) {
                struct kh_item *item = kh_container_of(n, struct kh_item, node);

                if (kh_span_eq(kh_item_id(item), id))
                        return item;
        }
        return NULL;
}

/* The item of ID, made if need be; NULL when there is no memory. */
static struct kh_item *item_of(struct kh_ledger *l, struct kh_span id)
{
        struct kh_item *item = kh_ledger_find(l, id);

        if (item)
                return item;
        item = malloc(sizeof(*item) + id.n);
        if (!item)
                return NULL;
        *item = (struct kh_item){ .id_n = (uint32_t)id.n };
        memcpy(item->id, id.p, id.n);
        kh_list_init(&item->due);
        kh_list_append(&l->all, &item->all);
        kh_hash_add(&l->items, &item->node, hash_of(id));
        return item;
}

static void set_known(struct kh_ledger *l, struct kh_item *item, uint64_t serial, uint64_t digest)
{
        l->known_n += (serial != 0) - (size_t)(item->serial != 0);
        item->serial = serial;
        item->digest = digest;
}

void kh_ledger_add(struct kh_ledger *l, struct kh_span id)
{
        struct kh_item *item = item_of(l, id);

        if (!item || !kh_list_is_empty(&item->due))
                return;
        kh_list_append(&l->due, &item->due);
        l->due_n++;
}

void kh_ledger_put_back(struct kh_ledger *l, struct kh_item *item)
{
        if (kh_list_is_empty(&item->due))
                l->due_n++;
        kh_list_del(&item->due);
        kh_list_append(l->due.next, &item->due); /* before the first one */
}

struct kh_item *kh_ledger_take(struct kh_ledger *l)
{
        struct kh_item *item;

        if (kh_list_is_empty(&l->due))
                return NULL;
        item = kh_container_of(l->due.next, struct kh_item, due);
        kh_list_del(&item->due);
        l->due_n--;
        return item;
}

void kh_ledger_forget(struct kh_ledger *l, struct kh_item *item)
{
        set_known(l, item, 0, 0);
        free_item(l, item);
}

static void put_header(struct kh_buf *b, const struct kh_agent *peer)
{
        kh_json_open(b, '{');
        kh_json_put_u64_member(b, KH_SPAN("relay"), FORMAT);
        kh_json_put_u64_member(b, KH_SPAN("device"), peer->device);
        kh_json_put_u64_member(b, KH_SPAN("inode"), peer->inode);
        kh_json_put_u64_member(b, KH_SPAN("made"), peer->made_ns);
        kh_json_put_u64_member(b, KH_SPAN("pid"), peer->pid);
        kh_json_close(b, '}');
        kh_buf_char(b, '\n');
}

static void put_item(struct kh_buf *b, const struct kh_item *item)
{
        kh_json_open(b, '{');
        kh_json_put_str_member(b, KH_SPAN("id"), kh_item_id(item));
        kh_json_put_u64_member(b, KH_SPAN("n"), item->serial);
        kh_json_put_u64_member(b, KH_SPAN("digest"), item->digest);
        kh_json_close(b, '}');
        kh_buf_char(b, '\n');
}

/* A line of the file: its header, an item, or with none of their members, "all was answered". */
struct line {
        uint64_t format, serial, digest;
        struct kh_agent peer;
        struct kh_span id;
};

static bool read_line(char *text, size_t n, struct line *l)
{
        struct kh_json j = kh_json_of(text, n);
        struct kh_span key;

        *l = (struct line){ 0 };
        if (!kh_json_enter_object(&j))
                return false;
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("id")))
                        kh_json_string(&j, &l->id);
                else if (kh_span_eq(key, KH_SPAN("n")))
                        kh_json_u64(&j, UINT64_MAX, &l->serial);
                else if (kh_span_eq(key, KH_SPAN("digest")))
                        kh_json_u64(&j, UINT64_MAX, &l->digest);
                else if (kh_span_eq(key, KH_SPAN("relay")))
                        kh_json_u64(&j, UINT64_MAX, &l->format);
                else if (kh_span_eq(key, KH_SPAN("device")))
                        kh_json_u64(&j, UINT64_MAX, &l->peer.device);
                else if (kh_span_eq(key, KH_SPAN("inode")))
                        kh_json_u64(&j, UINT64_MAX, &l->peer.inode);
                else if (kh_span_eq(key, KH_SPAN("made")))
                        kh_json_u64(&j, UINT64_MAX, &l->peer.made_ns);
                else if (kh_span_eq(key, KH_SPAN("pid")))
                        kh_json_u64(&j, UINT64_MAX, &l->peer.pid);
                else
                        kh_json_skip(&j);
        }
        return kh_json_end(&j);
}

static void read_items(struct kh_ledger *l, FILE *file)
{
        kh_cleanup(kh_freep) char *text = NULL;
        struct kh_item *last = NULL;
        size_t cap = 0;
        struct line line;
        ssize_t n = getline(&text, &cap, file);

        if (n <= 0 || !read_line(text, (size_t)n, &line) || line.format != FORMAT)
                return;
        l->peer = line.peer;
        while ((n = getline(&text, &cap, file)) > 0) {
                /* A line that was cut off was not followed by its message. */
                if (!read_line(text, (size_t)n, &line))
                        continue;
                last = kh_container_id_is_valid(line.id) ? item_of(l, line.id) : NULL;
                if (last)
                        set_known(l, last, line.serial, line.digest);
        }
        if (last)
                last->unsure = true;
}

static void load(struct kh_ledger *l)
{
        int fd = openat(l->dir, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

        if (!file) {
                kh_close(fd);
                return;
        }
        read_items(l, file);
        (void)fclose(file);
}

static void give_up(struct kh_ledger *l, int error)
{
        kh_log(LOG_ERR, "relay not recorded error=\"%s\"", kh_strerror(error));
        kh_closep(&l->fd);
        /* Better none than one that is wrong: the peer is told all again after a restart. */
        (void)unlinkat(l->dir, FILE_NAME, 0);
}

/* What is of use alone, beside the old file and then in its place. */
static void rewrite(struct kh_ledger *l)
{
        kh_cleanup(kh_closep) int fd = openat(l->dir, TEMP_NAME,
                O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        char text[LINE_MAX_BYTES];
        struct kh_buf b = kh_buf_of(text, sizeof(text));
        struct kh_item *unsure = NULL;
        int r = fd < 0 ? -errno : 0;

        put_header(&b, &l->peer);
        l->bytes = b.len;
        if (r == 0)
                r = kh_write_all(fd, b.p, b.len);
        kh_list_for_each(node, next, &l->all) {
                struct kh_item *item = kh_container_of(node, struct kh_item, all);

                if (item->unsure)
                        unsure = item;
                if (item->unsure || !item->serial || r < 0)
                        continue;
                b = kh_buf_of(text, sizeof(text));
                put_item(&b, item);
                l->bytes += b.len;
                r = kh_write_all(fd, b.p, b.len);
        }
        b = kh_buf_of(text, sizeof(text));
        if (unsure)
                put_item(&b, unsure);
        else
                kh_buf_lit(&b, "{}\n");
        l->bytes += b.len;
        if (r == 0)
                r = kh_write_all(fd, b.p, b.len);
        if (r == 0 && renameat(l->dir, TEMP_NAME, l->dir, FILE_NAME) < 0)
                r = -errno;
        if (r < 0) {
                give_up(l, r);
                return;
        }
        kh_close(l->fd);
        l->fd = kh_take_fd(&fd);
        l->settled = !unsure;
}

static void append(struct kh_ledger *l, struct kh_span line)
{
        int r;

        if (l->fd < 0)
                return;
        r = kh_write_all(l->fd, line.p, line.n);
        if (r < 0)
                give_up(l, r);
        l->bytes += line.n;
}

void kh_ledger_open(struct kh_ledger *l, int dir)
{
        l->dir = fcntl(dir, F_DUPFD_CLOEXEC, 3);
        if (l->dir < 0)
                return;
        load(l);
        kh_list_for_each(node, next, &l->all)
                kh_ledger_add(l, kh_item_id(kh_container_of(node, struct kh_item, all)));
        rewrite(l);
}

void kh_ledger_tell(struct kh_ledger *l, struct kh_item *item, uint64_t serial, uint64_t digest)
{
        char text[LINE_MAX_BYTES];
        struct kh_buf b = kh_buf_of(text, sizeof(text));

        set_known(l, item, serial, digest);
        item->unsure = true;
        l->settled = false;
        if (l->bytes > 2 * l->known_n * LINE_USUAL + HISTORY_MAX) {
                rewrite(l);
                return;
        }
        put_item(&b, item);
        append(l, kh_buf_view(&b));
}

void kh_ledger_settle(struct kh_ledger *l)
{
        if (!l->settled)
                append(l, KH_SPAN("{}\n"));
        l->settled = true;
}

bool kh_ledger_meets(struct kh_ledger *l, const struct kh_agent *peer)
{
        if (l->peer.inode == peer->inode && l->peer.device == peer->device &&
                l->peer.made_ns == peer->made_ns && l->peer.pid == peer->pid)
                return true;
        l->peer = *peer;
        kh_list_for_each(node, next, &l->all) {
                struct kh_item *item = kh_container_of(node, struct kh_item, all);

                set_known(l, item, 0, 0);
                item->unsure = false;
                kh_ledger_add(l, kh_item_id(item));
        }
        if (l->dir >= 0)
                rewrite(l);
        return false;
}
