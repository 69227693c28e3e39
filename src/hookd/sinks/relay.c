/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd/sinks/relay.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "hookd/core.h"
#include "hookd/log.h"
#include "hookd/sinks/relay_message.h"
#include "hookd/timestamp.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { STEPS_A_TURN = 64 }; /* containers looked at before others get their turn */

#define FIRST_PAUSE_NS (100 * KH_NS_PER_MS)
#define LAST_PAUSE_NS  (1 * KH_NS_PER_S)
#define RESEND_NS      (50 * KH_NS_PER_MS) /* what the protocol asks for after "err" */
#define READY_NS       (1 * KH_NS_PER_S)
/*
 * Nobody waits for it. A message that is given up on is not obeyed later: KubeArmor answers before
 * it acts, and does not act when there is nobody to answer to.
 */
#define ANSWER_NS (10 * KH_NS_PER_S)

const struct kh_span kh_relay_phase_name[KH_RELAY_PHASE_COUNT] = {
        [KH_RELAY_WAITING] = { "waiting", 7 },
        [KH_RELAY_SNAPSHOT] = { "snapshot", 8 },
        [KH_RELAY_ENDING] = { "snapshot", 8 },
        [KH_RELAY_LIVE] = { "live", 4 },
};

static void hang_up(struct kh_relay *r)
{
        kh_loop_del(r->core->loop, r->slot);
        r->slot = -EBADF;
        kh_closep(&r->fd);
        kh_timer_set(&r->timer, 0);
        r->phase = KH_RELAY_WAITING;
        r->awaiting = r->refused = false;
        if (r->item)
                kh_ledger_put_back(&r->ledger, r->item);
        r->item = NULL;
}

static void try_later(struct kh_relay *r)
{
        kh_timer_set(&r->timer, kh_clock_ns() + r->pause_ns);
        r->pause_ns = 2 * r->pause_ns < LAST_PAUSE_NS ? 2 * r->pause_ns : LAST_PAUSE_NS;
}

/* Said once, however often it comes again before something is answered. */
static void fail(struct kh_relay *r, const char *why)
{
        if (!r->down)
                kh_log(LOG_WARNING, "relay down socket=%s behind=%zu reason=\"%s\"", r->path,
                        kh_relay_behind(r), why);
        r->down = true;
        r->up = false;
        r->failures++;
        hang_up(r);
        try_later(r);
}

static void works(struct kh_relay *r)
{
        if (!r->up)
                kh_log(LOG_NOTICE, "relay up socket=%s behind=%zu", r->path, kh_relay_behind(r));
        r->up = true;
        r->down = false;
        r->pause_ns = FIRST_PAUSE_NS;
}

static void send_message(struct kh_relay *r)
{
        /* One message is on its way at a time, so there is room for it. */
        ssize_t n = send(r->fd, r->message, r->message_n, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n != (ssize_t)r->message_n) {
                fail(r, n < 0 ? kh_strerror(errno) : "it takes no whole message");
                return;
        }
        r->answer_n = 0;
        r->refused = false;
        r->awaiting = true;
        kh_timer_set(&r->timer, r->answer_by_ns);
}

static void say(struct kh_relay *r)
{
        uint64_t now = kh_clock_ns();

        r->told_any = true;
        r->answer_by_ns = now + ANSWER_NS;
        r->ready_by_ns = now + READY_NS;
        send_message(r);
}

/* KubeArmor knows one container of an id, so two runtimes' that share one are told in turn. */
static const struct kh_entry *who_is_there(const struct kh_relay *r, const struct kh_item *item)
{
        const struct kh_inventory *inv = &r->core->inventory;
        const struct kh_entry *e = NULL, *any = NULL;

        while ((e = kh_inventory_find_id(inv, kh_item_id(item), e))) {
                if (e->serial == item->serial)
                        return e;
                any = e;
        }
        return any;
}

static void begin(struct kh_relay *r, struct kh_item *item, enum kh_operation operation,
        uint64_t serial, uint64_t digest)
{
        r->item = item;
        r->operation = operation;
        kh_ledger_tell(&r->ledger, item, serial, digest);
        say(r);
}

/* Says the next thing that is to be said of ITEM, if there is any. */
static void update(struct kh_relay *r, struct kh_item *item)
{
        const struct kh_entry *e = who_is_there(r, item);
        bool detached = r->phase == KH_RELAY_SNAPSHOT;
        uint64_t digest = 0;

        if (e)
                r->message_n = kh_relay_write_create(
                        r->message, &r->core->inventory, e, detached, &digest);
        if (e && !item->unsure && item->serial == e->serial && item->digest == digest)
                return;
        if (kh_item_is_known(item)) {
                /* It ignores a create of an id that it knows: what changed is deleted first. */
                r->message_n = kh_relay_write_delete(r->message, kh_item_id(item), detached);
                begin(r, item, KH_OP_DELETE, 0, 0);
        } else if (e) {
                begin(r, item, KH_OP_CREATE, e->serial, digest);
        } else {
                kh_ledger_forget(&r->ledger, item);
        }
}

