/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/journal.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "hookd/log.h"
#include "hookd/timestamp.h"
#include "wire/codec.h"
#include "wire/request.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define FILE_NAME "journal"
#define TEMP_NAME "journal.new"

enum {
        FORMAT = 1,
        HEAD_MAX = 512, /* of a line before the container's text, with the longest id escaped */
        /*
         * History that may lie beside as much again as is alive: a rewrite every 2,000 or so lives.
         */
        HISTORY_MAX = 4 * 1024 * 1024,
        RECORD_EXTRA = 160, /* about what a line has beside the container's text */
};

#define RETRY_NS (1 * KH_NS_PER_S)

static ssize_t read_boot_id(char buf[64])
{
        ssize_t n = kh_read_kernel_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", buf, 64);

        while (n > 0 && buf[n - 1] == '\n')
                n--;
        return n;
}

static uint64_t own_pid_ns(void)
{
        struct stat st;

        return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

static void put_header(struct kh_buf *b)
{
        char boot[64];
        ssize_t n = read_boot_id(boot);

        kh_json_open(b, '{');
        kh_json_put_u64_member(b, KH_SPAN("journal"), FORMAT);
        if (n > 0)
                kh_json_put_str_member(b, KH_SPAN("boot"), (struct kh_span){ boot, (size_t)n });
        kh_json_put_u64_member(b, KH_SPAN("pidNamespace"), own_pid_ns());
        kh_json_close(b, '}');
        kh_buf_char(b, '\n');
}

/* The line of an entry, up to its text; "}}\n" follows that. */
static void put_entry_head(struct kh_buf *b, const struct kh_entry *e)
{
        kh_json_open(b, '{');
        kh_json_put_u64_member(b, KH_SPAN("n"), e->serial);
        kh_json_put_str_member(b, KH_SPAN("state"), kh_state_name[e->state]);
        kh_json_put_str_member(b, KH_SPAN("source"), kh_source_name[e->source]);
        kh_json_put_u64_member(b, KH_SPAN("at"), e->created_real_ns);
        kh_json_put_u64_member(b, KH_SPAN("uid"), e->told_by);
        kh_json_put_bool_member(b, KH_SPAN("pidIsOurs"), e->pid_is_ours);
        kh_json_put_key(b, KH_SPAN("container"));
        kh_json_open(b, '{');
}

/* What became of an entry that the journal holds already. */
static void put_state(struct kh_buf *b, const struct kh_entry *e, struct kh_span state)
{
        kh_json_open(b, '{');
        kh_json_put_u64_member(b, KH_SPAN("n"), e->serial);
        kh_json_put_str_member(b, KH_SPAN("state"), state);
        kh_json_put_str_member(b, KH_SPAN("id"), kh_entry_piece(e, e->id));
        kh_json_close(b, '}');
        kh_buf_char(b, '\n');
}

struct line {
        uint64_t serial;
        uint64_t at;
        uint64_t uid;
        struct kh_span id, state, source;
        bool pid_is_ours, whole;
        struct kh_container container;
};

static void read_container(struct kh_json *j, struct line *l)
{
        struct kh_span key;

        kh_container_init(&l->container);
        if (!kh_json_enter_object(j))
                return;
        l->whole = true;
        while (kh_json_member(j, &key)) {
                if (!kh_container_read_member(j, key, &l->container))
                        kh_json_skip(j);
        }
}

static bool read_line(char *text, size_t n, struct line *l)
{
        struct kh_json j = kh_json_of(text, n);
        struct kh_span key;

        l->serial = l->at = l->uid = 0;
        l->id = l->state = l->source = (struct kh_span){ 0 };
        l->pid_is_ours = l->whole = false;
        if (!kh_json_enter_object(&j))
                return false;
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("n")))
                        kh_json_u64(&j, UINT64_MAX, &l->serial);
                else if (kh_span_eq(key, KH_SPAN("state")))
                        kh_json_string(&j, &l->state);
                else if (kh_span_eq(key, KH_SPAN("source")))
                        kh_json_string(&j, &l->source);
                else if (kh_span_eq(key, KH_SPAN("at")))
                        kh_json_u64(&j, UINT64_MAX, &l->at);
                else if (kh_span_eq(key, KH_SPAN("uid")))
                        kh_json_u64(&j, UINT32_MAX, &l->uid);
                else if (kh_span_eq(key, KH_SPAN("pidIsOurs")))
                        kh_json_bool(&j, &l->pid_is_ours);
                else if (kh_span_eq(key, KH_SPAN("id")))
                        kh_json_string(&j, &l->id);
                else if (kh_span_eq(key, KH_SPAN("container")))
                        read_container(&j, l);
                else
                        kh_json_skip(&j);
        }
        return kh_json_end(&j);
}

