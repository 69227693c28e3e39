/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/journal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/number.h"
#include "setup/file.h"
#include "json/reader.h"
#include "json/writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

/* A record's first line; a later version's is refused, for only that version can undo it. */
enum { VERSION = 1, HEADER_MAX = 8192, RECORDS_MAX = 1024 };

const char *const kh_owner_name[KH_OWNER_COUNT] = {
        [KH_OWNER_CRIO] = "crio",
        [KH_OWNER_PODMAN] = "podman",
        [KH_OWNER_CONTAINERD] = "containerd",
        [KH_OWNER_K3S] = "k3s",
        [KH_OWNER_RKE2] = "rke2",
        [KH_OWNER_K0S] = "k0s",
        [KH_OWNER_MICROK8S] = "microk8s",
        [KH_OWNER_DOCKER] = "docker",
};

static const char *const kind_name[KH_RECORD_KINDS] = {
        [KH_RECORD_FILE] = "file",
        [KH_RECORD_DIRECTORY] = "directory",
        [KH_RECORD_PROGRAM] = "program",
};

static int index_of(struct kh_span name, const char *const *names, int n)
{
        for (int i = 0; i < n; i++) {
                if (kh_span_eq(name, kh_span_of(names[i])))
                        return i;
        }
        return -1;
}

void kh_boot_id(char *ret, size_t cap)
{
        ssize_t n = kh_read_kernel_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", ret, cap);

        ret[n > 0 ? n - 1 : 0] = '\0';
}

static struct kh_record *free_record(struct kh_record *r)
{
        free(r->path);
        kh_text_done(&r->base);
        kh_text_done(&r->after);
        free(r);
        return NULL;
}

/* Sizes in the header: absent texts have none. */
struct sizes {
        uint64_t base, after;
        bool has_base, has_after;
        uint64_t version;
        bool complete;
};

static bool read_owners(struct kh_json *j, unsigned *ret)
{
        struct kh_span name;

        if (!kh_json_enter_array(j))
                return false;
        while (kh_json_element(j)) {
                int owner = kh_json_string(j, &name) ? index_of(name, kh_owner_name, KH_OWNER_COUNT)
                                                     : -1;

                if (owner < 0)
                        return false;
                *ret |= 1U << owner;
        }
        return true;
}

static bool read_member(
        struct kh_json *j, struct kh_span key, struct kh_record *r, struct sizes *sizes)
{
        struct kh_span value = { 0 };
        uint64_t number = 0;
        int found;

        if (kh_span_eq(key, KH_SPAN("version")))
                return kh_json_u64(j, UINT32_MAX, &sizes->version);
        if (kh_span_eq(key, KH_SPAN("base")))
                return sizes->has_base = kh_json_u64(j, SIZE_MAX, &sizes->base);
        if (kh_span_eq(key, KH_SPAN("after")))
                return sizes->has_after = kh_json_u64(j, SIZE_MAX, &sizes->after);
        if (kh_span_eq(key, KH_SPAN("changed")))
                return kh_json_u64(j, UINT64_MAX, &r->changed_ns);
        if (kh_span_eq(key, KH_SPAN("uid"))) {
                found = kh_json_u64(j, UINT32_MAX, &number);
                r->who.uid = (uid_t)number;
                return found;
        }
        if (kh_span_eq(key, KH_SPAN("gid"))) {
                found = kh_json_u64(j, UINT32_MAX, &number);
                r->who.gid = (gid_t)number;
                return found;
        }
        if (kh_span_eq(key, KH_SPAN("owners")))
                return read_owners(j, &r->owners);
        if (kh_span_eq(key, KH_SPAN("awaits")))
                return read_owners(j, &r->awaits);
        if (!kh_json_string(j, &value))
                return false;
        if (kh_span_eq(key, KH_SPAN("path"))) {
                free(r->path);
                r->path = strndup(value.p, value.n);
                return r->path && *r->path == '/';
        }
        if (kh_span_eq(key, KH_SPAN("boot"))) {
                (void)snprintf(r->boot_id, sizeof(r->boot_id), "%.*s", (int)value.n, value.p);
                return true;
        }
        if (kh_span_eq(key, KH_SPAN("kind"))) {
                found = index_of(value, kind_name, KH_RECORD_KINDS);
                r->kind = (enum kh_record_kind)found;
                return found >= 0;
        }
        if (kh_span_eq(key, KH_SPAN("format"))) {
                found = index_of(value, kh_format_name, KH_FORMAT_COUNT);
                r->format = (enum kh_format)found;
                return found >= 0;
        }
        return false;
}

