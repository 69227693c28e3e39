# SPDX-License-Identifier: Apache-2.0
"""Bundles: a busybox rootfs and a config.json of the shape that runtimes' own users write."""

import copy
import json
import os
import shutil
from pathlib import Path

BUSYBOX = Path("/bin/busybox")

CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]

# Every one that the kernel knows: what a privileged container gets.
ALL_CAPABILITIES = ["CAP_" + name for name in """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
PERFMON BPF CHECKPOINT_RESTORE""".split()]

_MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
     "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
     "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
     "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
     "options": ["nosuid", "noexec", "nodev"]},
]

_ID_MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def make_rootfs(path):
    """A root file system of busybox alone, that a container in a user namespace can use as well."""
    for directory in ("bin", "proc", "dev", "sys", "tmp", "etc", "run", "var/run", "marks"):
        (path / directory).mkdir(parents=True, exist_ok=True)
    (path / "marks").chmod(0o777)
    shutil.copy(BUSYBOX, path / "bin/busybox")
    for applet in ("sh", "sleep", "cat", "true", "echo", "setsid", "touch"):
        (path / "bin" / applet).symlink_to("busybox")
    return path


def spec(rootfs, cgroup, *, args=("sleep", "600"), pid_namespace="own", user_namespace=False,
         cgroup_namespace=True, joined=None, host=(), annotations=None, mounts=(), process=None,
         privileged=False, seccomp=None):
    """A container's config.json. PID_NAMESPACE is "own", "host", or a path to join."""
    namespaces = {"pid": {}, "network": {}, "ipc": {}, "uts": {}, "mount": {}}
    if cgroup_namespace:
        namespaces["cgroup"] = {}
    if pid_namespace == "host":
        del namespaces["pid"]
    elif pid_namespace != "own":
        namespaces["pid"] = {"path": pid_namespace}
    for name, path in (joined or {}).items():
        namespaces[name] = {"path": path}
    for name in host:
        namespaces.pop(name, None)
    config = {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": list(args),
            "env": ["PATH=/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {s: list(CAPABILITIES) for s in ("bounding", "effective", "permitted")},
            "noNewPrivileges": True,
        },
        "root": {"path": str(rootfs)},
        "mounts": copy.deepcopy(_MOUNTS) + list(mounts),
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": [{"type": name, **rest} for name, rest in namespaces.items()],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"],
        },
    }
    if "uts" in namespaces and "path" not in namespaces["uts"]:
        config["hostname"] = "test"
    if user_namespace:
        config["linux"]["namespaces"].append({"type": "user"})
        config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = _ID_MAP
    if privileged:
        config["process"]["capabilities"] = {
            s: list(ALL_CAPABILITIES) for s in ("bounding", "effective", "permitted")}
        del config["linux"]["maskedPaths"], config["linux"]["readonlyPaths"]
    if seccomp is not None:
        config["linux"]["seccomp"] = seccomp
    if annotations is not None:
        config["annotations"] = annotations
    config["process"].update(process or {})
    return config


def write_bundle(directory, config):
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "config.json", "w", encoding="utf-8") as file:
        json.dump(config, file, ensure_ascii=False)
    os.chmod(directory / "config.json", 0o644)
    return directory
