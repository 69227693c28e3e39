# SPDX-License-Identifier: Apache-2.0
"""containerd's configuration, edited and undone, as its own program and daemon read it. Another
containerd than the machine's is tested by KH_CONTAINERD=DIR, a directory with it and its ctr."""

import json
import os
import re
import subprocess

import pytest

from harness import HANG_S, REPO, until
from harness.node import Node

CORPUS = sorted((REPO / "tests/data/containerd").glob("*.toml"))
SPEC = "/etc/containerd/kubearmor-hook-spec.json"
CONFIG = "/etc/containerd/config.toml"

# Base specifications that distributions bring along.
THEIR_SPECS = ("/etc/containerd/cri-base.json", "/etc/containerd/base-runtime-spec.json")
THEIR_SPEC = {"ociVersion": "1.0.2", "hooks": {"createContainer": [{"path": "/kind/hook"}]}}

pytestmark = pytest.mark.skipif(
    subprocess.run(["sh", "-c", "command -v containerd"], capture_output=True).returncode != 0,
    reason="there is no containerd")


@pytest.fixture(scope="module")
def node(token, tmp_path_factory):
    one = Node("machine", token, tmp_path_factory.mktemp("containerd"))
    one.run(["rm", "-rf", "/etc/containerd"])
    one.path("/etc/containerd").mkdir()
    for program in ("containerd", "ctr") if "KH_CONTAINERD" in os.environ else ():
        one.run(["mount", "--bind", f"{os.environ['KH_CONTAINERD']}/{program}",
                 f"/usr/bin/{program}"])
    for name in THEIR_SPECS:
        one.path(name).write_text(json.dumps(THEIR_SPEC))
    yield one
    one.close()


@pytest.fixture(scope="module")
def is_newer(node):
    """Than 1.x, which refuses other things than what the corpus is named by."""
    said = node.run(["containerd", "--version"], capture_output=True).stdout.decode()
    return re.search(r" v?2\.", said) is not None


def dump(node):
    """Handlers with their types and base specifications, and all else that is no default."""
    done = node.run(["containerd", "--config", CONFIG, "config", "dump"], stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL)
    text = done.stdout.decode().replace("'", '"')
    bases = re.findall(r'^ *base_runtime_spec = "(.*)"', text, re.M)
    rest = [line.strip() for line in text.splitlines()
            if not re.search(r'base_runtime_spec|^imports| = (""|0|false|\[\])$|^\s*\[?$', line)]
    return bases, [line for line in rest if line and not line.endswith("options]")]


@pytest.mark.parametrize("path", CORPUS, ids=lambda p: p.stem)
def test_a_configuration_is_edited_and_undone_or_refused_untouched(node, is_newer, path):
    config = node.path(CONFIG)
    config.write_bytes(path.read_bytes())
    before, (_, rest) = node.files(), dump(node)
    code, out, err = node.install("--runtime", "containerd", check=False)
    refused = path.stem.startswith("refuse-")
    if code == 1 if is_newer else refused:
        assert code == 1 and "containerd" in err
        assert node.files() == before
        return
    assert code == 0, out + err
    bases, rest_after = dump(node)
    assert SPEC in bases or set(THEIR_SPECS) & set(bases)
    assert rest_after == rest
    for base in set(bases) - {""}:
        spec = json.loads(node.path(base).read_text())
        assert {"createRuntime", "poststop"} <= set(spec["hooks"])
        assert base != SPEC or "rlimits" not in spec["process"] and spec["linux"]["namespaces"]
    node.hookctl("uninstall", "--wait", "30s")
    assert config.read_bytes() == path.read_bytes()
    assert node.files() == before


def test_no_configuration_at_all(node):
    node.path(CONFIG).unlink(missing_ok=True)
    before = node.files()
    node.install("--runtime", "containerd")
    assert SPEC in dump(node)[0]
    node.hookctl("uninstall")
    assert node.files() == before


def test_what_others_change_stays(node):
    config = node.path(CONFIG)
    config.write_text("version = 2\nroot = \"/var/lib/containerd\"\n")
    node.install("--runtime", "containerd")
    config.write_text(config.read_text().replace("root =", "# theirs\nroot ="))
    node.hookctl("uninstall")
    assert config.read_text() == "version = 2\n# theirs\nroot = \"/var/lib/containerd\"\n"


def test_a_base_specification_that_somebody_copied_stays_until_it_is_not_named(node):
    node.path(CONFIG).write_text('version = 2\n')
    before = node.files()
    node.install("--runtime", "containerd")
    copy = node.path("/etc/containerd/conf.d/99-other.toml")
    copy.parent.mkdir(exist_ok=True)
    copy.write_text('[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.other]\n'
                    f'base_runtime_spec = "{SPEC}"\n')
    for _ in range(2):
        code, _, err = node.hookctl("uninstall", check=False)
        assert code == 1 and "conf.d/99-other.toml' names it" in err
        spec = json.loads(node.path(SPEC).read_text())
        assert spec["mounts"] and "hooks" not in spec
        assert node.path(CONFIG).read_text() == 'version = 2\n'
    copy.unlink()
    copy.parent.rmdir()
    node.hookctl("uninstall")
    assert node.files() == before