static bool read_header(struct kh_span line, struct kh_record *r, struct sizes *sizes)
{
        struct kh_text copy = kh_text_of(line);
        struct kh_json j = kh_json_of(copy.p, copy.n);
        struct kh_span key;
        bool good = kh_json_enter_object(&j);

        while (good && kh_json_member(&j, &key))
                good = read_member(&j, key, r, sizes);
        good = good && kh_json_end(&j) && sizes->version == VERSION && r->path;
        kh_text_done(&copy);
        return good;
}

static bool read_record(struct kh_span text, struct kh_record *r)
{
        struct sizes sizes = { 0 };
        const char *end = text.n ? memchr(text.p, '\n', text.n) : NULL;
        size_t header = end ? (size_t)(end - text.p) : 0;
        size_t rest;

        if (!end || !read_header((struct kh_span){ text.p, header }, r, &sizes))
                return false;
        rest = text.n - header - 1;
        if (sizes.base > rest || sizes.after != rest - sizes.base)
                return false;
        if (sizes.has_base)
                r->base = kh_text_of((struct kh_span){ end + 1, sizes.base });
        if (sizes.has_after)
                r->after = kh_text_of((struct kh_span){ end + 1 + sizes.base, sizes.after });
        return !r->base.failed && !r->after.failed;
}

static void record_path(const struct kh_record *r, char *ret)
{
        (void)snprintf(ret, PATH_MAX, KH_JOURNAL_DIRECTORY "/%06u", r->number);
}

/* One record of the directory; a temporary that was left is none. */
static int load_record(struct kh_journal *j, const char *name, struct kh_err *err)
{
        char path[PATH_MAX];
        struct kh_text text;
        struct kh_record *record;
        uint64_t number;
        int r;

        if (!kh_parse_u64(kh_span_of(name), UINT32_MAX, &number))
                return 0;
        (void)kh_path_join(path, KH_JOURNAL_DIRECTORY, name);
        r = kh_host_read(j->root, path, &text, err);
        if (r < 0)
                return r;
        record = calloc(1, sizeof(*record));
        if (record && read_record(kh_text_view(&text), record)) {
                record->number = (unsigned)number;
                record->next = j->records;
                j->records = record;
        } else {
                if (record)
                        free_record(record);
                r = kh_fail(err, -EBADMSG,
                        "'%s' is no record of this version: use the version that wrote it", path);
        }
        kh_text_done(&text);
        return r;
}

int kh_journal_open(struct kh_journal *ret, const struct kh_host *root, struct kh_err *err)
{
        kh_cleanup(kh_freep) struct kh_names *names = malloc(sizeof(*names));
        int r;

        *ret = (struct kh_journal){ .root = root };
        if (!names)
                return kh_fail(err, -ENOMEM, "out of memory");
        r = kh_host_list(root, KH_JOURNAL_DIRECTORY, names, err);
        for (unsigned i = 0; r == 0 && i < names->n; i++)
                r = load_record(ret, names->v[i], err);
        if (r == 0 || names->n)
                kh_names_done(names);
        if (r < 0)
                kh_journal_close(ret);
        return r;
}

void kh_journal_close(struct kh_journal *j)
{
        while (j->records) {
                struct kh_record *r = j->records;

                j->records = r->next;
                free_record(r);
        }
}

struct kh_record *kh_journal_find(const struct kh_journal *j, const char *path)
{
        struct kh_record *r = j->records;

