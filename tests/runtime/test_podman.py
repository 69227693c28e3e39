# SPDX-License-Identifier: Apache-2.0
"""Real Podman, with a hooks directory of its own, whose containers have a name and an image."""

import json
import subprocess

import pytest

from harness import HANG_S, observe
from harness.recorder import Recorder
from harness.view import View

IMAGE = "localhost/kh-tool:2"

# The rlimits that Podman would set need a capability that not every machine's root has, and so do
# the programs that enforce a limit of processes on the unified hierarchy.
_CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
pids_limit = 0
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
hooks_dir = ["{hooks}"]
"""


class Podman:
    def __init__(self, view, base, scratch):
        self.view = view
        self._base = base
        self._scratch = scratch
        self.hooks = scratch / "hooks.d"
        self.hooks.mkdir()
        self._configuration = scratch / "containers.conf"
        self._configuration.write_text(_CONFIGURATION.format(hooks=self.hooks))

    def __call__(self, *argv, check=True):
        out = self._scratch / "podman.out"
        with open(out, "w+b") as file:  # conmon keeps these open: a pipe would never end
            done = self.view.run(
                ["env", f"TMPDIR={self._scratch}", f"CONTAINERS_CONF={self._configuration}",
                 "podman", "--storage-driver", "vfs", *argv],
                stdout=file, stderr=subprocess.PIPE, timeout=HANG_S)
            file.seek(0)
            text = file.read().decode()
        if check:
            assert done.returncode == 0, done.stderr.decode()
        return text.strip()

    def hook_at(self, stages, arguments):
        hook = {"path": str(self._base / "kubearmor-hook"), "timeout": 10}
        if arguments is not None:
            hook["args"] = arguments
        (self.hooks / "kubearmor.json").write_text(json.dumps(
            {"version": "1.0.0", "hook": hook, "when": {"always": True}, "stages": stages}))

    def run(self, *options):
        """A container's id, and its own and Podman's idea of it."""
        ident = self("run", "--detach", "--network", "none", "--cgroup-parent",
                     self.view.cgroup_parent, *options, IMAGE, "sleep", "600").splitlines()[-1]
        return ident, json.loads(self("inspect", ident))[0]


@pytest.fixture(params=("machine", "v2"))
def podman(request, base, scratch, token):
    view = View(request.param, token)
    engine = Podman(view, base, scratch)
    try:
        archive = scratch / "rootfs.tar"
        subprocess.run(["tar", "-C", base / "rootfs", "-cf", archive, "bin", "tmp", "etc"],
                       check=True)
        engine("import", archive, IMAGE)
        yield engine
    finally:
        engine("rm", "--all", "--force", "--time", "0", check=False)
        view.close()


@pytest.fixture
def listener(podman):
    one = Recorder(podman.view.path("/run/kubearmor/ka.sock"))
    yield one
    one.close()


def everything(podman, ident, inspected, stage):
    bundle = f"/var/lib/containers/storage/vfs-containers/{ident}/userdata"
    config = json.loads(podman.view.path(bundle + "/config.json").read_text(encoding="utf-8"))
    seen = observe.container(podman.view, "runc", ident, stage, bundle, config,
                             inspected["State"]["Pid"])
    return {**seen, "name": inspected["Name"], "image": inspected["ImageName"]}


@pytest.mark.parametrize("stage, arguments", [
    ("createRuntime", ["kubearmor-hook", "--stage", "createRuntime"]), ("createRuntime", None),
    ("prestart", ["kubearmor-hook", "--stage", "prestart"]), ("createContainer", [])])
def test_every_field_of_a_podman_container(podman, listener, stage, arguments):
    podman.hook_at([stage], arguments)
    ident, inspected = podman.run("--name", "quiet_sun", "--label", "org.example.team=a")
    [message] = listener.creates()
    seen = everything(podman, ident, inspected, stage)
    lacks = ("cgroup.path", "cgroup.id") if stage == "createContainer" else ()
    observe.same(message.container, seen, lacks + ("name", "image"))
    if stage != "createContainer":
        assert (message.container["name"], message.container["image"]) == ("quiet_sun", IMAGE)
    assert message.pidfd_pid == seen["pid"]


def test_podman_runs_poststop_itself(podman, listener):
    podman.hook_at(["createRuntime", "poststop"], None)
    ident, _ = podman.run()
    podman("rm", "--force", "--time", "0", ident)
    assert [m.request["operation"] for m in listener.messages] == [0, 1]
    assert listener.deletes()[0].container["id"] == ident


def test_restart_is_a_new_incarnation(podman, listener):
    podman.hook_at(["createRuntime", "poststop"], None)
    ident, before = podman.run()
    podman("restart", "--time", "0", ident)
    after = json.loads(podman("inspect", ident))[0]
    assert [m.request["operation"] for m in listener.messages] == [0, 1, 0]
    assert [m.container["pid"] for m in listener.creates()] == \
        [before["State"]["Pid"], after["State"]["Pid"]]


def test_a_podman_container_in_a_user_namespace(podman, listener):
    podman.hook_at(["createRuntime"], None)
    ident, inspected = podman.run("--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536")
    [message] = listener.creates()
    observe.same(message.container, everything(podman, ident, inspected, "createRuntime"))


def test_a_pod_member_joins_its_infra_containers_namespaces(podman, listener):
    podman.hook_at(["createRuntime"], None)
    podman("pod", "create", "--infra=true", "--infra-image", IMAGE, "--infra-command", "sleep 600",
           "--network", "none", "--cgroup-parent", podman.view.cgroup_parent, "--name", "kh-pod")
    try:
        ident, inspected = podman.run("--pod", "kh-pod")
    except AssertionError as refused:
        if podman.view.layout == "v2" and "/dev/null: operation not permitted" in str(refused):
            pytest.skip("this kernel refuses the device program of Podman's infra container")
        raise
    [message] = listener.creates(ident)
    seen = everything(podman, ident, inspected, "createRuntime")
    observe.same({**message.container, "type": None, "pod": None},
                 {**seen, "type": None, "pod": None})
    assert "ipc" in message.container["joinedNamespaces"]
