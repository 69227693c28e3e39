# SPDX-License-Identifier: Apache-2.0
"""Setting Podman up and undoing it: whatever interrupts, whoever else edits, at any time."""

import json
import shutil
import subprocess
import threading

import pytest

from harness import HANG_S, HOOKD, until
from harness.daemon import Daemon
from harness.node import HOOKCTL, Node
from harness.podman import CONFIGURATION
from harness.recorder import Recorder

IMAGE = "localhost/kh-setup:1"
HOOKS_DIR = "/usr/share/containers/oci/hooks.d"
BINARY = "/usr/local/lib/kubearmor/kubearmor-hook"


@pytest.fixture
def node(token, scratch):
    one = Node("machine", token, scratch)
    yield one
    one.close()


@pytest.fixture
def podman(node, base, scratch):
    """podman(words...) with the node's own configuration."""
    node.path("/etc/containers/containers.conf").write_text(CONFIGURATION)
    archive = scratch / "rootfs.tar"
    subprocess.run(["tar", "-C", base / "rootfs", "-cf", archive, "bin", "tmp", "etc"], check=True)

    def call(*words, check=True):
        with open(scratch / f"podman-{threading.get_ident()}.out", "w+b") as out:
            done = node.run(["env", f"TMPDIR={scratch}", "podman", "--storage-driver", "vfs",
                             *words], stdout=out, stderr=subprocess.PIPE, timeout=HANG_S)
            out.seek(0)
            text = out.read().decode().strip()
        assert not check or done.returncode == 0, done.stderr.decode()
        return text
    call("import", archive, IMAGE)
    yield call
    call("rm", "--all", "--force", "--time", "0", check=False)


@pytest.fixture
def listener(node):
    one = Recorder(node.path("/run/kubearmor/ka.sock"))
    yield one
    one.close()


def start(podman, node, *options, runtime="runc"):
    return podman("--runtime", runtime, "run", "--detach", "--network", "none", "--cgroup-parent", node.cgroup_parent,
                  *options, IMAGE, "sleep", "600").splitlines()[-1]


def install(node, *words, **kwargs):
    return node.install("--runtime", "podman", *words, **kwargs)


def test_containers_are_announced_until_it_is_undone(node, podman, listener):
    before = node.files()
    older = start(podman, node)
    install(node)
    shutil.rmtree(node.sources)  # as the removal of the package does
    assert node.states()["podman"] == "hooked"
    ident = start(podman, node, "--name", "quiet_moon")
    [message] = listener.creates()
    assert (message.container["id"], message.container["name"]) == (ident, "quiet_moon")
    assert message.container["pid"] == json.loads(podman("inspect", ident))[0]["State"]["Pid"]

    node.hookctl("uninstall")
    assert node.path(BINARY).exists(), "a container names it"
    podman("rm", "--force", "--time", "0", ident)
    assert [m.container["id"] for m in listener.deletes()] == [ident]
    node.hookctl("uninstall")
    assert node.files() == before
    podman("rm", "--force", "--time", "0", older)
    podman("rm", "--force", "--time", "0", start(podman, node))
    assert len(listener.messages) == 2


def test_the_hooks_options_reach_it(node, podman):
    install(node, "--socket", "/run/elsewhere.sock", "--timeout", "2500ms", "--spool", "")
    listener = Recorder(node.path("/run/elsewhere.sock"))
    try:
        ident = start(podman, node)
        assert listener.creates(ident)
    finally:
        listener.close()
    hook = json.loads(node.path(HOOKS_DIR + "/kubearmor-hook-poststop.json").read_text())["hook"]
    assert hook == {"path": BINARY, "timeout": 5, "args": [
        "kubearmor-hook", "--stage", "poststop", "--socket", "/run/elsewhere.sock",
        "--timeout", "2500ms", "--spool", ""]}


def test_stages_that_are_asked_for(node, podman, listener):
    install(node, "--stages", "createContainer,poststop")
    ident = start(podman, node)
    podman("rm", "--force", "--time", "0", ident)
    assert [m.container.get("stage") for m in listener.messages] == ["createContainer", "poststop"]


def test_the_directory_that_podman_reads(node, podman, listener):
    """A drop-in moves it; where it cannot be written to, a drop-in of ours adds another."""
    drop_ins = node.path("/etc/containers/containers.conf.d")
    drop_ins.mkdir()
    (drop_ins / "50-site.conf").write_text('[engine]\nhooks_dir = ["/etc/site-hooks"]\n')
    before = node.files()
    install(node)
    assert node.path("/etc/site-hooks/kubearmor-hook-createRuntime.json").exists()
    assert listener.creates(start(podman, node))
    podman("rm", "--all", "--force", "--time", "0")
    node.hookctl("uninstall")
    assert node.files() == before

    node.path("/etc/site-hooks").mkdir()
    node.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/etc/site-hooks"])
    before = node.files()
    install(node)
    assert listener.creates(start(podman, node))
    assert "/etc/site-hooks" in (drop_ins / "99-kubearmor-hook.conf").read_text()
    podman("rm", "--all", "--force", "--time", "0")
    node.hookctl("uninstall")
    assert node.files() == before


