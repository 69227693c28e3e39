# SPDX-License-Identifier: Apache-2.0
"""What status says of a runtime in each state that it can be in, and what mends it."""

import json

import pytest

from harness.node import Node

HOOKS_DIR = "/usr/share/containers/oci/hooks.d"
BIN_DIR = "/usr/local/lib/kubearmor"
HOOK = BIN_DIR + "/kubearmor-hook"


@pytest.fixture
def node(token, scratch):
    one = Node("machine", token, scratch)
    yield one
    one.close()


def podman(node):
    """State and reason, as status and detect have them."""
    _, out, _ = node.hookctl("detect", "-o", "json", "--runtime", "podman")
    [view] = json.loads(out)
    _, out, _ = node.hookctl("status", "-o", "json", check=False)
    [same] = [v for v in json.loads(out)["setup"] if v["runtime"] == "podman"] if out else [view]
    assert same["state"] == view["state"]
    assert view["foundBy"] and view["version"] and view["configuration"]
    return view["state"], view.get("reason", "")


def install(node, *words):
    return node.install("--runtime", "podman", *words)


def repaired(node):
    node.hookctl("repair", "--source-dir", node.sources)
    return podman(node) == ("hooked", "")


def test_absent_hooked_partly_drifted(node):
    assert podman(node)[0] == "absent"
    install(node)
    assert podman(node) == ("hooked", "")
    file = node.path(HOOKS_DIR + "/kubearmor-hook-poststop.json")
    file.write_text(file.read_text().replace('"timeout":3', '"timeout":9'))
    assert podman(node) == ("partly", f"not as it was set up: '{HOOKS_DIR}/{file.name}'")
    assert repaired(node)
    for one in node.path(HOOKS_DIR).glob("kubearmor-*"):
        one.unlink()
    state, why = podman(node)
    assert state == "drifted" and HOOKS_DIR in why
    assert repaired(node)


@pytest.mark.parametrize("damage, reason", [
    (f"rm {HOOK}", "No such file"),
    (f"chmod 0644 {HOOK}", "mode is not 0755"),
    (f"chmod 0775 {HOOK}", "mode is not 0755"),
    (f"chown 1 {HOOK}", "not root's"),
    (f": >{HOOK}", "cannot be executed"),
    (f"chmod 0777 {BIN_DIR}", "can be written to by others"),
    (f"cp -a {BIN_DIR} /run/copy && mount -t tmpfs -o noexec,mode=755 tmpfs {BIN_DIR} && "
     f"cp -a /run/copy/. {BIN_DIR}", "without exec"),
], ids=("gone", "mode", "group", "owner", "empty", "directory", "noexec"))
def test_broken(node, damage, reason):
    install(node)
    node.run(["sh", "-ec", damage], check=True)
    state, why = podman(node)
    assert state == "broken" and reason in why
    if "mount" in damage:
        node.run(["umount", BIN_DIR], check=True)
    if reason.startswith("can be written"):
        node.path(BIN_DIR).chmod(0o755)
    assert repaired(node)


def test_options_stay_until_others_are_given(node):
    def arguments():
        path = node.path(HOOKS_DIR + "/kubearmor-hook-poststop.json")
        return json.loads(path.read_text())["hook"]["args"][3:]

    install(node, "--timeout", "2s", "--exempt-namespace", "a", "--exempt-namespace", "b",
            "--stages", "createRuntime,poststop")
    _, _, err = install(node)
    assert "--stages createRuntime,poststop" in err
    assert "--timeout 2s --exempt-namespace a --exempt-namespace b" in err
    assert arguments() == ["--timeout", "2s", "--exempt-namespace", "a", "--exempt-namespace", "b"]
    install(node, "--exempt-namespace", "c", "--log", "/run/x.log")
    assert sorted(arguments()) == ["--exempt-namespace", "--log", "--timeout", "/run/x.log", "2s",
                                   "c"]
    _, _, err = install(node, "--defaults")
    assert arguments() == [] and err == ""


def test_a_dry_run_says_what_would_be_restarted(node):
    node.path("/etc/containerd").mkdir(exist_ok=True)
    node.path("/etc/containerd/config.toml").write_text("version = 2\n")
    with node.popen(["containerd"], stderr=-3) as daemon:
        _, out, err = node.install("--runtime", "containerd", "--dry-run")
        assert "+version" not in out and '+base_runtime_spec = ' in out
        assert "would be left to do: systemctl restart containerd (containerd reads" in err
        _, out, _ = node.install("--runtime", "containerd", "--dry-run", "-o", "json")
        [view] = json.loads(out)
        assert view["leftToDo"] == "systemctl restart containerd" and "when it starts" in \
            view["because"]
        assert [file["path"] for file in view["files"]] == [
            "/etc/containerd/kubearmor-hook-spec.json", "/etc/containerd/config.toml"]
        daemon.terminate()
