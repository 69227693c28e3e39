# SPDX-License-Identifier: Apache-2.0
"""Who a container is, in the words of each engine: bundles at the engines' own places with the
annotations and files that they write."""

import json

import pytest

SANDBOX = "5a" * 32
UID = "0f6b1f2c-7f6e-4d3a-9a51-6a9d0a3c1e77"


def containerd(ident, root="/run/containerd", namespace="k8s.io"):
    return f"{root}/io.containerd.runtime.v2.task/{namespace}/{ident}"


def cri_container(_ident):
    return {"io.kubernetes.cri.container-type": "container",
            "io.kubernetes.cri.container-name": "web",
            "io.kubernetes.cri.image-name": "registry.example/shop/web:1.4",
            "io.kubernetes.cri.sandbox-id": SANDBOX,
            "io.kubernetes.cri.sandbox-name": "shop-7d9f",
            "io.kubernetes.cri.sandbox-namespace": "shop",
            "io.kubernetes.cri.sandbox-uid": UID}


def cri_sandbox(ident):
    return {"io.kubernetes.cri.container-type": "sandbox",
            "io.kubernetes.cri.sandbox-id": ident,
            "io.kubernetes.cri.sandbox-log-directory": f"/var/log/pods/shop_shop-7d9f_{UID}",
            "io.kubernetes.cri.podsandbox.image-name": "registry.example/pause:3.9",
            "io.kubernetes.cri.sandbox-name": "shop-7d9f",
            "io.kubernetes.cri.sandbox-namespace": "shop",
            "io.kubernetes.cri.sandbox-uid": UID}


KUBELET_LABELS = {"io.kubernetes.pod.name": "shop-7d9f", "io.kubernetes.pod.namespace": "shop",
                  "io.kubernetes.pod.uid": UID}


def crio(ident, kind, sandbox):
    labels = {**KUBELET_LABELS, "app": "shop"}
    if kind == "container":
        labels["io.kubernetes.container.name"] = "web"
    return {"io.container.manager": "cri-o",
            "io.kubernetes.cri-o.ContainerType": kind,
            "io.kubernetes.cri-o.ContainerID": ident,
            "io.kubernetes.cri-o.SandboxID": sandbox,
            "io.kubernetes.cri-o.SandboxName": f"k8s_POD_shop-7d9f_shop_{UID}_0",
            "io.kubernetes.cri-o.Name": f"k8s_web_shop-7d9f_shop_{UID}_0",
            "io.kubernetes.cri-o.Image": "registry.example/shop/web:1.4",
            "io.kubernetes.cri-o.ImageName": "registry.example/shop/web:1.4",
            "io.kubernetes.cri-o.ImageRef": "ab" * 32,
            "io.kubernetes.cri-o.Metadata": json.dumps({"name": "web", "attempt": 0}),
            "io.kubernetes.cri-o.Labels": json.dumps(labels),
            "io.kubernetes.cri-o.Annotations": json.dumps({"kubernetes.io/config.source": "api"}),
            "io.kubernetes.cri-o.Created": "2024-05-01T10:00:00.000000000Z",
            **labels}


POD = {"name": "shop-7d9f", "namespace": "shop", "uid": UID}


def told_by(engine, make, recorder, ident, directory, **spec):
    box = make(["createRuntime"], ident=ident, directory=directory, **spec)
    engine.create(box.id, box.bundle)
    [message] = recorder.creates()
    assert message.container["bundle"] == str(directory)
    assert message.container.get("annotations") == spec.get("annotations")
    return message


def who(message):
    return {name: message.container.get(name) for name in ("name", "image", "type", "pod")}


@pytest.mark.parametrize("root", ("/run/containerd", "/run/k3s/containerd"))
def test_containerd_container(engine, make, recorder, root):
    ident = "c1" * 32
    message = told_by(engine, make, recorder, ident, containerd(ident, root),
                      annotations=cri_container(ident))
    assert who(message) == {"name": "web", "image": "registry.example/shop/web:1.4",
                            "type": "container", "pod": {**POD, "sandboxId": SANDBOX}}
    assert message.stream["container"]["namespaceName"] == "shop"
    assert message.stream["container"]["endPointName"] == "shop-7d9f"


def test_containerd_sandbox(engine, make, recorder):
    message = told_by(engine, make, recorder, SANDBOX, containerd(SANDBOX),
                      annotations=cri_sandbox(SANDBOX))
    told = who(message)
    assert (told["type"], told["pod"]) == ("sandbox", {**POD, "sandboxId": SANDBOX})
    assert told["name"] is None
    assert told["image"] in (None, "registry.example/pause:3.9")


def test_crio_container(engine, make, recorder):
    ident = "c2" * 32
    message = told_by(engine, make, recorder, ident,
                      f"/run/containers/storage/overlay-containers/{ident}/userdata",
                      annotations=crio(ident, "container", SANDBOX))
    assert who(message) == {"name": "web", "image": "registry.example/shop/web:1.4",
                            "type": "container", "pod": {**POD, "sandboxId": SANDBOX}}
    assert message.container["labels"]["app"] == "shop"


def test_crio_sandbox(engine, make, recorder):
    message = told_by(engine, make, recorder, SANDBOX,
                      f"/run/containers/storage/overlay-containers/{SANDBOX}/userdata",
                      annotations=crio(SANDBOX, "sandbox", SANDBOX))
    told = who(message)
    assert (told["type"], told["pod"]) == ("sandbox", {**POD, "sandboxId": SANDBOX})