def test_the_wrapper_as_one_of_podmans_runtimes(node, podman, listener):
    with open(node.path("/etc/containers/containers.conf"), "a") as file:
        file.write(f'[engine.runtimes]\nannounced = ["{node.place_wrapper()}"]\n')
    ident = start(podman, node, runtime="announced")
    assert listener.creates(ident)
    podman("rm", "--force", "--time", "0", ident)
    assert listener.deletes(ident)
    podman("rm", "--force", "--time", "0", start(podman, node))
    assert len(listener.messages) == 2


def test_what_others_change_stays(node):
    node.path(HOOKS_DIR).mkdir(parents=True)
    before = node.files()
    install(node)
    node.path(HOOKS_DIR + "/theirs.json").write_text("{}")
    node.path(HOOKS_DIR + "/kubearmor-hook-poststop.json").unlink()
    assert node.states()["podman"] == "partly"
    node.hookctl("repair", "--source-dir", node.sources)
    assert node.states()["podman"] == "hooked"
    node.path(BINARY).chmod(0o777)
    assert node.states()["podman"] == "broken"
    node.hookctl("repair", "--source-dir", node.sources)
    assert node.states()["podman"] == "hooked"
    node.path(HOOKS_DIR + "/kubearmor-hook-createRuntime.json").write_text("{")
    node.hookctl("uninstall")
    after = node.files()
    assert after.pop(HOOKS_DIR + "/theirs.json")
    assert after == before


def test_a_dry_run_changes_nothing(node):
    before = node.files()
    _, out, _ = install(node, "--dry-run")
    assert f"+++ {HOOKS_DIR}/kubearmor-hook-createRuntime.json" in out
    assert node.files() == before


def test_a_host_that_is_mounted_somewhere(node, scratch):
    """Links of the host lead to the host's files, also absolute ones."""
    host = scratch / "host"
    for place in ("usr/bin", "usr/share/containers", "etc", "run", "var/lib", "proc", "real-local"):
        (host / place).mkdir(parents=True)
    (host / "usr/local").symlink_to("/real-local")
    (host / "usr/bin/podman").write_bytes(b"#!/bin/true\n")
    (host / "usr/bin/podman").chmod(0o755)
    install(node, "--host-root", host)
    assert (host / "real-local/lib/kubearmor/kubearmor-hook").exists()
    hook = host / HOOKS_DIR.lstrip("/") / "kubearmor-hook-createRuntime.json"
    assert json.loads(hook.read_text())["hook"]["path"] == \
        "/real-local/lib/kubearmor/kubearmor-hook"
    node.hookctl("uninstall", "--host-root", host)
    assert sorted(p.name for p in host.rglob("*") if "kubearmor" in p.name) == \
        ["kubearmor-setup.lock"]


def test_starts_meanwhile_succeed(node, podman):
    """Containers that start while it is installed, upgraded and undone."""
    stop = threading.Event()
    failures = []

    def starts():
        while not stop.is_set():
            try:
                podman("run", "--rm", "--network", "none", "--cgroup-parent", node.cgroup_parent,
                       IMAGE, "true")
            except AssertionError as failure:
                failures.append(failure)
    threads = [threading.Thread(target=starts) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            install(node)
            with open(node.sources / "kubearmor-hook", "ab") as program:
                program.write(b"another version")
            install(node)
            node.hookctl("uninstall", "--wait", "30s")
            assert not node.path(BINARY).exists()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures[0]


def test_at_the_same_time(node):
    """Several at once wait for one another."""
    before = node.files()
    words = [["install", "--runtime", "podman", "--source-dir", node.sources], ["uninstall"]]
    running = [node.popen([HOOKCTL, *words[i % 2]], stdout=subprocess.DEVNULL) for i in range(6)]
    assert [r.wait(HANG_S) for r in running] == [0] * 6
    node.hookctl("uninstall")
    assert node.files() == before


def test_verify_beside_the_real_listener(node, podman, base, scratch):
    install(node)
    code, out, _ = node.hookctl("verify", check=False)
    assert code == 1 and "FAILED  node" in out
    with Daemon(node, base / HOOKD.name, scratch, options=()):
        _, out, _ = node.hookctl("verify", "-o", "json")
        steps = json.loads(out)
        assert all(step["ok"] for step in steps), out
        assert any("test event" in step["step"] for step in steps)
        with node.popen([HOOKCTL, "verify", "--wait", "60s"], stdout=subprocess.PIPE) as waiting:
            while waiting.poll() is None:
                podman("run", "--rm", "--network", "none", "--cgroup-parent", node.cgroup_parent,
                       IMAGE, "true")
            assert b"by hook, createRuntime of runc" in waiting.stdout.read()
        assert waiting.returncode == 0
        (scratch / "none").mkdir()
        podman("--hooks-dir", scratch / "none", "run", "--detach", "--network", "none",
               "--cgroup-parent", node.cgroup_parent, IMAGE, "sleep", "60")
        assert node.hookctl("verify", "--events", "/" + "x" * 200, check=False)[0] == 1
        code, out, _ = until(lambda: [r for r in [node.hookctl("verify", check=False)] if r[0]],
                             "the container that no hook told of")[0]
        assert code == 1 and "1 without it: 1 of runc, such as " in out
