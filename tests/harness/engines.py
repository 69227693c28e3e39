# SPDX-License-Identifier: Apache-2.0
"""Real containerd and dockerd in a view, with nothing of theirs outside of it."""

import json
import shutil
import subprocess
import tempfile

from harness import HANG_S, WRAPPER, until

IMAGE = "kh-tool:3"


class _Service:
    """A daemon of the view's that is asked by a client program."""

    def __init__(self, view, scratch, command, client, *client_options):
        self.view = view
        self._scratch = scratch
        self._client = client, *client_options
        path = scratch / f"{client}.log"
        with open(path, "wb") as log:
            self._process = view.popen(command, stdout=log, stderr=subprocess.STDOUT,
                                       start_new_session=True)
        until(lambda: self._answers() or self._process.poll() is not None,
              f"{client} is answered, or its daemon ends")
        assert self._process.poll() is None, path.read_text()

    def _answers(self):
        return self("version", check=False) is not None

    def __call__(self, *argv, check=True):
        with tempfile.TemporaryFile(dir=self._scratch) as file:  # a shim keeps it open
            done = self.view.run([*self._client, *argv], stdout=file, stderr=subprocess.STDOUT,
                                 timeout=HANG_S)
            file.seek(0)
            text = file.read().decode(errors="replace")
        if check:
            assert done.returncode == 0, text
        return text.strip() if done.returncode == 0 else None

    def close(self):
        self._process.terminate()
        self._process.wait(HANG_S)


class Containerd(_Service):
    def __init__(self, view, scratch, command=("containerd",), *client_options):
        super().__init__(view, scratch, command, "ctr", *client_options)
        self._made = []

    def run(self, ident, bundle):
        """A container of the namespace "default" from BUNDLE's config.json; its init's pid."""
        self._made.append(ident)
        self("run", "--rootfs", "--detach", "--config", bundle / "config.json", ident)
        return int(self.view.path(f"{self.task(ident)}/init.pid").read_text())

    @staticmethod
    def task(ident):
        return f"/run/containerd/io.containerd.runtime.v2.task/default/{ident}"

    def kill(self, ident):
        self("task", "rm", "--force", ident, check=False)
        self("container", "rm", ident, check=False)

    def close(self):
        for ident in self._made:
            self.kill(ident)
        super().close()


class Docker(_Service):
    def __init__(self, view, scratch, base, hooks):
        wrapper = shutil.copy(WRAPPER, scratch / WRAPPER.name)
        (scratch / f"{WRAPPER.name}.json").write_text(
            json.dumps({"runtime": "/usr/sbin/runc", "hooks": hooks}))
        super().__init__(
            view, scratch,
            ["dockerd", "--storage-driver", "vfs", "--iptables=false", "--ip6tables=false",
             "--bridge=none", f"--cgroup-parent={view.cgroup_parent}",
             "--add-runtime", f"with-hooks={wrapper}"], "docker")
        archive = scratch / "image.tar"
        subprocess.run(["tar", "-C", base / "rootfs", "-cf", archive, "bin", "tmp", "etc"],
                       check=True)
        self("import", archive, IMAGE)

    def run(self, name, *options):
        """Docker's own idea of the container."""
        ident = self("run", "--detach", "--network", "none", "--name", name, *options, IMAGE,
                     "sleep", "600").splitlines()[-1]
        return json.loads(self("inspect", ident))[0]

    def close(self):
        for ident in (self("ps", "--all", "--quiet", check=False) or "").split():
            self("rm", "--force", ident, check=False)
        super().close()
