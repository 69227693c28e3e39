# SPDX-License-Identifier: Apache-2.0
"""A container's whole life with the real listener: one birth, one death, in order, whatever
happens to container, runtime or listener in between."""

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import HOOKD, until
from harness.daemon import Daemon
from harness.runtime import Runtime

STAGES = ("createRuntime", "poststop")
# Init, and a child of it that ends only when it is killed itself.
INIT_AND_CHILD = ("sh", "-c", "setsid sleep 600 & exec sleep 601")


def start(engine, box):
    engine.create(box.id, box.bundle)
    pid = engine.pid(box.id)
    engine.start(box.id)
    return pid


def one_life(events):
    kinds = [e["type"] for e in events]
    assert kinds[0] == "created" and kinds[-1] == "removed", kinds
    assert set(kinds[1:-1]) <= {"updated"}, kinds
    numbers = [e["seq"] for e in events]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("stage", ("prestart", "createRuntime", "createContainer"))
def test_created_is_told_before_the_runtime_goes_on(engine, make, daemon, scratch, stage):
    """A second hook holds the runtime up, right behind ours: the subscriber knows already."""
    gate, marks = scratch / "gate", scratch / "marks"
    os.mkfifo(gate)
    marks.mkdir(mode=0o777)
    subscriber = daemon.subscribe()
    wait = {"path": "/bin/sh", "args": ["sh", "-c", f"cat >/dev/null; cat {gate}"], "timeout": 120}
    box = make([stage], args="none", mounts=[{
        "destination": "/marks", "type": "bind", "source": str(marks), "options": ["rbind"]}],
        process={"args": ["sh", "-c", "touch /marks/runs; exec sleep 600"]},
        edit=lambda config: config["hooks"][stage].append(wait))
    runtime = engine.popen("run", box.id, box.bundle, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    try:
        with open(gate, "wb"):  # opens when the second hook does: ours has ended
            created = subscriber.wait(box.id, "created")
            assert created["container"]["state"] == "created"
            assert not (marks / "runs").exists()
        until((marks / "runs").exists, "the container's own process runs")
    finally:
        engine.delete(box.id, check=False)
        runtime.wait(60)


def test_running_is_told(engine, make, daemon):
    subscriber = daemon.subscribe()
    box = make(STAGES)
    start(engine, box)
    subscriber.wait_state(box.id, "running")


def test_a_killed_init_is_removed_without_any_delete(engine, make, daemon):
    subscriber = daemon.subscribe()
    box = make(STAGES)
    os.kill(start(engine, box), signal.SIGKILL)
    assert subscriber.wait(box.id, "removed")["reason"] == "exited"
    one_life(subscriber.events(box.id))


def test_a_late_delete_of_a_dead_container_tells_nothing_new(engine, make, daemon):
    subscriber = daemon.subscribe()
    box = make(STAGES)
    os.kill(start(engine, box), signal.SIGKILL)
    subscriber.wait(box.id, "removed")
    engine.delete(box.id)
    after = make(STAGES)
    start(engine, after)
    subscriber.wait(after.id, "created")
    one_life(subscriber.events(box.id))


@pytest.mark.parametrize("joined", (False, True), ids=("hosts", "joined"))
@pytest.mark.parametrize("version", (1, 2))
def test_children_that_outlive_init_keep_the_container(engine, make, view, daemon, version, joined):
    """In a pid namespace of others the kernel does not kill them with their init."""
    pids = "host"
    if version == 1:
        if view.layout == "v2":
            pytest.skip("version 1 of cgroups is not there")
        view.run(["umount", "/sys/fs/cgroup/unified"])
    if joined:
        other = make(())
        engine.create(other.id, other.bundle)
        pids = f"/proc/{engine.pid(other.id)}/ns/pid"
    subscriber = daemon.subscribe()
    box = make(STAGES, pid_namespace=pids, process={"args": list(INIT_AND_CHILD)})
    pid = start(engine, box)
    hierarchy = view.v2_mount if version == 2 else view.path("/sys/fs/cgroup/pids")
    procs = hierarchy / box.config["linux"]["cgroupsPath"].lstrip("/") / "cgroup.procs"
    until(lambda: len(procs.read_text().split()) == 2, "init and its child run")
    os.kill(pid, signal.SIGKILL)
    subscriber.wait_state(box.id, "exited")
    assert not subscriber.events(box.id, "removed")
    for child in procs.read_text().split():
        os.kill(int(child), signal.SIGKILL)
    subscriber.wait(box.id, "removed")
    one_life(subscriber.events(box.id))


@pytest.mark.parametrize("mode", ("own", "host"))
def test_delete(engine, make, daemon, mode):
    subscriber = daemon.subscribe()
    box = make(STAGES, pid_namespace=mode)
    start(engine, box)
    engine.delete(box.id)
    assert subscriber.wait(box.id, "removed")["reason"] in ("exited", "deleted")
    one_life(subscriber.events(box.id))


def test_created_and_never_started(engine, make, daemon):
    subscriber = daemon.subscribe()
    box = make(STAGES)
    engine.create(box.id, box.bundle)
    subscriber.wait(box.id, "created")
    engine.delete(box.id)
    subscriber.wait(box.id, "removed")
    one_life(subscriber.events(box.id))


def test_a_failed_create_leaves_no_phantom(engine, make, daemon):
    """crun runs no poststop after a create that failed."""
    subscriber = daemon.subscribe()
    box = make(STAGES, process={"args": ["/no/such/program"]})
    code, _ = engine.create(box.id, box.bundle, check=False)
    if code == 0:
        engine.start(box.id)
    subscriber.wait(box.id, "removed")
    one_life(subscriber.events(box.id))


def test_the_same_id_again_is_another_life(engine, make, daemon):
    subscriber = daemon.subscribe()
    lives = 3
    for _ in range(lives):
        box = make(STAGES, ident="again")
        start(engine, box)
        engine.delete(box.id)
    subscriber.wait("again", "removed", count=lives)
    kinds = [e["type"] for e in subscriber.events("again") if e["type"] != "updated"]
    assert kinds == ["created", "removed"] * lives
    incarnations = {(e["container"]["pid"], e["container"]["startTime"])
                    for e in subscriber.events("again", "created")}
    assert len(incarnations) == lives


@pytest.mark.parametrize("engine", ["runc-v2"], indirect=True)
def test_one_id_in_two_runtimes_is_two_containers(engine, make, view, daemon, scratch):
    other = Runtime("crun", view, scratch)
    try:
        subscriber = daemon.subscribe()
        for name, runtime in (("one", engine), ("two", other)):
            box = make(STAGES, ident="twin", directory=scratch / name, edit=lambda config:
                       config["linux"].update(cgroupsPath=f"{view.cgroup_parent}/twin-{name}"))
            runtime.create(box.id, box.bundle)
            runtime.start(box.id)
        subscriber.wait("twin", "created", count=2)
        assert {e["container"]["runtime"] for e in subscriber.events("twin", "created")} == \
            {"runc", "crun"}
        assert len(daemon.ask(request="list")) == 2
        other.delete("twin")
        gone = subscriber.wait("twin", "removed")
        assert gone["container"]["runtime"] == "crun"
        [left] = daemon.ask(request="list")
        assert left["runtime"] == "runc"
        engine.delete("twin")
        subscriber.wait("twin", "removed", count=2)
    finally:
        other.close()


def test_containers_made_while_the_listener_was_down(engine, make, view, base, scratch):
    """They are in the spool: the living are told of as created, the dead not at all."""
    dead, alive = make(STAGES), make(STAGES)
    start(engine, dead)
    engine.delete(dead.id)
    pid = start(engine, alive)
    with Daemon(view, base / HOOKD.name, scratch) as daemon:
        def known():
            return [c for c in daemon.ask(request="list") if c["id"] == alive.id]
        [told] = until(known, "the container of the spool is known")
        assert (told["pid"], told["source"]) == (pid, "spool")
        assert [c["id"] for c in daemon.ask(request="list")] == [alive.id]
        until(lambda: not spooled(view), "the spool is taken in")


def spooled(view):
    spool = view.path("/run/kubearmor/spool")
    return [e for e in spool.iterdir() if e.name[0].isdigit()] if spool.exists() else []


@pytest.mark.parametrize("how", (signal.SIGTERM, signal.SIGKILL))
def test_a_restarted_listener_makes_no_false_births_or_deaths(engine, make, view, base, scratch,
                                                              how):
    daemon = Daemon(view, base / HOOKD.name, scratch)
    daemon.start()
    try:
        stays, goes = make(STAGES), make(STAGES)
        pid = start(engine, stays)
        start(engine, goes)
        daemon.stop(how)
        engine.delete(goes.id)
        daemon.start()
        subscriber = daemon.subscribe()
        until(lambda: [c["id"] for c in daemon.ask(request="list")] == [stays.id],
              "only the living is known")
        assert [e["type"] for e in subscriber.events(stays.id)] in (["container"], ["created"])
        assert subscriber.events(stays.id)[0]["container"]["pid"] == pid
        engine.delete(stays.id)
        subscriber.wait(stays.id, "removed")
    finally:
        daemon.stop()


def test_whose_is_this(engine, make, view, expected, daemon):
    box, other = make(STAGES), make(STAGES)
    for one in (other, box):
        start(engine, one)
    seen = expected(box, "createRuntime")
    questions = [{"id": box.id}, {"id": box.id[:8]}, {"pid": seen["pid"]},
                 {"namespace": {"type": "mnt", "inode": seen["namespaces"]["mnt"]}},
                 {"namespace": {"type": "pid", "inode": seen["namespaces"]["pid"]}}]
    if "id" in seen["cgroup"]:
        questions.append({"cgroupId": seen["cgroup"]["id"]})
    for question in questions:
        assert [c["id"] for c in daemon.ask(request="lookup", **question)] == [box.id], question


def test_twenty_containers_come_and_go_at_once(engine, make, daemon):
    subscriber = daemon.subscribe()
    boxes = [make(STAGES) for _ in range(20)]
    with ThreadPoolExecutor(4) as pool:
        pids = list(pool.map(lambda box: start(engine, box), boxes))
    for box, pid in zip(boxes, pids):
        assert subscriber.wait(box.id, "created")["container"]["pid"] == pid
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda box: engine.delete(box.id), boxes))
    for box in boxes:
        subscriber.wait(box.id, "removed")
        one_life(subscriber.events(box.id))
    assert daemon.ask(request="list") == []
