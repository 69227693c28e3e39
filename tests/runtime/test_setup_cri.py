# SPDX-License-Identifier: Apache-2.0
"""Pods of containerd's CRI, from before the set-up to after its undoing."""

import subprocess

import pytest

from harness import HOOKD, image, observe
from harness.cri import Cri
from harness.daemon import Daemon
from harness.engines import Containerd
from harness.node import Node

IMAGE = "docker.io/library/kh-tool:4"
PAUSE = "registry.k8s.io/pause:3.6"

# What this machine's kernel and rights allow; the sandbox image is the one loaded below.
CONFIG = f"""# this node's own
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
"""

pytestmark = pytest.mark.skipif(
    subprocess.run(["sh", "-c", "command -v containerd"], capture_output=True).returncode != 0,
    reason="there is no containerd")


class CriNode(Node):
    """A node whose pods are run by containerd, with the listener beside it."""

    def __init__(self, token, base, scratch):
        super().__init__("machine", token, scratch)
        self._logs = scratch / "containerd"
        self._logs.mkdir()
        self.path("/etc/containerd").mkdir(exist_ok=True)
        self.path("/etc/containerd/config.toml").write_text(CONFIG)
        self.containerd = Containerd(self, self._logs)
        self.cri = Cri(self)
        archive = scratch / "image.tar"
        image.write_archive(archive, base / "rootfs", [IMAGE, PAUSE])
        self.containerd("--namespace", "k8s.io", "images", "import", "--snapshotter", "native",
                        archive)
        self._listener = Daemon(self, HOOKD, scratch, options=()).start()
        self.events = self._listener.subscribe()

    def restart_containerd(self):
        self.containerd.close()
        self.containerd = Containerd(self, self._logs)
        self.cri.wait()

    def pod(self, name, containers=2):
        """A pod and its containers' ids by name."""
        pod = self.cri.run_pod(name, "team-a", cgroup_parent=self.cgroup_parent,
                               labels={"app": name})
        names = [f"{name}-{i}" for i in range(containers)]
        return pod, {n: self.cri.start_container(pod, n, IMAGE) for n in names}

    def close(self):
        self.cri.close()
        self._listener.stop()
        self.containerd.close()
        super().close()


@pytest.fixture
def node(token, base, scratch):
    one = CriNode(token, base, scratch)
    yield one
    one.close()


def test_pods_from_before_the_set_up_to_after_it(node):
    before = node.files()
    older, older_containers = node.pod("older", containers=1)
    node.install("--runtime", "containerd")
    node.restart_containerd()
    assert node.states()["containerd"] == "hooked"

    pods = [node.pod(name) for name in ("first", "second")]
    for pod, containers in pods:
        for name, ident in containers.items():
            event = node.events.wait(ident, "created")
            assert event["source"] == "hook"
            told = {k: v for k, v in event["container"].items()
                    if k not in ("state", "source", "createdAt")}
            observe.same(told, node.cri.seen(pod, name, ident, IMAGE))
        # no runtime gives a pause container hooks: it is found on disk
        event = node.events.wait(pod.id, "created")
        assert (event["source"], event["container"]["type"]) == ("discovery", "sandbox")
    node.hookctl("verify")

    running = node.cri.running()
    node.restart_containerd()
    assert node.cri.running() == running
    node.hookctl("verify")
    assert not [m for m in node.events.lines if m["type"] == "removed"]

    node.hookctl("uninstall")
    node.restart_containerd()
    node.cri.remove_container(older_containers["older-0"])
    for pod, containers in pods:
        for ident in containers.values():
            node.cri.remove_container(ident)
        node.cri.remove_pod(pod)
        for ident in (pod.id, *containers.values()):
            node.events.wait(ident, "removed")
    node.hookctl("uninstall", "--wait", "30s")
    assert node.files() == before
    _, containers = node.pod("newer", containers=1)
    assert node.events.wait(containers["newer-0"], "created")["source"] == "discovery"