static int index_of(const struct kh_span *names, int n, struct kh_span name)
{
        for (int i = 0; i < n; i++) {
                if (kh_span_eq(names[i], name))
                        return i;
        }
        return -1;
}

/* What one line says, done to the inventory. */
static void apply(struct kh_inventory *inv, const struct line *l)
{
        int state = index_of(kh_state_name, KH_STATE_COUNT, l->state);
        int source = index_of(kh_source_name, KH_SOURCE_COUNT, l->source);
        struct kh_arrival arrival = {
                .container = &l->container,
                .source = source < 0 ? KH_SOURCE_HOOK : (enum kh_source)source,
                .alive = state == KH_STATE_EXITED ? KH_NO : KH_UNKNOWN,
                .state = state < 0 ? KH_STATE_CREATED : (enum kh_state)state,
                .told_by = (uint32_t)l->uid,
                .pid_is_ours = l->pid_is_ours,
        };

        if (l->whole && kh_container_id_is_valid(l->container.id))
                (void)kh_inventory_restore(inv, &arrival, l->serial, l->at);
        else if (!l->whole && l->id.p && state < 0)
                kh_inventory_forget(inv, l->id, l->serial);
        else if (!l->whole && l->id.p)
                kh_inventory_restore_state(inv, l->id, l->serial, arrival.state);
}

/* Whether the pids of this journal are of this boot; *RET_SAME_PIDS: and of our pid namespace. */
static bool read_header(char *text, size_t n, bool *ret_same_pids)
{
        struct kh_json j = kh_json_of(text, n);
        struct kh_span key, boot = { 0 };
        uint64_t format = 0, pid_ns = 0;
        char now[64];
        ssize_t now_n = read_boot_id(now);

        if (!kh_json_enter_object(&j))
                return false;
        while (kh_json_member(&j, &key)) {
                if (kh_span_eq(key, KH_SPAN("journal")))
                        kh_json_u64(&j, UINT64_MAX, &format);
                else if (kh_span_eq(key, KH_SPAN("boot")))
                        kh_json_string(&j, &boot);
                else if (kh_span_eq(key, KH_SPAN("pidNamespace")))
                        kh_json_u64(&j, UINT64_MAX, &pid_ns);
                else
                        kh_json_skip(&j);
        }
        *ret_same_pids = pid_ns && pid_ns == own_pid_ns();
        return kh_json_end(&j) && format == FORMAT && now_n > 0 &&
               kh_span_eq(boot, (struct kh_span){ now, (size_t)now_n });
}

