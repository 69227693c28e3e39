/* SPDX-License-Identifier: Apache-2.0 */
#include "setup/runtime/base_spec.h"

#include "base/clock.h"
#include "setup/command.h"
#include "setup/json_edit.h"

#include <errno.h>
#include <stdio.h>

#define CAPABILITIES                                                                               \
        "[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FSETID\",\"CAP_FOWNER\",\"CAP_MKNOD\","         \
        "\"CAP_NET_RAW\",\"CAP_SETGID\",\"CAP_SETUID\",\"CAP_SETFCAP\",\"CAP_SETPCAP\","           \
        "\"CAP_NET_BIND_SERVICE\",\"CAP_SYS_CHROOT\",\"CAP_KILL\",\"CAP_AUDIT_WRITE\"]"

#define MOUNT(destination, type, source, options)                                                  \
        "{\"destination\":\"" destination "\",\"type\":\"" type "\",\"source\":\"" source          \
        "\",\"options\":[" options "]}"

/* populateDefaultUnixSpec() of 1.6 to 2.3, which differ in two places: %s and %s. */
static const char built_in[] =
        "{\"ociVersion\":\"%s\",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\","
        "\"capabilities\":{\"bounding\":" CAPABILITIES ",\"effective\":" CAPABILITIES
        ",\"permitted\":" CAPABILITIES "},\"noNewPrivileges\":true},"
        "\"root\":{\"path\":\"rootfs\"},\"mounts\":["
        /* clang-format off */
        MOUNT("/proc", "proc", "proc", "\"nosuid\",\"noexec\",\"nodev\"") ","
        MOUNT("/dev", "tmpfs", "tmpfs", "\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"") ","
        MOUNT("/dev/pts", "devpts", "devpts",
              "\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"") ","
        MOUNT("/dev/shm", "tmpfs", "shm",
              "\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"") ","
        MOUNT("/dev/mqueue", "mqueue", "mqueue", "\"nosuid\",\"noexec\",\"nodev\"") ","
        MOUNT("/sys", "sysfs", "sysfs", "\"nosuid\",\"noexec\",\"nodev\",\"ro\"") ","
        MOUNT("/run", "tmpfs", "tmpfs", "\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"")
        /* clang-format on */
        "],\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
        "\"cgroupsPath\":\"/default\",\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},"
        "{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"network\"}],\"maskedPaths\":["
        "\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\",\"/proc/latency_stats\","
        "\"/proc/timer_list\",\"/proc/timer_stats\",\"/proc/sched_debug\",\"/sys/firmware\",%s"
        "\"/proc/scsi\"],\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\","
        "\"/proc/sysrq-trigger\"]}}\n";

/* What changed in it, and when; the latest first. */
static const struct {
        const char *oci_version;
        unsigned major, minor, patch;
        bool masks_powercap;
} changes[] = {
        { "1.3.0", 2, 2, 1, true },
        { "1.2.1", 2, 1, 0, true },
        { "1.2.0", 2, 0, 0, true },
        { "1.1.0", 1, 7, 12, true },
        { "1.1.0-rc.1", 1, 7, 11, true },
        { "1.1.0-rc.1", 1, 7, 0, false },
        { "1.0.2-dev", 1, 6, 26, true },
        { "1.0.2-dev", 0, 0, 0, false },
};

static bool is_before(const struct kh_instance *i, unsigned major, unsigned minor, unsigned patch)
{
        if (i->major != major)
                return i->major < major;
        return i->minor != minor ? i->minor < minor : i->patch < patch;
}

static int make_built_in(const struct kh_instance *i, struct kh_text *ret, struct kh_err *err)
{
        size_t at = 0;

        while (is_before(i, changes[at].major, changes[at].minor, changes[at].patch))
                at++;
        kh_text_printf(ret, built_in, changes[at].oci_version,
                changes[at].masks_powercap ? "\"/sys/devices/virtual/powercap\"," : "");
        return ret->failed ? kh_fail(err, -ENOMEM, "out of memory") : 0;
}

static int ask(const struct kh_setup *s, const char *ctr, struct kh_text *ret, struct kh_err *err)
{
        const struct kh_member_path limits = KH_MEMBER(KH_SPAN("process"), KH_SPAN("rlimits"));
        const char *const argv[] = { ctr, "oci", "spec", NULL };
        struct kh_text spec = { 0 };
        int r = kh_command_run(
                &s->root, argv, KH_SPAN(""), kh_boottime_ns() + KH_COMMAND_NS, &spec, NULL, err);

        if (r > 0)
                r = kh_fail(err, -EIO, "'%s oci spec' fails", ctr);
        if (r == 0)
                r = kh_json_remove(kh_text_view(&spec), &limits, ret, err);
        kh_text_done(&spec);
        return r < 0 ? r : 0;
}

int kh_base_spec_make(const struct kh_setup *s, const struct kh_instance *i, struct kh_text *ret,
        struct kh_err *err)
{
        char ctr[PATH_MAX];

        (void)snprintf(ctr, sizeof(ctr), "%.*sctr",
                (int)(strrchr(i->program, '/') + 1 - i->program), i->program);
        return kh_host_exists(&s->root, ctr) ? ask(s, ctr, ret, err) : make_built_in(i, ret, err);
}
