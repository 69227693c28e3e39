# SPDX-License-Identifier: Apache-2.0
"""Private mount namespaces in which real runtimes run without a trace on the machine.

/run and /var/lib are empty there, so every program uses its default paths. The layout is either
the machine's own cgroup mounts ("machine") or the unified hierarchy alone ("v2").
"""

import os
import signal
import subprocess
from pathlib import Path

from harness import HANG_S, until

_SCRIPT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/lib
[ ! -d /etc/cni ] || mount -t tmpfs tmpfs /etc/cni
if [ "$1" = v2 ] && [ ! -f /sys/fs/cgroup/cgroup.controllers ]; then
        umount -R /sys/fs/cgroup
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
echo ready
exec cat
"""


class Machine:
    """Where programs are run: the machine itself."""

    root = Path("/")

    def __init__(self):
        self.mount_namespace = os.stat("/proc/self/ns/mnt").st_ino

    def path(self, path):
        """Where PATH of the machine is to be found by the test."""
        return self.root / str(path).lstrip("/")

    def argv(self, argv):
        return list(map(str, argv))

    def popen(self, argv, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.argv(argv), **kwargs)

    def run(self, argv, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("timeout", HANG_S)
        return subprocess.run(self.argv(argv), **kwargs)

    @property
    def v2_mount(self):
        """The unified hierarchy as seen by the test; None where nothing mounts it."""
        for candidate in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
            if self.path(candidate + "/cgroup.procs").exists() and \
                    self.path(candidate + "/cgroup.controllers").exists():
                return self.path(candidate)
        return None


class View(Machine):
    """Lives until close(), or until the test process dies: its holder reads from a pipe of ours."""

    def __init__(self, layout, token):
        self.layout = layout
        self.cgroup_parent = f"/{token}"
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _SCRIPT, "view", layout],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self._holder.stdout.readline() != b"ready\n":
            raise RuntimeError("cannot make a private mount namespace")
        self.root = Path(f"/proc/{self._holder.pid}/root")
        self.mount_namespace = os.stat(f"/proc/{self._holder.pid}/ns/mnt").st_ino

    def argv(self, argv):
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--", *map(str, argv)]

    def _cgroups(self):
        """Our directories in every hierarchy, leaves first."""
        base = self.path("/sys/fs/cgroup")
        name = self.cgroup_parent.lstrip("/")
        tops = [base / name, *(h / name for h in base.iterdir() if h.is_dir())]
        for top in filter(Path.is_dir, tops):
            for directory, _, _ in os.walk(top, topdown=False):
                yield Path(directory)

    def _remove_cgroups(self):
        left = False
        for directory in self._cgroups():
            left = True
            try:
                for pid in (directory / "cgroup.procs").read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
                directory.rmdir()
            except (OSError, ValueError):
                pass  # still dying, or somebody was faster: the caller looks again
        return not left

    def close(self):
        until(self._remove_cgroups, f"removal of the cgroups below {self.cgroup_parent}")
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait(HANG_S)
