# SPDX-License-Identifier: Apache-2.0
"""install and uninstall killed at every operation on a file: containers start all the same, and the
next run ends what was begun."""

import json
import shutil
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.node import HOOKCTL, Node

# Where Podman and CRI-O are told by drop-ins to look, since theirs cannot be written to.
HOOKS_DIR = "/etc/containers/oci/hooks.d"
DROP_INS = {"/etc/crio/crio.conf.d": "crio.runtime", "/etc/containers/containers.conf.d": "engine"}

# What changes a file or makes a change last; a file that was only opened is the next one's case.
CALLS = "mkdirat,renameat,renameat2,unlinkat,fsync,fchmod,fchown,fsetxattr,write"


def can_be_executed(node, path):
    assert node.run([path, "--version"], stdout=subprocess.DEVNULL).returncode == 0, path


def podman_and_crio_start(node):
    """Each file that they read is whole, and what it names can be executed. CRI-O reads every file
    among its drop-ins, whatever its name."""
    directory = node.path(HOOKS_DIR)
    for file in directory.glob("*.json") if directory.exists() else ():
        can_be_executed(node, json.loads(file.read_text())["hook"]["path"])
    for drop_ins in DROP_INS:
        for file in node.path(drop_ins).iterdir():
            tomllib.loads(file.read_text())


def containerd_starts(node):
    done = node.run(["containerd", "--config", "/etc/containerd/config.toml", "config", "dump"],
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert done.returncode == 0
    for line in done.stdout.decode().splitlines():
        if "base_runtime_spec" in line and '""' not in line:
            spec = json.loads(node.path(line.split('"')[1]).read_text())
            assert spec["linux"]["namespaces"]
            for hooks in spec["hooks"].values():
                can_be_executed(node, hooks[0]["path"])


def docker_starts(node):
    config = json.loads(node.path("/etc/docker/daemon.json").read_text())
    runtime = config.get("runtimes", {}).get("kubearmor")
    assert runtime or config.get("default-runtime") != "kubearmor"
    if not runtime:
        return
    can_be_executed(node, runtime["path"])
    options = json.loads(node.path(runtime["path"] + ".json").read_text())
    for hooks in options["hooks"].values():
        can_be_executed(node, hooks[0]["path"])


def prepare(node):
    node.run(["rm", "-rf", "/etc/containerd", "/etc/docker"])
    for place in ("/etc/containerd", "/etc/docker"):
        node.path(place).mkdir()
    node.path("/etc/containerd/config.toml").write_text("version = 2\n# theirs\n")
    node.path("/etc/docker/daemon.json").write_text('{"log-driver": "local"}')
    shutil.copy("/usr/bin/sleep", node.path("/usr/local/bin/crio"))
    for drop_ins, section in DROP_INS.items():
        node.path(drop_ins).mkdir(parents=True, exist_ok=True)
        node.path(drop_ins + "/50-site.conf").write_text(
            f'[{section}]\nhooks_dir = ["/etc/site-hooks"]\n')
    node.path("/etc/site-hooks").mkdir()
    node.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/etc/site-hooks"], check=True)


class Loop:
    """Kill points FIRST, FIRST + STEP, ... of install, and as many of uninstall."""

    def __init__(self, node, words, starts):
        self.node = node
        self.words = ["install", "--source-dir", node.sources, *words]
        self.starts = starts
        prepare(node)

    def killed_at(self, number, *words):
        code = self.node.run(
            ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS}", "-e",
             f"inject={CALLS}:signal=KILL:when={number}", HOOKCTL, *words],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        return code in (-9, 137)

    def run(self, first, step):
        before = self.node.files()
        number = first
        while self.killed_at(number, *self.words):
            self.starts(self.node)
            self.node.hookctl(*self.words)
            self.starts(self.node)
            self.killed_at(number, "uninstall")
            self.starts(self.node)
            self.node.hookctl("uninstall")
            assert self.node.files() == before, f"killed at operation {number}"
            number += step
        return number


@pytest.mark.parametrize("words, starts, nodes", [
    # what takes long is set-up's own waiting
    (["--runtime", "podman", "--runtime", "crio"], podman_and_crio_start, 8),
    (["--runtime", "containerd"], containerd_starts, 3),
    (["--runtime", "docker", "--docker-default"], docker_starts, 3),
], ids=("podman-crio", "containerd", "docker"))
def test_killed_at_any_file_operation(token, scratch, words, starts, nodes):
    made = []
    try:
        for i in range(nodes):
            (scratch / str(i)).mkdir()
            made.append(Node("machine", token, scratch / str(i)))
        with ThreadPoolExecutor(nodes) as pool:
            ends = list(pool.map(lambda i: Loop(made[i], words, starts).run(i + 1, nodes),
                                 range(nodes)))
    finally:
        for one in made:
            one.close()
    assert min(ends) > 20, "there are more file operations than that"
