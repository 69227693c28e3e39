# SPDX-License-Identifier: Apache-2.0
"""The guest's container engines, each as its own user calls it.

run(name) gives the id of a new container that runs, identity(id) what an engine knows of it and the
kernel does not, and place(id) the directory of its config.json.
"""

import json
import subprocess
from pathlib import Path

from harness import HANG_S, bundle, cri

IMAGE = "docker.io/library/kh-guest:1"
PROFILE = "kh-guest"
TASKS = Path("/run/containerd/io.containerd.runtime.v2.task")


def call(*words, check=True):
    """Standard output and error; what outlives the program keeps them open, so it is a file."""
    out = Path("/run/guest-output")
    with open(out, "wb") as file:
        done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=file,
                              stderr=subprocess.STDOUT, timeout=HANG_S)
    text = out.read_text(errors="replace").strip()
    assert not check or done.returncode == 0, f"{words}: exit {done.returncode}: {text}"
    return text


class Docker:
    command = ("docker",)
    runtime = "runc"

    def __init__(self):
        self.names = {}

    def __call__(self, *words):
        return call(*self.command, *words)

    def run(self, name, *options):
        ident = self("run", "--detach", "--name", name, "--network", "none", *options, IMAGE,
                     "sleep", "3600").splitlines()[-1]
        self.names[ident] = name
        return ident

    def pid(self, ident):
        return int((self.place(ident) / "init.pid").read_text())

    def place(self, ident):
        return TASKS / "moby" / ident

    def identity(self, ident):
        return {"name": self.names[ident], "image": IMAGE}

    def remove(self, *idents):
        self("rm", "--force", *idents)


class Podman(Docker):
    def __init__(self, runtime):
        super().__init__()
        self.runtime = runtime
        self.command = ("podman", "--runtime", runtime)

    def pid(self, ident):
        place = Path("/run/containers/storage/overlay-containers", ident, "userdata")
        return int((place / "pidfile").read_text())

    def place(self, ident):
        return Path("/var/lib/containers/storage/overlay-containers", ident, "userdata")

    def remove(self, *idents):
        self("rm", "--force", "--time", "0", *idents)


class RootlessPodman(Podman):
    """Alice's: called as a service of hers, since systemd lets those have cgroups. conmon stays in
    the service's."""

    UID = 1001
    HOME = Path("/home/alice")
    _RUNTIME_DIR = Path(f"/run/user/{UID}")

    def __init__(self):
        super().__init__("crun")
        self.command = ("setpriv", "--reuid", self.UID, "--regid", self.UID, "--clear-groups",
                        "env", f"XDG_RUNTIME_DIR={self._RUNTIME_DIR}",
                        "systemd-run", "--user", "--quiet", "--pipe", "--wait",
                        "--property", "KillMode=process", *self.command)

    def pid(self, ident):
        place = self._userdata(self._RUNTIME_DIR / "containers", ident)
        return int((place / "pidfile").read_text())

    def place(self, ident):
        return self._userdata(self.HOME / ".local/share/containers/storage", ident)

    @staticmethod
    def _userdata(root, ident):
        """The older Podman finds no overlay driver that an ordinary user may use."""
        [found] = root.glob(f"*-containers/{ident}/userdata")
        return found


class Pods:
    """containerd's CRI; a name's first part is its pod's."""

    runtime = "runc"

    def __init__(self, machine):
        self.cri = cri.Cri(machine)
        self.pods = {}
        self._pod_of = {}

    def run(self, name, *_):
        pod_name = name.partition(".")[0]
        if pod_name not in self.pods:
            self.pods[pod_name] = self.cri.run_pod(pod_name, "team-a", labels={"app": pod_name})
        ident = self.cri.start_container(self.pods[pod_name], name.replace(".", "-"), IMAGE)
        self._pod_of[ident] = self.pods[pod_name], name.replace(".", "-")
        return ident

    def pid(self, ident):
        return int((self.place(ident) / "init.pid").read_text())

    def place(self, ident):
        return TASKS / "k8s.io" / ident

    def identity(self, ident):
        pod, name = self._pod_of[ident]
        return self.cri.identity(pod, name, ident, IMAGE)

    def remove(self, ident):
        self.cri.remove_container(ident)


class Plain:
    """runc or crun by itself, with a bundle that kubearmor-hookctl put the hooks into."""

    def __init__(self, runtime, scratch, rootfs):
        self.runtime = runtime
        self._scratch = scratch
        self._rootfs = rootfs

    def run(self, name, *_):
        config = bundle.spec(self._rootfs, f"/guest/{name}")
        # without new privileges the profile of a runtime that has one stays on top of it
        config["process"].update(apparmorProfile=PROFILE, noNewPrivileges=False)
        place = bundle.write_bundle(self._scratch / name, config)
        call("kubearmor-hookctl", "spec", "add-hooks", place / "config.json")
        call(self.runtime, "run", "--detach", "--bundle", place, name)
        return name

    def pid(self, ident):
        return json.loads(call(self.runtime, "state", ident))["pid"]

    def place(self, ident):
        return self._scratch / ident

    def identity(self, _):
        return {}

    def remove(self, ident):
        call(self.runtime, "delete", "--force", ident)
