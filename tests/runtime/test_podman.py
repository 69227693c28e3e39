# SPDX-License-Identifier: Apache-2.0
"""Real Podman, with a hooks directory of its own, whose containers have a name and an image."""

import json
import os

import pytest

from harness import observe
from harness.podman import IMAGE, Podman
from harness.recorder import Recorder
from harness.view import View


@pytest.fixture(params=("machine", "v2"))
def podman(request, base, scratch, token):
    view = View(request.param, token)
    engine = Podman(view, base, scratch)
    try:
        engine.import_image()
        yield engine
    finally:
        engine.close()
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
        told = message.stream["container"]
        assert told["containerName"] == told["endPointName"] == "quiet_sun"
        assert told["namespaceName"] == "container_namespace"
        assert told["labels"].split(",")[:3] == [
            "namespaceName=container_namespace", "kubearmor.io/container.name=quiet_sun",
            "containerType=podman"]
        assert (told["node_name"], told["status"]) == (os.uname().nodename, "stopped")
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