/*
 * Its last message may not be taken in yet, though it is answered. Once it has closed as well, it
 * is, and what comes on another connection cannot overtake it.
 */
static void end_snapshot(struct kh_relay *r)
{
        if (!r->told_any) {
                r->message_n = kh_relay_write_delete(r->message, KH_RESERVED_ID, true);
                say(r);
                return;
        }
        if (shutdown(r->fd, SHUT_WR) < 0) {
                fail(r, kh_strerror(errno));
                return;
        }
        r->phase = KH_RELAY_ENDING;
        kh_timer_set(&r->timer, kh_clock_ns() + READY_NS);
}

static void go_on(struct kh_relay *r)
{
        for (int i = 0; i < STEPS_A_TURN; i++) {
                struct kh_item *item;

                if (r->awaiting || (r->phase != KH_RELAY_SNAPSHOT && r->phase != KH_RELAY_LIVE))
                        return;
                item = r->phase == KH_RELAY_LIVE || r->left ? kh_ledger_take(&r->ledger) : NULL;
                if (item) {
                        r->left -= r->left > 0;
                        update(r, item);
                } else if (r->phase == KH_RELAY_SNAPSHOT) {
                        end_snapshot(r);
                } else {
                        kh_ledger_settle(&r->ledger);
                        return;
                }
        }
        kh_timer_set(&r->timer, kh_clock_ns());
}

static void taken(struct kh_relay *r)
{
        r->messages++;
        r->awaiting = false;
        kh_timer_set(&r->timer, 0);
        works(r);
        if (r->item) {
                r->item->unsure = false;
                if (r->operation == KH_OP_DELETE) { /* perhaps there is another one by now */
                        kh_ledger_put_back(&r->ledger, r->item);
                        r->left += r->phase == KH_RELAY_SNAPSHOT;
                }
        }
        r->item = NULL;
        go_on(r);
}

static void refused(struct kh_relay *r)
{
        uint64_t now = kh_clock_ns();

        if (r->phase == KH_RELAY_LIVE && now >= r->ready_by_ns) {
                r->synced = false;
                fail(r, "it asks for a snapshot");
                return;
        }
        r->refused = true;
        r->resent++;
        kh_timer_set(&r->timer, now + RESEND_NS);
}

static void read_answer(struct kh_relay *r)
{
        struct kh_span answer = { r->answer, r->answer_n };

        if (!r->awaiting || r->refused)
                fail(r, "it answers what was not said");
        else if (kh_span_eq(answer, KH_SPAN("ok")))
                taken(r);
        else if (kh_span_eq(answer, KH_SPAN("err")))
                refused(r);
        else if (!kh_span_starts(KH_SPAN("ok"), answer) && !kh_span_starts(KH_SPAN("err"), answer))
                fail(r, "its answer is none of the protocol's");
}

static void connect_to_peer(struct kh_relay *r);

static void snapshot_taken(struct kh_relay *r)
{
        r->synced = true;
        r->snapshots++;
        hang_up(r);
        connect_to_peer(r);
}

static void on_ready(void *arg, uint32_t events)
{
        struct kh_relay *r = arg;
        ssize_t n =
                recv(r->fd, r->answer + r->answer_n, sizeof(r->answer) - r->answer_n, MSG_DONTWAIT);

        (void)events;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n == 0 && r->phase == KH_RELAY_ENDING) {
                snapshot_taken(r);
        } else if (n <= 0) {
                fail(r, n == 0 ? "it hung up" : kh_strerror(errno));
        } else {
                r->answer_n += (size_t)n;
                read_answer(r);
        }
}

/*
 * Told apart by its socket's file, which KubeArmor makes anew at each start, and by its pid. -ESTALE
 * when the file changed while we connected.
 */
static int open_connection(const char *path, struct kh_agent *ret)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        kh_cleanup(kh_closep) int fd =
                socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct ucred peer;
        socklen_t size = sizeof(peer);
        struct stat before, after;

        memcpy(address.sun_path, path, strlen(path));
        if (fd < 0 || stat(path, &before) < 0 ||
                connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
                getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || stat(path, &after) < 0)
                return -errno;
        if (before.st_dev != after.st_dev || before.st_ino != after.st_ino)
                return -ESTALE;
        /* Anyone else's would be told of every container, and KubeArmor is root. */
        if (peer.uid != 0 && peer.uid != geteuid())
                return -EPERM;
        if (peer.pid == getpid())
                return -ELOOP;
        *ret = (struct kh_agent){
                .device = after.st_dev,
                .inode = after.st_ino,
                .made_ns = (uint64_t)after.st_mtim.tv_sec * KH_NS_PER_S +
                           (uint64_t)after.st_mtim.tv_nsec,
                .pid = (uint64_t)peer.pid,
        };
        return kh_take_fd(&fd);
}

