# SPDX-License-Identifier: Apache-2.0
"""A listener that begins is told of what ran before it: when its own container is created, the hook
starts a process on the host that tells it. KubeArmor's listener here; ours is in test_pod.py."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from harness import observe, until
from harness.engines import Containerd
from harness.kubearmor import KubeArmor
from harness.podman import Podman
from harness.view import View

SOCKET = "/run/kubearmor/ka.sock"
STAGES = ("createRuntime", "poststop")
END = ("delete", True, "kubearmor-hook.none")
ONE_ENGINE = pytest.mark.parametrize("engine", ["runc-v2"], indirect=True)


def snapshots(view):
    """The pids of the snapshot processes in VIEW."""
    pids = []
    for entry in filter(lambda e: e.name.isdigit(), Path("/proc").iterdir()):
        try:
            if b"\0--snapshot\0" in (entry / "cmdline").read_bytes() and \
                    os.stat(entry / "ns/mnt").st_ino == view.mount_namespace:
                pids.append(int(entry.name))
        except OSError:
            pass  # it has ended
    return pids


@pytest.fixture(autouse=True)
def no_snapshot_outlives(engine):
    yield
    for pid in snapshots(engine.view):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def run(engine):
    def runner(box):
        engine.create(box.id, box.bundle)
        engine.start(box.id)
        return box
    return runner


@pytest.fixture
def kubearmor(make, base):
    """Makes a container with KubeArmor's command."""
    program = base / "rootfs/KubeArmor/kubearmor"
    program.parent.mkdir(exist_ok=True)
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)

    def maker(**spec):
        return make(STAGES, process={"args": ["/KubeArmor/kubearmor"]}, **spec)
    return maker


@pytest.fixture
def agent(view):
    with KubeArmor(view.path(SOCKET)) as running:
        yield running


def snapshot_by_hand(view, hook, *options):
    return view.run([hook, "--snapshot", "0", *options], stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE)


def test_what_ran_before_is_told_once(engine, make, kubearmor, run, view):
    """Whoever came before the set-up, while nobody listened, and the listener's own container."""
    boxes = [run(make(())), run(make(STAGES)), run(kubearmor())]
    until(lambda: snapshots(view), "a process that waits for the listener")
    with KubeArmor(view.path(SOCKET)) as agent:
        until(lambda: agent.ready, "the whole snapshot")
        *creates, end = agent.history
        assert sorted(creates) == sorted(("create", True, box.id) for box in boxes)
        assert end == END
        for box in boxes:
            namespaces = observe.namespaces(engine.pid(box.id))
            assert agent.containers[box.id]["mntns"] == namespaces["mnt"]
            assert agent.containers[box.id]["pidns"] == namespaces["pid"]
        later = run(make(STAGES))
        engine.delete(later.id)
        engine.delete(boxes[0].id)  # it has no hooks
        engine.delete(boxes[1].id)
        assert agent.history[4:] == [("create", False, later.id), ("delete", False, later.id),
                                     ("delete", False, boxes[1].id)]
    until(lambda: not snapshots(view), "the end of the process")


def test_the_process_is_the_hosts_and_free_of_the_runtime(engine, kubearmor, run, view):
    box = run(kubearmor())  # the runtime has ended: it did not wait
    [pid] = until(lambda: snapshots(view), "the process")
    process = Path(f"/proc/{pid}")
    until(lambda: (process / "comm").read_text() == "kubearmor-hook\n", "its start")
    targets = {fd.name: os.readlink(fd) for fd in (process / "fd").iterdir()}
    assert {targets.pop(fd) for fd in "012"} == {"/dev/null"}
    assert all(t == "/proc" or t.startswith(("/run/kubearmor/", "socket:"))
               for t in targets.values()), targets
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    assert int(status["SigBlk"], 16) == 0
    assert (process / "environ").read_bytes() == b""
    assert os.readlink(process / "cwd") == "/"
    assert os.getsid(pid) == pid
    assert box.id not in (process / "cgroup").read_text()
    assert os.stat(process / "ns/pid").st_ino == os.stat("/proc/self/ns/pid").st_ino


def test_one_works_and_one_waits_however_many_ask(engine, kubearmor, run, view):
    boxes = [run(kubearmor()) for _ in range(5)]
    until(lambda: len(snapshots(view)) == 2, "the others' end")
    with KubeArmor(view.path(SOCKET)) as agent:
        until(lambda: not snapshots(view), "the end of both")
        assert set(agent.history) == {END, *(("create", True, box.id) for box in boxes)}