def test_podman(engine, make, view, recorder):
    ident = "c3" * 32
    home = "/var/lib/containers/storage/overlay-containers"
    view.path(home).mkdir(parents=True)
    metadata = {"image-name": "registry.example/tool:2", "image-id": "cd" * 32, "name": "quiet_sun"}
    view.path(home + "/containers.json").write_text(json.dumps([
        {"id": "ff" * 32, "names": ["other"], "metadata": json.dumps({"name": "other"})},
        {"id": ident, "names": ["quiet_sun"], "image": "cd" * 32, "layer": "ee" * 32,
         "metadata": json.dumps(metadata), "created": "2024-05-01T10:00:00Z"}]))
    message = told_by(engine, make, recorder, ident, f"{home}/{ident}/userdata", annotations={
        "io.container.manager": "libpod", "io.kubernetes.cri-o.Created": "2024-05-01T10:00:00Z",
        "io.kubernetes.cri-o.TTY": "false", "io.podman.annotations.autoremove": "FALSE"})
    assert (message.container["name"], message.container["image"]) == \
        ("quiet_sun", "registry.example/tool:2")
    assert "pod" not in message.container


def docker_files(view, ident, labels, name, image):
    home = view.path(f"/var/lib/docker/containers/{ident}")
    home.mkdir(parents=True)
    for file in ("resolv.conf", "hostname", "hosts"):
        (home / file).write_text("")
    (home / "config.v2.json").write_text(json.dumps({
        "State": {"Running": False, "Pid": 0}, "ID": ident, "Created": "2024-05-01T10:00:00Z",
        "Path": "sleep", "Args": ["600"], "Name": "/" + name, "Image": "sha256:" + "ab" * 32,
        "Config": {"Hostname": ident[:12], "Image": image, "Cmd": ["sleep", "600"],
                   "Labels": labels}, "AppArmorProfile": ""}))
    return [{"destination": f"/etc/{file}", "type": "bind",
             "source": f"/var/lib/docker/containers/{ident}/{file}", "options": ["rbind"]}
            for file in ("resolv.conf", "hostname", "hosts")]


DOCKER_ROOTS = ("/run/docker/containerd/daemon", "/run/containerd")


@pytest.mark.parametrize("root", DOCKER_ROOTS)
def test_docker(engine, make, view, recorder, root):
    ident = "c4" * 32
    mounts = docker_files(view, ident, {"org.example.team": "a"}, "brave_fox", "tool:2")
    message = told_by(engine, make, recorder, ident, containerd(ident, root, "moby"), mounts=mounts)
    assert (message.container["name"], message.container["image"]) == ("brave_fox", "tool:2")
    assert message.container["labels"] == {"org.example.team": "a"}
    told = message.stream["container"]
    assert told["namespaceName"] == "container_namespace"
    assert told["containerName"] == told["endPointName"] == "brave_fox"
    assert told["labels"].split(",")[:3] == [
        "namespaceName=container_namespace", "kubearmor.io/container.name=brave_fox",
        "org.example.team=a"]
    assert "pod" not in message.container


@pytest.mark.parametrize("kind", ("container", "podsandbox"))
def test_cri_dockerd(engine, make, view, recorder, kind):
    ident = "c5" * 32
    sandbox = kind == "podsandbox"
    labels = {**KUBELET_LABELS, "io.kubernetes.docker.type": kind, "app": "shop",
              "io.kubernetes.container.name": "POD" if sandbox else "web"}
    if not sandbox:
        labels["io.kubernetes.sandbox.id"] = SANDBOX
    name = f"k8s_{labels['io.kubernetes.container.name']}_shop-7d9f_shop_{UID}_0"
    mounts = docker_files(view, ident, labels, name, "registry.example/shop/web:1.4")
    message = told_by(engine, make, recorder, ident,
                      containerd(ident, "/run/docker/containerd/daemon", "moby"), mounts=mounts)
    told = who(message)
    assert told["type"] == ("sandbox" if sandbox else "container")
    assert told["pod"] == {**POD, "sandboxId": ident if sandbox else SANDBOX}
    assert sandbox or told["name"] == "web"
    assert message.container["labels"]["app"] == "shop"


def test_plain_runtime_claims_nothing(engine, make, recorder, scratch):
    message = told_by(engine, make, recorder, "plain", scratch / "plain",
                      annotations={"org.example.key": "v"})
    assert who(message)["name"] is who(message)["image"] is who(message)["pod"] is None


def test_another_engines_annotations_do_not_make_a_pod_of_a_podman_container(engine, make, view,
                                                                             recorder):
    """Anyone may set these with `podman run --annotation`."""
    ident = "c6" * 32
    message = told_by(engine, make, recorder, ident,
                      f"/var/lib/containers/storage/overlay-containers/{ident}/userdata",
                      annotations={"io.container.manager": "libpod",
                                   "io.kubernetes.cri.sandbox-namespace": "kube-system"})
    assert "namespace" not in message.container.get("pod", {})


def bind(source, destination):
    return {"destination": destination, "type": "bind", "source": source,
            "options": ["rbind", "rprivate"]}


@pytest.mark.parametrize("source, is_one", [
    ("/run/containerd/containerd.sock", True), ("/run/containerd", True), ("/run", True),
    ("/var/run/docker.sock", True), ("/run/crio/crio.sock", True),
    ("/run/podman/podman.sock", True), ("/run/other", False)])
def test_mounts_of_runtime_sockets(engine, make, view, recorder, source, is_one):
    place = view.path(source.replace("/var/run", "/run"))
    if source.endswith(".sock"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    else:
        place.mkdir(parents=True, exist_ok=True)
    # Below /dev, which is the container's own tmpfs: the mount point does not stay in the rootfs.
    box = make(["createRuntime"], mounts=[bind(source, "/dev/mounted")])
    engine.create(box.id, box.bundle)
    [message] = recorder.creates()
    assert message.container.get("runtimeSockets", []) == ([source] if is_one else [])
