/* SPDX-License-Identifier: Apache-2.0 */
#include "hookctl/setup_options.h"

#include "base/clock.h"
#include "base/number.h"
#include "setup/hook_set.h"

#include <string.h>

static bool is_absolute(const char *value, const char **ret)
{
        *ret = value;
        return *value == '/';
}

/* The hook is called with it as it was given here. */
static bool pass_on(struct kh_setup_options *o, const char *option, const char *value)
{
        if (o->n_arguments == KH_HOOK_ARGUMENTS_MAX)
                return false;
        o->arguments[o->n_arguments++] = (struct kh_hook_argument){ option, value };
        return true;
}

static bool read_stages(struct kh_setup_options *o, const char *value)
{
        char *names = strdup(value), *rest = names, *name;

        o->n_stages = 0;
        while (names && (name = strsep(&rest, ","))) {
                if (o->n_stages == KH_STAGES_MAX || !kh_stage_is_known(name))
                        return false;
                for (unsigned i = 0; i < o->n_stages; i++) {
                        if (strcmp(o->stages[i], name) == 0)
                                return false;
                }
                o->stages[o->n_stages++] = name; /* needed until the program ends */
        }
        return o->n_stages > 0;
}

static bool read_runtime(struct kh_setup_options *o, const char *value)
{
        for (int i = 0; i < KH_OWNER_COUNT; i++) {
                if (strcmp(value, kh_owner_name[i]) == 0 && o->n_runtimes < KH_RUNTIMES_MAX) {
                        o->runtimes[o->n_runtimes++] = kh_owner_name[i];
                        return true;
                }
        }
        return false;
}

static bool read_hook_timeout(struct kh_setup_options *o, const char *value)
{
        return kh_parse_duration_ns(kh_span_of(value), &o->timeout_ns) && o->timeout_ns > 0 &&
               pass_on(o, "--timeout", value);
}

static bool read_wait(const char *value, unsigned *ret_ms)
{
        uint64_t ns;

        if (!kh_parse_duration_ns(kh_span_of(value), &ns))
                return false;
        *ret_ms = (unsigned)(ns / KH_NS_PER_MS);
        return true;
}

static bool apply_to_hook(enum kh_option_id id, const char *value, struct kh_setup_options *o)
{
        switch (id) {
        case KH_OPT_HOOK_SOCKET:
                return pass_on(o, "--socket", value);
        case KH_OPT_HOOK_SPOOL:
                return pass_on(o, "--spool", value);
        case KH_OPT_HOOK_TIMEOUT:
                return read_hook_timeout(o, value);
        case KH_OPT_HOOK_LOG:
                return pass_on(o, "--log", value);
        case KH_OPT_FAIL_CLOSED:
                return pass_on(o, "--fail-closed", NULL);
        case KH_OPT_EXEMPT_NAMESPACE:
                return pass_on(o, "--exempt-namespace", value);
        case KH_OPT_LISTENER_COMMAND:
                return pass_on(o, "--listener-command", value);
        case KH_OPT_STATE_ROOT:
                return *value == '/' && pass_on(o, "--state-root", value);
        case KH_OPT_DENY_RUNTIME_SOCKETS:
                return pass_on(o, "--deny-runtime-sockets", NULL);
        default:
                return false;
        }
}

bool kh_apply_setup_option(enum kh_option_id id, const char *value, struct kh_settings *s)
{
        struct kh_setup_options *o = &s->setup;

        switch (id) {
        case KH_OPT_ON_RUNTIME:
                return read_runtime(o, value);
        case KH_OPT_HOST_ROOT:
                return is_absolute(value, &o->host_root);
        case KH_OPT_DRY_RUN:
                return s->dry_run = true;
        case KH_OPT_RESTART:
                return s->restart = true;
        case KH_OPT_ROOTLESS:
                if (o->n_rootless == KH_ROOTLESS_MAX || !*value)
                        return false;
                o->rootless[o->n_rootless++] = value;
                return true;
        case KH_OPT_DEFAULTS:
                return s->defaults = true;
        case KH_OPT_WAIT:
                return read_wait(value, &s->wait_ms);
        case KH_OPT_BIN_DIR:
                return is_absolute(value, &o->bin_dir);
        case KH_OPT_SOURCE_DIR:
                return is_absolute(value, &o->source_dir);
        case KH_OPT_STAGES:
                return read_stages(o, value);
        case KH_OPT_DOCKER_DEFAULT:
                return o->docker_default = true;
        case KH_OPT_RUNTIME_PATH:
                return is_absolute(value, &o->runtime_path);
        default:
                return apply_to_hook(id, value, o);
        }
}