        while (r && strcmp(r->path, path) != 0)
                r = r->next;
        return r;
}

struct kh_record *kh_journal_get(struct kh_journal *j, enum kh_record_kind kind, const char *path)
{
        struct kh_record *r = kh_journal_find(j, path);

        if (r)
                return r;
        r = calloc(1, sizeof(*r));
        if (!r)
                return NULL;
        r->path = strdup(path);
        if (!r->path)
                return free_record(r);
        r->kind = kind;
        r->number = j->records ? j->records->number + 1 : 1;
        r->next = j->records;
        j->records = r;
        return r;
}

static void put_owners(struct kh_buf *b, struct kh_span key, unsigned owners)
{
        kh_json_put_key(b, key);
        kh_json_open(b, '[');
        for (int i = 0; i < KH_OWNER_COUNT; i++) {
                if (!(owners >> i & 1))
                        continue;
                kh_json_put_comma(b);
                kh_json_put_string(b, kh_span_of(kh_owner_name[i]));
        }
        kh_json_close(b, ']');
}

static void put_size(struct kh_buf *b, struct kh_span key, const struct kh_text *text)
{
        if (!text->p)
                return;
        kh_json_put_key(b, key);
        kh_buf_u64(b, text->n);
}

static bool write_record(const struct kh_record *r, struct kh_text *out)
{
        char room[HEADER_MAX];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        kh_json_open(&b, '{');
        kh_json_put_u64_member(&b, KH_SPAN("version"), VERSION);
        kh_json_put_str_member(&b, KH_SPAN("path"), kh_span_of(r->path));
        kh_json_put_str_member(&b, KH_SPAN("kind"), kh_span_of(kind_name[r->kind]));
        kh_json_put_str_member(&b, KH_SPAN("format"), kh_span_of(kh_format_name[r->format]));
        put_owners(&b, KH_SPAN("owners"), r->owners);
        put_owners(&b, KH_SPAN("awaits"), r->awaits);
        kh_json_put_str_member(&b, KH_SPAN("boot"), kh_span_of(r->boot_id));
        kh_json_put_u64_member(&b, KH_SPAN("changed"), r->changed_ns);
        if (r->who.uid) {
                kh_json_put_u64_member(&b, KH_SPAN("uid"), r->who.uid);
                kh_json_put_u64_member(&b, KH_SPAN("gid"), r->who.gid);
        }
        put_size(&b, KH_SPAN("base"), &r->base);
        put_size(&b, KH_SPAN("after"), &r->after);
        kh_json_close(&b, '}');
        kh_buf_char(&b, '\n');
        kh_text_span(out, kh_buf_view(&b));
        kh_text_span(out, kh_text_view(&r->base));
        kh_text_span(out, kh_text_view(&r->after));
        return !b.over && !out->failed && !r->base.failed && !r->after.failed;
}

/* The directories of the journal itself need no record: they go when the last one does. */
int kh_journal_prepare(const struct kh_journal *j, struct kh_err *err)
{
        const struct kh_host *root = j->root;
        char resolved[PATH_MAX];
        const char *name;
        int r = kh_host_resolve(root, KH_JOURNAL_DIRECTORY, resolved, err);

        for (char *slash = resolved; r == 0 && slash; slash = strchr(slash + 1, '/')) {
                char path[PATH_MAX];
                const char *next = strchr(slash + 1, '/');
                kh_cleanup(kh_closep) int dir = -EBADF;

                (void)snprintf(path, sizeof(path), "%.*s",
                        next ? (int)(next - resolved) : (int)strlen(resolved), resolved);
                dir = kh_host_open_parent(root, path, &name);
                if (dir < 0 || (mkdirat(dir, name, next ? 0755 : 0700) < 0 && errno != EEXIST))
                        r = kh_fail(err, dir < 0 ? dir : -errno, "make '%s': %s", path,
                                kh_strerror(dir < 0 ? dir : errno));
        }
        return r;
}

