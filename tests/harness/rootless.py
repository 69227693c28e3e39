# SPDX-License-Identifier: Apache-2.0
"""A user other than root on a node, and the runtimes that he runs himself."""

import json
import os
import signal
import subprocess
import tempfile

import pytest

from harness import HANG_S

IMAGE = "localhost/tool"

NEEDS_PODMAN = pytest.mark.skipif(
    subprocess.run(["sh", "-c", "command -v podman newuidmap"], capture_output=True).returncode,
    reason="there is no newuidmap for rootless Podman")

_CONFIGURATION = """
[engine]
runtime = "{runtime}"
cgroup_manager = "cgroupfs"
events_logger = "none"
{more}
"""


class User:
    """Logged in: with a run directory, as pam_systemd would make it, and with subordinate ids."""

    def __init__(self, node, name, uid, sub_ids=500000):
        self.node, self.name, self.uid = node, name, uid
        self.home = f"/var/lib/{name}"
        self.run_directory = f"/run/user/{uid}"
        node.run(["sh", "-ec", f"useradd --create-home --home-dir {self.home} --uid {uid} {name}\n"
                  f"for file in /etc/subuid /etc/subgid; do echo {name}:{sub_ids}:65536 >>$file; done\n"
                  f"mkdir -p /run/user\n"
                  f"install -d -o {name} {self.home}/.config {self.home}/.config/containers"],
                 check=True, stderr=subprocess.DEVNULL)
        self.log_in()

    def log_in(self):
        self.node.run(["sh", "-ec", f"mkdir -m 700 {self.run_directory}\n"
                       f"mount -t tmpfs -o mode=700,uid={self.uid} tmpfs {self.run_directory}"],
                      check=True)

    def log_out(self):
        """Fails where somebody keeps the directory busy."""
        self.node.run(["sh", "-ec", f"umount {self.run_directory}; rmdir {self.run_directory}"],
                      check=True)

    def argv(self, words):
        return ["setpriv", "--reuid", self.uid, "--regid", self.uid, "--clear-groups", "env", "-C",
                "/", f"HOME={self.home}", f"XDG_RUNTIME_DIR={self.run_directory}", *words]

    def popen(self, words, **kwargs):
        return self.node.popen(self.argv(words), **kwargs)

    def __call__(self, *words):
        """What the program says; into files, since what it leaves running would keep a pipe open."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            done = self.node.run(self.argv(words), stdout=out, stderr=errors, timeout=HANG_S)
            out.seek(0)
            errors.seek(0)
            assert done.returncode == 0, errors.read().decode()
            return out.read().decode().strip()


class Podman:
    """The node's configuration of it, with or without a directory of hooks, and an image."""

    def __init__(self, user, rootfs, runtime="runc", hooks=""):
        archive = user.node.scratch / "rootfs.tar"
        self._user = user
        self.runtime = runtime
        subprocess.run(["tar", "-C", rootfs, "-cf", archive, "bin", "tmp", "etc"], check=True)
        user.node.path("/etc/containers/containers.conf").write_text(
            _CONFIGURATION.format(runtime=runtime, more=hooks and f'hooks_dir = ["{hooks}"]'))
        self("import", archive, IMAGE)

    def __call__(self, *words):
        return self._user("podman", "--storage-driver", "vfs", *words)

    def run(self, *options):
        return self("run", "--detach", "--network", "none", *options, IMAGE, "sleep", "600")

    def inspect(self, ident):
        return json.loads(self("inspect", ident))[0]

    def close(self):
        self("rm", "--all", "--force", "--time", "0")
        # It holds Podman's user namespace, for ever.
        pause = self._user.node.path(f"{self._user.run_directory}/libpod/tmp/pause.pid")
        os.kill(int(pause.read_text()), signal.SIGTERM)
