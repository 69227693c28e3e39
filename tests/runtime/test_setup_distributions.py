# SPDX-License-Identifier: Apache-2.0
"""Kubernetes distributions: where each has its containerd's configuration come from, and what lasts
there. The nodes are trees of files that a container would have mounted, with a real containerd."""

import json
import subprocess

import pytest

from harness.node import Node
from harness.tree import Tree

pytestmark = pytest.mark.skipif(
    subprocess.run(["sh", "-c", "command -v containerd"], capture_output=True).returncode != 0,
    reason="there is no containerd")

CRI = 'plugins."io.containerd.grpc.v1.cri"'
RENDERED = f"""version = 2
[{CRI}]
  sandbox_image = "registry.example/pause:3.9"
[{CRI}.containerd]
  snapshotter = "native"
[{CRI}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[{CRI}.containerd.runtimes.runc.options]
  SystemdCgroup = true
"""


@pytest.fixture(scope="module")
def node(token, tmp_path_factory):
    directory = tmp_path_factory.mktemp("distributions")
    one = Node("machine", token, directory)
    yield one
    one.close()


@pytest.fixture
def host(node, scratch):
    one = Tree(node, scratch / "host")
    yield one
    one.close()


def bases(host, config):
    """The base specification of each handler, as containerd takes the text for."""
    path = host.directory / "run/seen.toml"
    host.path("/run/seen.toml").write_text(config)
    done = host.node.run(["containerd", "--config", path, "config", "dump"], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return [line.split('"')[1] for line in done.stdout.decode().splitlines()
            if "base_runtime_spec" in line and '""' not in line]


def view(host, runtime):
    _, out, _ = host.hookctl("detect", "--runtime", runtime, "-o", "json")
    [one] = json.loads(out)
    return one


@pytest.mark.parametrize("name", ["k3s", "rke2"])
def test_k3s_with_containerd_1_has_a_whole_template(host, name):
    directory = f"/var/lib/rancher/{name}/agent/etc/containerd"
    place = "k3s/data/current/bin" if name == "k3s" else "rke2/bin"
    host.program(f"/usr/local/bin/{name}")
    host.program(f"/var/lib/rancher/{place}/containerd", "/usr/bin/containerd")
    host.write(f"{directory}/config.toml", RENDERED)
    before = host.files()
    _, out, _ = host.hookctl("install", "--runtime", name)
    assert "registries.yaml" in out
    template = host.path(f"{directory}/config.toml.tmpl").read_text()
    spec = f"{directory}/kubearmor-hook-spec.json"
    assert bases(host, template) == [spec]
    assert set(json.loads(host.path(spec).read_text())["hooks"]) == {"createRuntime", "poststop"}
    # what it starts with next is rendered from that
    host.write(f"{directory}/config.toml", template)
    assert view(host, name)["state"] == "hooked"
    host.write(f"{directory}/config.toml", RENDERED)
    host.hookctl("uninstall")
    assert host.files() == before


def test_a_template_of_others_is_edited_or_left(host):
    directory = "/var/lib/rancher/k3s/agent/etc/containerd"
    host.program("/usr/local/bin/k3s")
    host.program("/var/lib/rancher/k3s/data/current/bin/containerd", "/usr/bin/containerd")
    host.write(f"{directory}/config.toml", RENDERED)
    host.write(f"{directory}/config.toml.tmpl", "# ours\n" + RENDERED)
    before = host.files()
    host.hookctl("install", "--runtime", "k3s")
    template = host.path(f"{directory}/config.toml.tmpl").read_text()
    assert template.startswith("# ours\n") and len(bases(host, template)) == 1
    host.hookctl("uninstall")
    assert host.files() == before

    host.write(f"{directory}/config.toml.tmpl", '{{ template "base" . }}\n' + RENDERED)
    before = host.files()
    code, _, err = host.hookctl("install", "--runtime", "k3s", check=False)
    assert code == 1 and "base_runtime_spec" in err and "by hand" in err
    assert host.files() == before


def test_k0s_merges_a_drop_in(host):
    host.program("/usr/local/bin/k0s")
    host.program("/var/lib/k0s/bin/containerd", "/usr/bin/containerd")
    host.write("/run/k0s/containerd-cri.toml", RENDERED)
    host.write("/etc/k0s/containerd.toml", "# k0s_managed=true\nversion = 2\nimports = [\n"
               '\t"/run/k0s/containerd-cri.toml",\n]\n')
    before = host.files()
    host.hookctl("install", "--runtime", "k0s")
    drop_in = host.path("/etc/k0s/containerd.d/kubearmor-hook.toml").read_text()
    assert 'runtimes.runc]' in drop_in and '"/etc/k0s/kubearmor-hook-spec.json"' in drop_in
    assert host.path("/etc/k0s/containerd.toml").read_bytes() == before["etc/k0s/containerd.toml"]
    assert view(host, "k0s")["state"] == "hooked"
    host.hookctl("uninstall")
    assert host.files() == before

    host.write("/etc/k0s/containerd.toml", RENDERED)
    before = host.files()
    host.hookctl("install", "--runtime", "k0s")
    assert bases(host, host.path("/etc/k0s/containerd.toml").read_text())
    host.hookctl("uninstall")
    assert host.files() == before


def test_microk8s_by_its_template_in_every_revision(host):
    """The snap copies its data into a new directory at each refresh, and `current` leads there."""
    template = RENDERED.replace('"io.containerd.runc.v2"', '"${RUNTIME_TYPE}"') \
        .replace("native", "${SNAPSHOTTER}")
    host.program("/snap/microk8s/current/bin/containerd", "/usr/bin/containerd")
    host.write("/var/snap/microk8s/1/args/containerd-template.toml", template)
    host.write("/var/snap/microk8s/1/args/containerd.toml", RENDERED)
    host.path("/var/snap/microk8s/common").mkdir()
    host.path("/var/snap/microk8s/current").symlink_to("1")
    before = host.files()
    host.hookctl("install", "--runtime", "microk8s")
    edited = host.path("/var/snap/microk8s/1/args/containerd-template.toml").read_text()
    assert bases(host, edited) == ["/var/snap/microk8s/common/kubearmor-hook-spec.json"]
    assert '"${RUNTIME_TYPE}"' in edited
    assert view(host, "microk8s")["state"] == "hooked"

    host.node.run(["cp", "-a", host.directory / "var/snap/microk8s/1",
                   host.directory / "var/snap/microk8s/2"])
    host.path("/var/snap/microk8s/current").unlink()
    host.path("/var/snap/microk8s/current").symlink_to("2")
    assert view(host, "microk8s")["state"] == "hooked"
    host.hookctl("uninstall")
    assert host.path("/var/snap/microk8s/2/args/containerd-template.toml").read_text() == template
    assert host.files()["var/snap/microk8s/current"] == before["var/snap/microk8s/current"]


NOT_FOR_LONG = [
    ("talos", "", "", "CRIBaseRuntimeSpecConfig", "refused"),
    ("bottlerocket", "", "", "bootstrap container", "hooked"),
    ("cos", "", "", "DaemonSet", "hooked"),
    ("amzn", "", "/etc/eks/x", "NodeConfig", "hooked"),
    ("debian", "", "/var/lib/minikube/x", "minikube start", "hooked"),
]


@pytest.mark.parametrize("ident, variant, file, words, state", NOT_FOR_LONG,
                         ids=lambda value: value or None)
def test_what_a_boot_undoes_is_said(host, ident, variant, file, words, state):
    host.program("/usr/local/bin/containerd", "/usr/bin/containerd")
    host.write("/etc/os-release", f'NAME="x"\nID={ident}\nVARIANT_ID="{variant}"\n')
    host.write("/etc/containerd/config.toml", RENDERED)
    if file:
        host.write(file, "")
    before = host.files()
    notes = "\n".join(view(host, "containerd")["notes"])
    assert words in notes
    assert ('{"hooks"' in notes) == (ident in ("talos", "amzn"))
    code, out, err = host.hookctl("install", "--runtime", "containerd", check=False)
    assert words in out + err
    assert code == (state == "refused")
    assert view(host, "containerd")["state"] == state
    if state == "refused":
        assert host.files() == before
        return
    # the boot
    host.write("/etc/containerd/config.toml", RENDERED)
    host.path("/etc/containerd/kubearmor-hook-spec.json").unlink()
    assert view(host, "containerd")["state"] == "drifted"
    host.hookctl("repair", "--source-dir", host.node.sources)
    assert view(host, "containerd")["state"] == "hooked"
    host.hookctl("uninstall")
    assert host.files() == before


def test_openshift_keeps_the_hooks_directory_of_etc(host):
    host.program("/usr/local/bin/crio")
    host.write("/etc/os-release", "ID=rhel\nVARIANT_ID=coreos\n")
    host.path("/etc/machine-config-daemon").mkdir()
    host.write("/etc/crio/crio.conf.d/00-default", "[crio.runtime]\nhooks_dir = [\n"
               '    "/etc/containers/oci/hooks.d",\n    "/run/containers/oci/hooks.d",\n'
               '    "/usr/share/containers/oci/hooks.d",\n]\n')
    before = host.files()
    assert "MachineConfig" in " ".join(view(host, "crio")["notes"])
    host.hookctl("install", "--runtime", "crio")
    assert host.path("/etc/containers/oci/hooks.d/kubearmor-hook-createRuntime.json").exists()
    host.hookctl("uninstall")
    assert host.files() == before


def test_flatcars_configuration_is_on_a_read_only_disk(host):
    host.program("/usr/local/bin/containerd", "/usr/bin/containerd")
    host.write("/etc/os-release", "ID=flatcar\n")
    host.path("/etc/containerd").mkdir()
    host.node.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", host.directory / "etc/containerd"])
    try:
        before = host.files()
        code, _, err = host.hookctl("install", "--runtime", "containerd", check=False)
        assert code == 1 and "read-only" in err and "CONTAINERD_CONFIG" in err
        assert host.files() == before
    finally:
        host.node.run(["umount", host.directory / "etc/containerd"])