static void not_connected(struct kh_relay *r, int error)
{
        switch (error) {
        case -ENOENT:
        case -ECONNREFUSED:
        case -ESTALE: /* it does not run, or starts */
                try_later(r);
                break;
        case -EAGAIN:
                fail(r, "its backlog is full");
                break;
        case -EPERM:
                fail(r, "who listens there is not root");
                break;
        case -ELOOP:
                fail(r, "we listen there ourselves");
                break;
        default:
                fail(r, kh_strerror(error));
        }
}

static void connect_to_peer(struct kh_relay *r)
{
        struct kh_agent peer;
        int fd = open_connection(r->path, &peer);

        if (fd < 0) {
                not_connected(r, fd);
                return;
        }
        r->fd = fd;
        r->slot = kh_loop_add(r->core->loop, fd, EPOLLIN, on_ready, r);
        if (r->slot < 0) {
                fail(r, kh_strerror(r->slot));
                return;
        }
        if (!kh_ledger_meets(&r->ledger, &peer))
                r->synced = false;
        r->phase = r->synced ? KH_RELAY_LIVE : KH_RELAY_SNAPSHOT;
        r->left = r->ledger.due_n;
        r->told_any = false;
        r->answer_n = 0;
        go_on(r);
}

static void on_timer(void *arg)
{
        struct kh_relay *r = arg;

        if (r->phase == KH_RELAY_WAITING)
                connect_to_peer(r);
        else if (r->phase == KH_RELAY_ENDING) /* it never closes, and has had its time */
                snapshot_taken(r);
        else if (r->awaiting && kh_clock_ns() >= r->answer_by_ns)
                fail(r, r->refused ? "it is not ready" : "it does not answer");
        else if (r->refused)
                send_message(r);
        else
                go_on(r);
}

static void run_deferred(struct kh_deferred *d)
{
        go_on(kh_container_of(d, struct kh_relay, deferred));
}

void kh_relay_init(struct kh_relay *r, struct kh_core *core, const char *path)
{
        *r = (struct kh_relay){ .core = core,
                .path = path,
                .fd = -EBADF,
                .slot = -EBADF,
                .pause_ns = FIRST_PAUSE_NS,
                .deferred.fn = run_deferred };
        kh_ledger_init(&r->ledger);
        kh_list_init(&r->deferred.node);
        kh_timer_init(core->loop, &r->timer, on_timer, r);
}

void kh_relay_restore(struct kh_relay *r, int state_dir)
{
        const struct kh_inventory *inv = &r->core->inventory;

        if (!r->path)
                return;
        kh_ledger_open(&r->ledger, state_dir);
        kh_list_for_each(node, next, &inv->all) {
                const struct kh_entry *e = kh_container_of(node, struct kh_entry, all);

                kh_ledger_add(&r->ledger, kh_entry_piece(e, e->id));
        }
}

void kh_relay_start(struct kh_relay *r)
{
        if (!r->path)
                return;
        kh_log(LOG_NOTICE, "relaying to=%s", r->path);
        connect_to_peer(r);
}

void kh_relay_done(struct kh_relay *r)
{
        kh_loop_del(r->core->loop, r->slot);
        kh_closep(&r->fd);
        kh_ledger_done(&r->ledger);
}

/* What came and went while the peer was away is nothing to it, nor to us. */
static bool forget_unknown(struct kh_relay *r, const struct kh_entry *removed)
{
        const struct kh_inventory *inv = &r->core->inventory;
        struct kh_span id = kh_entry_piece(removed, removed->id);
        struct kh_item *item = kh_ledger_find(&r->ledger, id);
        const struct kh_entry *first = kh_inventory_find_id(inv, id, NULL);

        if (!item || item == r->item || kh_item_is_known(item) || first != removed ||
                kh_inventory_find_id(inv, id, first))
                return false;
        kh_ledger_forget(&r->ledger, item);
        return true;
}

void kh_relay_tell(struct kh_relay *r, const struct kh_change *change)
{
        const struct kh_entry *e = change->entry;

        /* A change of the state alone is none to KubeArmor. */
        if (!r->path || (change->type == KH_UPDATED && change->was == e))
                return;
        if (change->type == KH_REMOVED && forget_unknown(r, e))
                return;
        kh_ledger_add(&r->ledger, kh_entry_piece(e, e->id));
        if (r->phase == KH_RELAY_LIVE && !r->awaiting && kh_list_is_empty(&r->deferred.node))
                kh_loop_defer(r->core->loop, &r->deferred);
}
