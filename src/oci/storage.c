/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/storage.h"

#include "base/hash.h"
#include "json/reader.h"

/* `podman run --rm` keeps its container in the second. */
static const struct kh_span files[] = {
        { "/containers.json", 16 },
        { "/volatile-containers.json", 25 },
};
enum { FILES = sizeof(files) / sizeof(files[0]) };

static struct kh_json open_file(
        struct kh_root root, struct kh_span store, struct kh_span name, char *text)
{
        char path[PATH_MAX];
        struct kh_buf b = kh_buf_of(path, sizeof(path));
        size_t n;

        kh_buf_span(&b, store);
        kh_buf_span(&b, name);
        if (!kh_buf_terminate(&b) ||
                kh_root_read_file(root, path, text, KH_STORAGE_FILE_MAX, &n) < 0)
                n = 0;
        return kh_json_of(text, n);
}

/* What storage keeps as a string that is JSON itself: {"image-name":...,"name":...}. */
static void read_metadata(struct kh_span text, struct kh_container *c)
{
        struct kh_json j = kh_json_of((char *)text.p, text.n);
        struct kh_span key;

        if (!kh_json_enter_object(&j))
                return;
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("image-name")))
                        kh_json_string(&j, &c->image);
                else if (kh_span_eq(key, KH_SPAN("name")))
                        kh_json_string(&j, &c->name);
                else
                        kh_json_skip(&j);
        }
}

/* One element: whether it is C's. */
static bool read_element(struct kh_json *j, struct kh_container *c)
{
        struct kh_span key, id = { 0 }, metadata = { 0 };

        if (!kh_json_enter_object(j))
                return false;
        while (kh_json_member(j, &key)) {
                if (kh_span_eq(key, KH_SPAN("id")))
                        kh_json_string(j, &id);
                else if (kh_span_eq(key, KH_SPAN("metadata")))
                        kh_json_string(j, &metadata);
                else
                        kh_json_skip(j);
        }
        if (!kh_span_eq(id, c->id))
                return false;
        read_metadata(metadata, c);
        return true;
}

void kh_storage_read(struct kh_root root, struct kh_span store, char *text, struct kh_container *c)
{
        for (int i = 0; i < FILES; i++) {
                struct kh_json j = open_file(root, store, files[i], text);

                if (j.p == j.end || !kh_json_enter_array(&j))
                        continue;
                while (kh_json_element(&j)) {
                        if (read_element(&j, c))
                                return;
                }
        }
}

/* Nobody chooses these ids to our harm: who writes the file could leave them out as well. */
static uint64_t hash_of(struct kh_span id)
{
        static const struct kh_hash_seed seed = { 0 };

        return kh_hash_bytes(&seed, id);
}

static void add_element(struct kh_storage *storage, struct kh_span text)
{
        struct kh_json j = kh_json_of((char *)text.p, text.n);
        struct kh_span key, id = { 0 };
        uint64_t hash;
        size_t slot;

        if (storage->n == KH_STORAGE_CONTAINERS_MAX || !kh_json_enter_object(&j))
                return;
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("id")))
                        kh_json_string(&j, &id);
                else
                        kh_json_skip(&j);
        }
        hash = hash_of(id);
        slot = hash % KH_STORAGE_SLOTS;
        while (storage->slots[slot].text.n)
                slot = (slot + 1) % KH_STORAGE_SLOTS;
        storage->slots[slot] = (struct kh_storage_slot){ hash, text };
        storage->n++;
}

static void read_store(struct kh_storage *storage, struct kh_root root, struct kh_span store)
{
        struct kh_buf name = kh_buf_of(storage->store, sizeof(storage->store));

        memset(storage->slots, 0, sizeof(storage->slots));
        storage->n = 0;
        kh_buf_span(&name, store);
        kh_buf_terminate(&name);
        for (int i = 0; i < FILES; i++) {
                struct kh_json j = open_file(root, store, files[i], storage->text[i]);
                struct kh_span element;

                if (j.p == j.end || !kh_json_enter_array(&j))
                        continue;
                while (kh_json_element(&j)) {
                        if (kh_json_raw(&j, &element))
                                add_element(storage, element);
                }
        }
}

void kh_storage_forget(struct kh_storage *storage)
{
        storage->store[0] = '\0';
}

void kh_storage_look_up(struct kh_storage *storage, struct kh_root root, struct kh_span store,
        struct kh_container *c)
{
        uint64_t hash = hash_of(c->id);
        size_t slot = hash % KH_STORAGE_SLOTS;

        if (!kh_span_eq(store, kh_span_of(storage->store)))
                read_store(storage, root, store);
        for (; storage->slots[slot].text.n; slot = (slot + 1) % KH_STORAGE_SLOTS) {
                const struct kh_storage_slot *s = &storage->slots[slot];
                struct kh_json j = kh_json_of((char *)s->text.p, s->text.n);

                if (s->hash == hash && read_element(&j, c))
                        return;
        }
}