@ONE_ENGINE
def test_a_predecessor_is_not_told_and_its_successor_is(engine, make, kubearmor, run, view):
    """The old listener still answers when the new one's container is made, and another container
    with its command is made in between: it takes nothing from the new one."""
    box = run(make(()))
    with KubeArmor(view.path(SOCKET)) as old:
        run(kubearmor())
        run(kubearmor())
        until(lambda: len(snapshots(view)) == 2, "both ask")
        assert old.history == []
    with KubeArmor(view.path(SOCKET)) as new:
        until(lambda: new.ready, "the snapshot")
        assert ("create", True, box.id) in new.history


@ONE_ENGINE
def test_a_listener_that_dies_in_between_is_told_anew(engine, make, kubearmor, run, view):
    boxes = {run(make(())).id for _ in range(3)}
    boxes.add(run(kubearmor()).id)
    with KubeArmor(view.path(SOCKET)) as first:
        first.hang()
        until(lambda: first.accepted, "it is being told")
        first.stop(leave_socket=True)
    with KubeArmor(view.path(SOCKET)) as second:
        until(lambda: second.ready, "the whole snapshot")
        assert {ident for verb, _, ident in second.history if verb == "create"} == boxes


@ONE_ENGINE
def test_only_the_listeners_command_counts(engine, make, run, view):
    run(make(STAGES, process={"args": ["sh", "-c", "exec sleep 600", "/KubeArmor/kubearmor"]}))
    assert not snapshots(view)
    run(make(STAGES, options=("--listener-command", "sleep")))
    assert until(lambda: snapshots(view), "the process")


@ONE_ENGINE
def test_at_create_container_there_is_none(engine, kubearmor, make, run, view):
    """Such a process would live in the container's cgroup, and die with it."""
    run(make(["createContainer"], options=("--listener-command", "sleep")))
    assert not snapshots(view)


@ONE_ENGINE
def test_a_node_where_nothing_runs(engine, view, hook, agent):
    assert snapshot_by_hand(view, hook).returncode == 0
    until(lambda: agent.ready, "the connection's end")
    assert agent.history == [END] and agent.containers == {}


@ONE_ENGINE
def test_what_a_runtime_keeps_elsewhere(engine, make, run, view):
    """The listener's own hook says where; --log stands last, behind all of them."""
    box = run(make(()))
    usual, other = (view.path(f"/run/{name}") / box.id for name in (engine.name, "own"))
    other.parent.mkdir(mode=0o700)
    usual.rename(other)
    options = ("--listener-command", "sleep", "--state-root", "/run/nothing", "--state-root", "/run/own",
               "--log", "/run/hook.log")
    asking = run(make(STAGES, options=options))
    with KubeArmor(view.path(SOCKET)) as agent:
        until(lambda: agent.ready, "the whole snapshot")
        assert set(agent.containers) == {box.id, asking.id}
    other.rename(usual)


@ONE_ENGINE
def test_every_message_is_taken_however_large_its_labels(engine, make, run, view, hook, agent):
    snapshot_by_hand(view, hook)
    until(lambda: agent.ready, "it takes containers in")
    large = {f"org.example/{n}": f"<{n}>\\\"\u00e9" + "x" * 1000 for n in range(100)}
    box = run(make(STAGES, annotations=large))
    assert agent.containers[box.id]["mntns"] == observe.namespaces(engine.pid(box.id))["mnt"]
    before = len(agent.history)
    assert snapshot_by_hand(view, hook).returncode == 0
    assert agent.history[before:] == [("create", True, box.id), END]
    engine.delete(box.id)
    assert agent.containers == {}


@ONE_ENGINE
@pytest.mark.parametrize("asking", ["podman", "containerd"])
def test_containers_of_every_engine(engine, make, base, scratch, token, asking):
    """Podman's and containerd's containers in one snapshot, which one of theirs asks for."""
    view = View("machine", token)
    podman, containerd = Podman(view, base, scratch), None
    options = ("--listener-command", "sleep")
    try:
        containerd = Containerd(view, scratch)
        podman.import_image()
        if asking == "podman":
            podman.hook_at(["createRuntime"], ["kubearmor-hook", *options])
        box = make(STAGES if asking == "containerd" else (), options=options,
                   edit=lambda config: config["linux"].update(
                       cgroupsPath=view.cgroup_parent + "/ours"))
        large = f"large={'x' * 100_000}"
        ident, _ = podman.run("--name", "quiet_sun", "--label", large, "--annotation", large)
        containerd.run("ours", box.bundle)
        until(lambda: snapshots(view), "a process that waits for the listener")
        with KubeArmor(view.path(SOCKET)) as agent:
            until(lambda: agent.ready, "the whole snapshot")
            assert sorted(agent.history) == sorted(
                [("create", True, ident), ("create", True, "ours"), END])
            assert agent.containers[ident]["containerName"] == "quiet_sun"
    finally:
        for pid in snapshots(view):
            os.kill(pid, signal.SIGKILL)
        if containerd:
            containerd.close()
        podman.close()
        view.close()
