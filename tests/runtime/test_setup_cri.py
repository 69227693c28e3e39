# SPDX-License-Identifier: Apache-2.0
"""Pods of containerd's CRI, the machine's or one that k3s or RKE2 brings along, from before the
set-up to after its undoing."""

import subprocess
from contextlib import closing

import pytest

from harness import HOOKD, observe
from harness.crinode import IMAGE, CriNode, EmbeddedNode
from harness.daemon import Daemon
from harness.k3s import K3s, Rke2

pytestmark = pytest.mark.skipif(
    subprocess.run(["sh", "-c", "command -v containerd"], capture_output=True).returncode != 0,
    reason="there is no containerd")


@pytest.fixture(params=("containerd", "k3s", "rke2"))
def node(request, token, base, scratch):
    kinds = {"k3s": K3s, "rke2": Rke2}
    one = EmbeddedNode(kinds[request.param], token, base, scratch) if request.param in kinds else \
        CriNode(token, base, scratch)
    with Daemon(one, HOOKD, scratch, options=()) as listener:
        one.events = listener.subscribe()
        yield one
    one.close()


def test_pods_from_before_the_set_up_to_after_it(node):
    before = node.files()
    older, older_containers = node.pod("older", containers=1)
    node.install("--runtime", node.runtime)
    node.restart_containerd()
    assert node.states()[node.runtime] == "hooked"

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


class WrapperNode(CriNode):
    """One with a handler whose runtime is the wrapper, and without a set-up."""

    def _configure(self):
        super()._configure()
        with open(self.path("/etc/containerd/config.toml"), "a") as file:
            file.write(f"""
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.announced]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.announced.options]
      BinaryName = "{self.place_wrapper()}"
""")


def test_the_wrapper_as_a_handlers_program(token, base, scratch):
    """Pause containers, too, come and go by the hook."""
    with closing(WrapperNode(token, base, scratch)) as node, \
            Daemon(node, HOOKD, scratch, options=()) as listener:
        events = listener.subscribe()
        pod = node.cri.run_pod("announced", "team-a", cgroup_parent=node.cgroup_parent,
                               handler="announced")
        container = node.cri.start_container(pod, "one", IMAGE)
        for ident, kind in ((pod.id, "sandbox"), (container, "container")):
            event = events.wait(ident, "created")
            assert (event["source"], event["container"]["type"]) == ("hook", kind)
        node.cri.remove_container(container)
        node.cri.remove_pod(pod)
        for ident in (pod.id, container):
            events.wait(ident, "removed")
