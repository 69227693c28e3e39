/* SPDX-License-Identifier: Apache-2.0 */
/* What the sub-commands share: their description, their settings, their exit codes. */
#pragma once

#include "kubearmor-hook.h"
#include "setup/setup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* kubearmor-hookctl(1) promises them. */
enum kh_exit {
        KH_EXIT_OK = 0,
        KH_EXIT_FAILURE = 1,
        KH_EXIT_USAGE = 2,
        KH_EXIT_UNREACHABLE = 3,
        KH_EXIT_NOT_FOUND = 4,
        KH_EXIT_AMBIGUOUS = 5,
        KH_EXIT_NOT_PERMITTED = 6,
};

enum kh_output { KH_OUT_TABLE, KH_OUT_WIDE, KH_OUT_TEXT, KH_OUT_JSON, KH_OUT_JSONL, KH_OUT_COUNT };

/* A person does not type more of them; a script has -o json and jq. */
enum { KH_MAX_LABELS = 16 };

struct kh_label {
        const char *name;
        size_t name_len;
        const char *value; /* NULL: any */
};

struct kh_settings {
        const char *events;
        unsigned timeout_ms;
        enum kh_output output;
        struct kubearmor_hook_filter filter;
        struct kh_label labels[KH_MAX_LABELS];
        size_t n_labels;
        bool watch;
        bool no_trunc;
        bool no_headers;
        bool color;
        uint64_t pid, mntns, pidns, cgroup; /* of `whose`; 0: not asked by */
        struct kh_setup_options setup;      /* what the sub-commands of set-up have to do */
        bool dry_run;
        bool restart;
        bool defaults; /* forget the options of earlier installs */
        unsigned wait_ms;
};

enum kh_option_id {
        KH_OPT_END,
        KH_OPT_EVENTS,
        KH_OPT_TIMEOUT,
        KH_OPT_OUTPUT,
        KH_OPT_COLOR,
        KH_OPT_NO_TRUNC,
        KH_OPT_NO_HEADERS,
        KH_OPT_WATCH,
        KH_OPT_NAMESPACE,
        KH_OPT_POD,
        KH_OPT_NAME,
        KH_OPT_RUNTIME,
        KH_OPT_TYPE,
        KH_OPT_STATE,
        KH_OPT_LABEL,
        KH_OPT_PID,
        KH_OPT_MNTNS,
        KH_OPT_PIDNS,
        KH_OPT_CGROUP,
        KH_OPT_ON_RUNTIME,
        KH_OPT_HOST_ROOT,
        KH_OPT_DRY_RUN,
        KH_OPT_RESTART,
        KH_OPT_WAIT,
        KH_OPT_BIN_DIR,
        KH_OPT_SOURCE_DIR,
        KH_OPT_STAGES,
        KH_OPT_DOCKER_DEFAULT,
        KH_OPT_RUNTIME_PATH,
        KH_OPT_HOOK_SOCKET,
        KH_OPT_HOOK_SPOOL,
        KH_OPT_HOOK_TIMEOUT,
        KH_OPT_HOOK_LOG,
        KH_OPT_FAIL_CLOSED,
        KH_OPT_EXEMPT_NAMESPACE,
        KH_OPT_LISTENER_COMMAND,
        KH_OPT_STATE_ROOT,
        KH_OPT_DENY_RUNTIME_SOCKETS,
        KH_OPT_DEFAULTS,
        KH_OPT_ROOTLESS,
        KH_OPT_HELP,
};

struct kh_command {
        const char *name;
        const char *arguments;            /* "" or what follows the options in the usage line */
        const char *summary;              /* a line */
        const char *details;              /* of the help text; "" for none */
        const enum kh_option_id *options; /* up to KH_OPT_END */
        unsigned outputs;                 /* bit 1 << KH_OUT_x; the lowest is the default */
        int max_arguments;
        enum kh_exit (*run)(const struct kh_settings *s, int argc, char **argv);
};

extern const struct kh_command kh_command_list;
extern const struct kh_command kh_command_watch;
extern const struct kh_command kh_command_inspect;
extern const struct kh_command kh_command_whose;
extern const struct kh_command kh_command_status;
extern const struct kh_command kh_command_metrics;
extern const struct kh_command kh_command_detect;
extern const struct kh_command kh_command_install;
extern const struct kh_command kh_command_uninstall;
extern const struct kh_command kh_command_repair;
extern const struct kh_command kh_command_verify;
extern const struct kh_command kh_command_spec;

/* A line on standard error, under the program's name; returns CODE. */
__attribute__((format(printf, 2, 3))) enum kh_exit kh_report(
        enum kh_exit code, const char *format, ...);

/* A handle for the settings' socket; otherwise it is reported, and *RET_CODE says how to exit. */
struct kubearmor_hook *kh_open_hook(const struct kh_settings *s, enum kh_exit *ret_code);

/* Reports what a call with HOOK, which returned RC, could not do, and how to mend it. */
enum kh_exit kh_report_hook(const struct kubearmor_hook *hook, int rc);

static inline void kh_close_hookp(struct kubearmor_hook **hook)
{
        kubearmor_hook_close(*hook);
}
