/* SPDX-License-Identifier: Apache-2.0 */
/* A handle's life, and the questions that lead to containers. */
#include "client/client.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "client/status.h"
#include "json/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A struct of a later version is taken as long as what this one does not know is 0. */
static bool is_known(const void *options, size_t size, size_t known)
{
        const char *p = options;

        for (size_t i = known; i < size; i++) {
                if (p[i])
                        return false;
        }
        return true;
}

static int set_options(
        struct kubearmor_hook *hook, const struct kubearmor_hook_options *given, size_t size)
{
        struct kubearmor_hook_options options = { 0 };
        struct kh_buf path = kh_buf_of(hook->address.sun_path, sizeof(hook->address.sun_path));

        if (given) {
                if (!is_known(given, size, sizeof(options)))
                        return -EINVAL;
                memcpy(&options, given, size < sizeof(options) ? size : sizeof(options));
        }
        if (!options.path)
                options.path = KUBEARMOR_HOOK_EVENTS_SOCKET;
        if (!options.timeout_ms)
                options.timeout_ms = 5000;
        hook->timeout_ns = options.timeout_ms * KH_NS_PER_MS;
        hook->address.sun_family = AF_UNIX;
        kh_buf_span(&path, kh_span_of(options.path));
        return kh_buf_terminate(&path) && path.len ? 0 : -EINVAL;
}

int kubearmor_hook_open(const struct kubearmor_hook_options *options, struct kubearmor_hook **ret)
{
        struct kubearmor_hook *hook = calloc(1, sizeof(*hook));
        int rc;

        if (!hook)
                return -ENOMEM;
        rc = set_options(hook, options, options ? options->size : 0);
        if (rc == 0)
                rc = kh_stream_init(&hook->stream, &hook->err);
        if (rc < 0) {
                free(hook);
                return rc;
        }
        kh_follow_init(&hook->follow);
        *ret = hook;
        return 0;
}

void kubearmor_hook_close(struct kubearmor_hook *hook)
{
        if (!hook)
                return;
        kh_follow_reset(&hook->follow);
        kh_event_room_done(&hook->room);
        kh_status_room_free(hook->status);
        kh_stream_done(&hook->stream);
        free(hook->metrics);
        free(hook);
}

const char *kubearmor_hook_error(const struct kubearmor_hook *hook)
{
        return hook->err.msg;
}

int kubearmor_hook_fd(const struct kubearmor_hook *hook)
{
        return hook->stream.epoll;
}

const char *kubearmor_hook_namespace_name(enum kubearmor_hook_namespace_type type)
{
        return (unsigned)type < KH_NS_COUNT ? kh_ns_name[type].p : NULL;
}

static int put_filter_members(
        struct kh_buf *b, const struct kubearmor_hook_filter *f, struct kh_err *err)
{
        const struct {
                struct kh_span key;
                const char *value;
        } members[] = {
                { KH_SPAN("id"), f->id },
                { KH_SPAN("name"), f->name },
                { KH_SPAN("pod"), f->pod },
                { KH_SPAN("namespace"), f->pod_namespace },
                { KH_SPAN("runtime"), f->runtime },
                { KH_SPAN("type"), f->type },
                { KH_SPAN("state"), f->state },
        };

        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                struct kh_span value = kh_span_of(members[i].value);

                if (value.p && !kh_utf8_is_text(value))
                        return kh_fail(err, -EINVAL, "a filter that is not UTF-8");
                kh_json_put_str_member(b, members[i].key, value);
        }
        return 0;
}

static int put_filter(
        struct kh_buf *b, const struct kubearmor_hook_filter *given, struct kh_err *err)
{
        struct kubearmor_hook_filter filter = { 0 };
        int rc;

        if (!given)
                return 0;
        if (!is_known(given, given->size, sizeof(filter)))
                return kh_fail(err, -EINVAL, "a filter that this version does not know");
        memcpy(&filter, given, given->size < sizeof(filter) ? given->size : sizeof(filter));
        kh_json_put_key(b, KH_SPAN("filter"));
        kh_json_open(b, '{');
        rc = put_filter_members(b, &filter, err);
        kh_json_close(b, '}');
        return rc;
}

int kubearmor_hook_subscribe(
        struct kubearmor_hook *hook, const struct kubearmor_hook_filter *filter, unsigned flags)
{
        struct kh_buf b;
        int rc;

        if (flags & ~(unsigned)KUBEARMOR_HOOK_RECONNECT)
                return kh_fail(&hook->err, -EINVAL, "flags that this version does not know");
        kh_ask_begin(hook, &b, KH_SPAN("subscribe"));
        rc = put_filter(&b, filter, &hook->err);
        if (rc == 0)
                rc = kh_ask(hook, &b, KH_ASK_SUBSCRIBE);
        hook->reconnect = rc == 0 && flags & KUBEARMOR_HOOK_RECONNECT;
        return rc;
}

int kubearmor_hook_list(struct kubearmor_hook *hook, const struct kubearmor_hook_filter *filter)
{
        struct kh_buf b;
        int rc;

        kh_ask_begin(hook, &b, KH_SPAN("list"));
        rc = put_filter(&b, filter, &hook->err);
        return rc < 0 ? rc : kh_ask(hook, &b, KH_ASK_LIST);
}
