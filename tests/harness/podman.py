# SPDX-License-Identifier: Apache-2.0
"""Real Podman in a view, with a hooks directory of its own."""

import json
import subprocess
import tempfile

from harness import HANG_S

IMAGE = "localhost/kh-tool:2"

# The rlimits that Podman would set need a capability that not every machine's root has, and so do
# the programs that enforce a limit of processes on the unified hierarchy.
CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
pids_limit = 0
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
"""


class Podman:
    def __init__(self, view, base, scratch):
        self.view = view
        self._base = base
        self._scratch = scratch
        self.hooks = scratch / "hooks.d"
        self.hooks.mkdir()
        self._configuration = scratch / "containers.conf"
        self._configuration.write_text(f'{CONFIGURATION}hooks_dir = ["{self.hooks}"]\n')

    def __call__(self, *argv, check=True):
        # conmon and what is left of a killed runtime keep these open: a pipe would never end.
        with tempfile.TemporaryFile(dir=self._scratch) as file, \
                tempfile.TemporaryFile(dir=self._scratch) as errors:
            done = self.view.run(
                ["env", f"TMPDIR={self._scratch}", f"CONTAINERS_CONF={self._configuration}",
                 "podman", "--storage-driver", "vfs", *argv],
                stdout=file, stderr=errors, timeout=HANG_S)
            file.seek(0)
            text = file.read().decode()
            errors.seek(0)
            assert not check or done.returncode == 0, errors.read().decode()
        return text.strip()

    def hook_at(self, stages, arguments, when=None):
        hook = {"path": str(self._base / "kubearmor-hook"), "timeout": 10}
        if arguments is not None:
            hook["args"] = arguments
        (self.hooks / "kubearmor.json").write_text(json.dumps(
            {"version": "1.0.0", "hook": hook, "when": when or {"always": True},
             "stages": stages}))

    def run(self, *options):
        """A container's id, and its own and Podman's idea of it."""
        ident = self("run", "--detach", "--network", "none", "--cgroup-parent",
                     self.view.cgroup_parent, *options, IMAGE, "sleep", "600").splitlines()[-1]
        return ident, json.loads(self("inspect", ident))[0]

    def import_image(self):
        archive = self._scratch / "rootfs.tar"
        subprocess.run(["tar", "-C", self._base / "rootfs", "-cf", archive, "bin", "tmp", "etc"],
                       check=True)
        self("import", archive, IMAGE)

    def close(self):
        self("rm", "--all", "--force", "--time", "0", check=False)
