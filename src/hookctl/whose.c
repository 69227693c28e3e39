/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl whose */
#include "base/cleanup.h"
#include "hookctl/containers.h"

#include <errno.h>

static int ask(const struct kh_settings *s, struct kubearmor_hook *hook, const char *id)
{
        if (s->pid)
                return kubearmor_hook_lookup_process(hook, (pid_t)s->pid, NULL);
        if (s->mntns)
                return kubearmor_hook_lookup_namespace(hook, KUBEARMOR_HOOK_NS_MNT, s->mntns);
        if (s->pidns)
                return kubearmor_hook_lookup_namespace(hook, KUBEARMOR_HOOK_NS_PID, s->pidns);
        if (s->cgroup)
                return kubearmor_hook_lookup_cgroup(hook, s->cgroup);
        return kubearmor_hook_lookup_id(hook, id);
}

static enum kh_exit run(const struct kh_settings *s, int argc, char **argv)
{
        enum kh_exit code;
        kh_cleanup(kh_close_hookp) struct kubearmor_hook *hook = NULL;
        int rc;

        if (argc + !!s->pid + !!s->mntns + !!s->pidns + !!s->cgroup != 1)
                return kh_report(KH_EXIT_USAGE,
                        "whose what? Give exactly one of --pid, --mntns, --pidns, --cgroup or an id");
        hook = kh_open_hook(s, &code);
        if (!hook)
                return code;
        do
                rc = ask(s, hook, argv[0]);
        while (rc == -EINTR);
        if (rc < 0)
                return kh_report_lookup(hook, rc, argv[0]);
        return kh_print_containers(s, hook);
}

static const enum kh_option_id options[] = {
        KH_OPT_PID,
        KH_OPT_MNTNS,
        KH_OPT_PIDNS,
        KH_OPT_CGROUP,
        KH_OPT_OUTPUT,
        KH_OPT_NO_TRUNC,
        KH_OPT_NO_HEADERS,
        KH_OPT_COLOR,
        KH_OPT_EVENTS,
        KH_OPT_TIMEOUT,
        KH_OPT_HELP,
        KH_OPT_END,
};

const struct kh_command kh_command_whose = {
        .name = "whose",
        .arguments = "[ID]",
        .summary = "Tell which container a process, a namespace or a cgroup belongs to.",
        .details =
                "Give one of --pid, --mntns, --pidns, --cgroup, or an id, which may be cut short.\n"
                "Several containers may share a pid namespace; all of them are shown.\n",
        .options = options,
        .outputs = 1 << KH_OUT_TABLE | 1 << KH_OUT_WIDE | 1 << KH_OUT_JSON | 1 << KH_OUT_JSONL,
        .max_arguments = 1,
        .run = run,
};