def test_a_base_specification_that_is_there_already(node):
    """It gets the hooks, behind its own; the key stays."""
    theirs = {"ociVersion": "1.0.2", "hooks": {"createRuntime": [{"path": "/bin/true"}]}}
    theirs_before = node.path("/etc/containerd/cri-base.json").read_text()
    node.path("/etc/containerd/cri-base.json").write_text(json.dumps(theirs, indent=1))
    node.path(CONFIG).write_text(
        'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\n'
        'runtime_type = "io.containerd.runc.v2"\n'
        'base_runtime_spec = "/etc/containerd/cri-base.json"\n')
    before = node.files()
    node.install("--runtime", "containerd")
    spec = json.loads(node.path("/etc/containerd/cri-base.json").read_text())
    assert [h["path"] for h in spec["hooks"]["createRuntime"]] == \
        ["/bin/true", "/usr/local/lib/kubearmor/kubearmor-hook"]
    assert node.path(CONFIG).read_text().count("base_runtime_spec") == 1
    assert not node.path(SPEC).exists()
    node.hookctl("uninstall")
    assert node.files() == before
    node.path("/etc/containerd/cri-base.json").write_text(theirs_before)


def test_which_handler_is_not_hooked(node):
    """One that is added later; kata and the like are left out, and that is said."""
    handler = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.%s]\nruntime_type = "%s"\n'
    config = node.path(CONFIG)
    config.write_text("version = 2\n" + handler % ("runc", "io.containerd.runc.v2"))
    node.install("--runtime", "containerd")
    with open(config, "a", encoding="utf-8") as file:
        file.write(handler % ("crun", "io.containerd.runc.v2"))
        file.write(handler % ("kata", "io.containerd.kata.v2"))
        file.write(handler % ("gvisor", "io.containerd.runsc.v1"))
    _, out, _ = node.hookctl("detect", "--runtime", "containerd", "-o", "json")
    [view] = json.loads(out)
    assert view["state"] == "partly"
    assert [note.split("'")[1::2] for note in view["notes"]] == [
        ["gvisor", "io.containerd.runsc.v1"], ["kata", "io.containerd.kata.v2"], ["crun"]]
    node.hookctl("repair", "--source-dir", node.sources)
    assert node.states()["containerd"] == "hooked"
    assert dump(node)[0].count(SPEC) == 2
    node.hookctl("uninstall")


def test_nothing_but_kata(node, is_newer):
    if is_newer:
        pytest.skip("2.x has a handler of runc's kind whatever the file says")
    node.path(CONFIG).write_text(
        'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]\n'
        'runtime_type = "io.containerd.kata.v2"\n')
    before = node.files()
    assert node.states()["containerd"] == "unused"
    code, _, err = node.install("--runtime", "containerd", check=False)
    assert code == 1 and "no runtime handler" in err
    assert node.files() == before


def test_the_built_in_specification_is_the_daemons_own(node):
    """Where there is no ctr, as in k0s."""
    node.path(CONFIG).write_text("version = 2\n")
    node.install("--runtime", "containerd")
    by_ctr = node.path(SPEC).read_text()
    node.hookctl("uninstall")
    node.run(["cp", "/usr/bin/containerd", "/usr/local/bin/containerd"])
    try:
        node.install("--runtime", "containerd")
        assert json.loads(node.path(SPEC).read_text()) == json.loads(by_ctr)
        node.hookctl("uninstall")
    finally:
        node.path("/usr/local/bin/containerd").unlink()


def test_the_daemon_reads_it(node, tmp_path):
    """CRI comes up with it, after the restart that install asks for and does not do itself."""
    node.path(CONFIG).write_text(
        'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\nsnapshotter = "native"\n')

    def start():
        with open(tmp_path / "containerd.log", "ab") as log:
            daemon = node.popen(["containerd"], stdout=log, stderr=log)
        until(lambda: node.run(["ctr", "version"], capture_output=True).returncode == 0,
              "containerd's answer")
        return daemon

    def stop(daemon):
        daemon.terminate()
        daemon.wait(HANG_S)
    daemon = start()
    try:
        _, out, _ = node.install("--runtime", "containerd")
        assert "left to do: systemctl restart containerd" in out
        assert node.states()["containerd"] == "waiting"
        stop(daemon)
        daemon = start()
        assert node.states()["containerd"] == "hooked"
        plugins = node.run(["ctr", "plugins", "ls"], capture_output=True).stdout.decode()
        assert re.search(r"grpc\.v1 +cri +\S+ +ok", plugins), plugins
        # it calls the hook until it is restarted
        _, _, err = node.hookctl("uninstall")
        assert "left to do" in err and "kubearmor-hook stays" in err
        assert node.path("/usr/local/lib/kubearmor/kubearmor-hook").exists()
        stop(daemon)
        daemon = start()
        node.hookctl("uninstall")
        assert not node.path("/usr/local/lib/kubearmor").exists()
    finally:
        stop(daemon)