void kh_journal_stamp(struct kh_record *record)
{
        record->changed_ns = kh_boottime_ns();
        kh_boot_id(record->boot_id, sizeof(record->boot_id));
}

int kh_journal_write(struct kh_journal *j, struct kh_record *record, struct kh_err *err)
{
        struct kh_text text = { 0 };
        char path[PATH_MAX];
        int r = kh_journal_prepare(j, err);

        if (r < 0)
                return r;
        record_path(record, path);
        r = write_record(record, &text)
                    ? kh_file_set(j->root, path, kh_text_view(&text), 0600, NULL, err)
                    : kh_fail(err, -ENOMEM, "cannot keep a record of '%s'", record->path);
        kh_text_done(&text);
        return r;
}

/* What was left by an interruption while a record was written. */
static void remove_temporaries(const struct kh_host *root)
{
        int fd = kh_host_openat(root, KH_JOURNAL_DIRECTORY, O_RDONLY | O_DIRECTORY);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;

        if (!dir) {
                kh_close(fd);
                return;
        }
        while ((entry = readdir(dir))) {
                if (kh_span_ends(kh_span_of(entry->d_name), KH_SPAN(KH_TEMPORARY_SUFFIX)))
                        (void)unlinkat(fd, entry->d_name, 0);
        }
        (void)closedir(dir);
}

void kh_journal_tidy(struct kh_journal *j)
{
        static const char *const paths[] = { KH_JOURNAL_DIRECTORY, "/var/lib/kubearmor" };

        remove_temporaries(j->root);
        if (!j->records)
                (void)kh_file_set(
                        j->root, KH_JOURNAL_SETTINGS, (struct kh_span){ 0 }, 0, NULL, NULL);
        for (size_t i = 0; !j->records && i < sizeof(paths) / sizeof(paths[0]); i++) {
                const char *name;
                kh_cleanup(kh_closep) int dir = kh_host_open_parent(j->root, paths[i], &name);

                if (dir >= 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                        return;
        }
}

int kh_journal_forget(struct kh_journal *j, struct kh_record *record, struct kh_err *err)
{
        struct kh_record **link = &j->records;
        char path[PATH_MAX];
        int r;

        record_path(record, path);
        r = kh_file_set(j->root, path, (struct kh_span){ 0 }, 0, NULL, err);
        if (r < 0)
                return r;
        while (*link != record)
                link = &(*link)->next;
        *link = record->next;
        free_record(record);
        return 0;
}

static int make_recorded(const struct kh_journal *j, const struct kh_record *record)
{
        const char *name;
        kh_cleanup(kh_closep) int parent = kh_host_open_parent(j->root, record->path, &name);
        kh_cleanup(kh_identity_leave) struct kh_identity who = kh_identity_enter(record->who);

        (void)who;
        if (parent < 0)
                return parent;
        return mkdirat(parent, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int make_directory(struct kh_journal *j, unsigned owners, struct kh_identity who,
        const char *path, struct kh_err *err)
{
        struct kh_record *record = kh_journal_get(j, KH_RECORD_DIRECTORY, path);
        int r;

        if (!record)
                return kh_fail(err, -ENOMEM, "out of memory");
        record->owners |= owners;
        record->who = who;
        kh_journal_stamp(record);
        r = kh_journal_write(j, record, err);
        if (r < 0)
                return r;
        r = make_recorded(j, record);
        return r < 0 ? kh_fail(err, r, "make directory '%s': %s", path, kh_strerror(r)) : 0;
}

int kh_journal_make_directory(struct kh_journal *j, unsigned owners, struct kh_identity who,
        const char *path, struct kh_err *err)
{
        char way[PATH_MAX];
        size_t n = 0;
        int r = 0;

        while (r == 0 && path[n]) {
                n += 1 + strcspn(path + n + 1, "/");
                (void)snprintf(way, sizeof(way), "%.*s", (int)n, path);
                if (!kh_host_exists(j->root, way))
                        r = make_directory(j, owners, who, way, err);
        }
        return r;
}