static int load(struct kh_journal *j, struct kh_inventory *inv, bool *ret_same_pids)
{
        static struct line line;
        kh_cleanup(kh_freep) char *text = NULL;
        size_t cap = 0;
        ssize_t n;
        FILE *file;
        int fd = openat(j->dir, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        file = fdopen(fd, "r");
        if (!file) {
                kh_close(fd);
                return -ENOMEM;
        }
        n = getline(&text, &cap, file);
        if (n > 0 && read_header(text, (size_t)n, ret_same_pids)) {
                while ((n = getline(&text, &cap, file)) > 0) {
                        if (read_line(text, (size_t)n, &line))
                                apply(inv, &line);
                }
        }
        (void)fclose(file);
        return 0;
}

static bool write_entries(FILE *file, const struct kh_inventory *inv, uint64_t *ret_bytes)
{
        char head[HEAD_MAX];
        struct kh_buf b = kh_buf_of(head, sizeof(head));

        put_header(&b);
        *ret_bytes = b.len;
        (void)fwrite(b.p, 1, b.len, file);
        kh_list_for_each(node, next, &inv->all) {
                const struct kh_entry *e = kh_container_of(node, struct kh_entry, all);

                b = kh_buf_of(head, sizeof(head));
                put_entry_head(&b, e);
                (void)fwrite(b.p, 1, b.len, file);
                (void)fwrite(e->text, 1, e->text_n, file);
                (void)fputs("}}\n", file);
                *ret_bytes += b.len + e->text_n + 3;
        }
        return fflush(file) == 0 && !ferror(file);
}

/* Only what is alive, beside the old file and then in its place. */
static int rewrite(struct kh_journal *j)
{
        kh_cleanup(kh_closep) int fd = openat(j->dir, TEMP_NAME,
                O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        int copy = fd < 0 ? -EBADF : fcntl(fd, F_DUPFD_CLOEXEC, 3);
        FILE *file = copy < 0 ? NULL : fdopen(copy, "a");
        uint64_t bytes;
        bool written;

        if (!file) {
                kh_close(copy);
                return -errno;
        }
        written = write_entries(file, j->inventory, &bytes);
        written &= fclose(file) == 0;
        if (!written || renameat(j->dir, TEMP_NAME, j->dir, FILE_NAME) < 0) {
                int r = -errno;

                (void)unlinkat(j->dir, TEMP_NAME, 0);
                return r ? r : -EIO;
        }
        kh_close(j->fd);
        j->fd = kh_take_fd(&fd);
        j->bytes = bytes;
        j->rewrites++;
        return 0;
}

static bool try_rewrite(struct kh_journal *j)
{
        uint64_t now = kh_clock_ns();
        int r;

        if (now < j->retry_ns)
                return false;
        r = rewrite(j);
        if (r == 0)
                return true;
        j->retry_ns = now + RETRY_NS;
        j->errors++;
        kh_log(LOG_ERR, "journal not rewritten error=\"%s\"", kh_strerror(r));
        return false;
}

static bool is_mostly_history(const struct kh_journal *j)
{
        const struct kh_inventory *inv = j->inventory;

        return j->bytes > 2 * (inv->text_bytes + inv->count * RECORD_EXTRA) + HISTORY_MAX;
}

/* What a former line says stays true, should this one be cut off: it is taken back. */
static void take_back(struct kh_journal *j, int error)
{
        j->errors++;
        kh_log(LOG_ERR, "journal not written error=\"%s\"", kh_strerror(error));
        (void)!ftruncate(j->fd, (off_t)j->bytes);
        kh_closep(&j->fd);
        j->retry_ns = kh_clock_ns() + RETRY_NS;
}

void kh_journal_write(struct kh_journal *j, const struct kh_change *change)
{
        const struct kh_entry *e = change->entry;
        char head[2 * HEAD_MAX]; /* every byte of an id may have to be escaped */
        struct kh_buf b = kh_buf_of(head, sizeof(head));
        bool whole = change->type == KH_CREATED || change->was != e;
        struct iovec iov[3];
        ssize_t n, want;

        if (j->dir < 0)
                return;
        /*
         * What is rewritten holds this change already, but for a removal: that one still is there.
         */
        if ((j->fd < 0 || is_mostly_history(j)) && try_rewrite(j) && change->type != KH_REMOVED)
                return;
        if (j->fd < 0)
                return;
        if (whole)
                put_entry_head(&b, e);
        else
                put_state(&b, e,
                        change->type == KH_REMOVED ? KH_SPAN("removed") : kh_state_name[e->state]);
        iov[0] = (struct iovec){ b.p, b.len };
        iov[1] = (struct iovec){ (void *)(uintptr_t)e->text, e->text_n };
        iov[2] = (struct iovec){ (void *)(uintptr_t) "}}\n", 3 };
        want = (ssize_t)(b.len + (whole ? e->text_n + 3 : 0));
        n = writev(j->fd, iov, whole ? 3 : 1);
        if (n == want)
                j->bytes += (uint64_t)n;
        else
                take_back(j, n < 0 ? -errno : -ENOSPC);
}

void kh_journal_mend(struct kh_journal *j)
{
        if (kh_journal_is_broken(j))
                (void)try_rewrite(j);
}

static int open_directory(const char *path, struct kh_err *err)
{
        kh_cleanup(kh_closep) int dir = -EBADF;
        struct stat st;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return kh_fail(err, -errno,
                        "create state directory '%s': %s (choose another with "
                        "--state)",
                        path, kh_strerror(errno));
        dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0 || fstat(dir, &st) < 0)
                return kh_fail(
                        err, -errno, "open state directory '%s': %s", path, kh_strerror(errno));
        if (st.st_uid != geteuid() || (st.st_mode & 022))
                return kh_fail(err, -EPERM,
                        "state directory '%s' must belong to uid %u and be writable to it alone",
                        path, (unsigned)geteuid());
        return kh_take_fd(&dir);
}

int kh_journal_open(struct kh_journal *j, const char *dir, struct kh_inventory *inventory,
        bool *ret_same_pids, struct kh_err *err)
{
        int r;

        *j = (struct kh_journal){ .inventory = inventory, .dir = -EBADF, .fd = -EBADF };
        *ret_same_pids = false;
        j->dir = open_directory(dir, err);
        if (j->dir < 0)
                return j->dir;
        r = load(j, inventory, ret_same_pids);
        if (r < 0)
                kh_log(LOG_ERR, "journal not read error=\"%s\"", kh_strerror(r));
        (void)try_rewrite(j);
        return 0;
}

void kh_journal_close(struct kh_journal *j)
{
        kh_closep(&j->fd);
        kh_closep(&j->dir);
}
