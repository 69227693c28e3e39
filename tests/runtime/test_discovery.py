# SPDX-License-Identifier: Apache-2.0
"""What is found in the state directories of real runtimes is, member by member, what the hook told
of the same container; and the listener takes it in, once, without any hook."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from harness import DISCOVER, HOOKD, observe, on_kernel, until
from harness.daemon import Daemon
from harness.engines import Containerd, Docker
from harness.podman import Podman
from harness.recorder import Recorder
from harness.view import View

CREATE = ["createRuntime"]


@pytest.fixture(scope="session")
def discover_program(base):
    return shutil.copy(DISCOVER, base / DISCOVER.name)


@pytest.fixture
def discover(discover_program):
    def run(view, *root):
        done = view.run([discover_program, *root], stdout=subprocess.PIPE, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]
    return run


def found(discover, view, ident):
    [one] = [f for f in discover(view) if f["container"]["id"] == ident]
    assert one["finding"] == "container"
    return one


def same_as_told(one, told):
    """Only the hook was called at a stage."""
    observe.same({**one["container"], "stage": told["stage"]}, told)


@pytest.fixture(params=("own", "host", "joined", "user"))
def namespaces(request, engine, make):
    if request.param == "joined":
        other = make(())
        engine.create(other.id, other.bundle)
        pid = engine.pid(other.id)
        return {"pid_namespace": f"/proc/{pid}/ns/pid", "joined": {"ipc": f"/proc/{pid}/ns/ipc"}}
    if request.param == "host":
        return {"pid_namespace": "host", "host": ("network", "uts")}
    return {"user_namespace": request.param == "user"}


def test_a_runtimes_container(engine, make, recorder, discover, namespaces):
    box = make(CREATE, annotations={"org.example.key": "a=b", "k=e": "<v>"}, **namespaces)
    engine.create(box.id, box.bundle)
    [message] = recorder.creates()
    one = found(discover, engine.view, box.id)
    assert one["started"] is False and one["pidfd"]
    same_as_told(one, message.container)
    engine.start(box.id)
    assert until(lambda: found(discover, engine.view, box.id)["started"], "the start shows")
    engine.kill(box.id)
    until(lambda: box.id not in str(discover(engine.view)), "a dead one is not found")


def test_a_hosts_root_mounted_elsewhere(engine, make, recorder, discover):
    box = make(CREATE)
    engine.create(box.id, box.bundle)
    [message] = recorder.creates()
    [one] = discover(engine.view, "/proc/self/root/")
    same_as_told(one, message.container)


@pytest.fixture
def machine(token):
    view = View("machine", token)
    yield view
    view.close()


@pytest.fixture
def listener(machine):
    one = Recorder(machine.path("/run/kubearmor/ka.sock"))
    yield one
    one.close()


@pytest.fixture
def podman(machine, base, scratch):
    engine = Podman(machine, base, scratch)
    engine.import_image()
    yield engine
    engine.close()


def test_podmans_container(podman, machine, listener, discover):
    podman.hook_at(CREATE, ["kubearmor-hook", "--stage", *CREATE])
    ident, _ = podman.run("--name", "quiet_sun")
    [message] = listener.creates()
    one = found(discover, machine, ident)
    assert one["container"]["name"] == "quiet_sun"
    same_as_told(one, message.container)


def test_podmans_container_whose_runtime_has_an_unknown_root(podman, machine, listener, discover):
    """Its pid file alone is left, and the cgroup tells that the process is the container's."""
    podman.hook_at(CREATE, ["kubearmor-hook", "--stage", *CREATE])
    ident, _ = podman.run()
    [message] = listener.creates()
    os.rename(machine.path("/run/runc"), machine.path("/run/elsewhere"))
    one = found(discover, machine, ident)
    os.rename(machine.path("/run/elsewhere"), machine.path("/run/runc"))
    same_as_told({**one, "container": {**one["container"], "runtime": "runc"}}, message.container)


@pytest.fixture
def containerd(machine, scratch):
    engine = Containerd(machine, scratch)
    yield engine
    engine.close()


@pytest.fixture
def hooks(hook):
    return {stage: [{"path": str(hook), "args": ["kubearmor-hook", "--stage", stage],
                     "timeout": 10}] for stage in CREATE}


def task_bundle(machine, base, scratch, ident, hooks):
    from harness import bundle

    spec = bundle.spec(base / "rootfs", f"{machine.cgroup_parent}/{ident}",
                       annotations={"org.example.key": "v"})
    return bundle.write_bundle(scratch / ident, {**spec, "hooks": hooks})


def test_containerds_container(containerd, machine, listener, discover, base, scratch, hooks):
    pid = containerd.run("task-1", task_bundle(machine, base, scratch, "task-1", hooks))
    [message] = listener.creates()
    one = found(discover, machine, "task-1")
    assert one["container"]["pid"] == pid
    same_as_told(one, message.container)


def test_a_shim_alone(containerd, machine, listener, discover, base, scratch, hooks):
    """Its runtime's state lies where nobody looks."""
    containerd.run("task-1", task_bundle(machine, base, scratch, "task-1", hooks))
    [message] = listener.creates()
    os.rename(machine.path("/run/containerd/runc"), machine.path("/run/elsewhere"))
    one = found(discover, machine, "task-1")
    os.rename(machine.path("/run/elsewhere"), machine.path("/run/containerd/runc"))
    same_as_told({**one, "container": {**one["container"], "runtime": "runc"}}, message.container)


def test_dockers_container(machine, listener, discover, base, scratch, hooks):
    docker = Docker(machine, scratch, base, hooks)
    try:
        inspected = docker.run("dreamy_sun", "--label", "team=a", "--runtime", "with-hooks")
        [message] = listener.creates()
        one = found(discover, machine, inspected["Id"])
        assert one["container"]["name"] == "dreamy_sun"
        assert one["container"]["labels"] == {"team": "a"}
        same_as_told(one, message.container)
        # Before its set-up, Docker has no hooks at all.
        plain = docker.run("plain_sun")
        assert found(discover, machine, plain["Id"])["container"]["pid"] == plain["State"]["Pid"]
    finally:
        docker.close()


@pytest.fixture(params=("fanotify", "inotify", "poll"))
def watching(request, view, base, scratch):
    with Daemon(view, base / HOOKD.name, scratch, ("--watch", request.param)) as running:
        yield running


def test_a_container_without_hooks_lives_and_dies(engine, make, expected, watching):
    subscriber = watching.subscribe()
    box = make(())
    engine.create(box.id, box.bundle)
    event = subscriber.wait(box.id, "created")
    seen = expected(box, "none")
    told = dict(event["container"])
    assert told.pop("createdAt") and told.pop("state") == "created"
    assert told.pop("source") == event["source"] == "discovery"
    observe.same({**told, "stage": "none"}, seen)
    engine.start(box.id)
    subscriber.wait_state(box.id, "running")
    engine.kill(box.id)
    assert subscriber.wait(box.id, "removed")["reason"] == "exited"
    assert len(subscriber.events(box.id, "created")) == 1
    assert watching.status()["containers"]["missedByHook"] == 1


def test_what_ran_before_is_found_at_the_start(engine, make, view, base, scratch):
    box = make(())
    engine.create(box.id, box.bundle)
    engine.start(box.id)
    with Daemon(view, base / HOOKD.name, scratch, ()) as daemon:
        subscriber = daemon.subscribe()
        [line] = subscriber.events(box.id)
        assert (line["type"], line["container"]["state"]) == ("container", "running")
        assert daemon.status()["containers"]["missedByHook"] == 0
        daemon.stop(signal.SIGKILL)
        engine.kill(box.id)
        engine.delete(box.id)
        other = make(())
        engine.create(other.id, other.bundle)
        daemon.start()
        assert [c["id"] for c in daemon.ask(request="list")] == [other.id]


def test_a_hooks_container_is_told_of_once(engine, make, watching):
    subscriber = watching.subscribe()
    first, second = make(["createRuntime", "poststop"]), make(())
    engine.create(first.id, first.bundle)
    engine.create(second.id, second.bundle)
    subscriber.wait(second.id, "created")
    [event] = subscriber.events(first.id, "created")
    assert event["source"] == "hook"
    engine.delete(first.id)
    subscriber.wait(first.id, "removed")
    assert watching.status()["containers"]["missedByHook"] == 1


def test_what_is_new_while_the_listener_hangs_is_found(engine, make, watching):
    """More than the kernel keeps of notifications: some are lost, and a scan makes up for them."""
    subscriber = watching.subscribe()
    watching.send_signal(signal.SIGSTOP)
    box = make(())
    engine.create(box.id, box.bundle)
    queue = max(int(Path(f"/proc/sys/fs/{kind}/max_queued_events").read_text())
                for kind in ("fanotify", "inotify"))
    place = engine.view.path(f"/run/{engine.name}")
    for number in range(queue + 1):
        (place / f"left-{number}").touch()  # a plain file is no container
    last = make(())
    engine.create(last.id, last.bundle)
    watching.send_signal(signal.SIGCONT)
    for one in box, last:
        subscriber.wait(one.id, "created")


# Its own /run and /sys are empty, but for the sockets' directory; the host's root is elsewhere.
ELSEWHERE = """
set -e
mkdir -p /run/kubearmor
mount --rbind / "$1"
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /sys
mkdir /run/kubearmor
mount --bind "$1/run/kubearmor" /run/kubearmor
[ "$(readlink /proc/self)" = "$$" ] || mount -t proc proc /proc
host=$1 program=$2
shift 2
exec "$program" --host-root "$host" "$@"
"""


@pytest.mark.parametrize("pids", ((), ("--pid", "--fork", "--kill-child=KILL")),
                         ids=("hosts-pids", "own-pids"))
def test_a_listener_to_whom_the_host_is_mounted(engine, make, expected, base, scratch, pids):
    host = scratch / "host"
    host.mkdir()
    before = make(())
    engine.create(before.id, before.bundle)
    with Daemon(engine.view, base / HOOKD.name, scratch, (), prefix=(
            "unshare", "--mount", "--propagation", "private", *pids, "sh", "-c", ELSEWHERE, "sh",
            host), forks=bool(pids)) as daemon:
        subscriber = daemon.subscribe()
        after, hooked = make(()), make(["createRuntime", "poststop"])
        for box in after, hooked:
            engine.create(box.id, box.bundle)
            subscriber.wait(box.id, "created")
        for box in before, after, hooked:
            told = {**subscriber.events(box.id)[0]["container"]}
            seen = expected(box, told.get("stage", "none"))
            for member in "createdAt", "state", "source":
                del told[member]
            observe.same({"stage": "none", **told}, seen)
            engine.start(box.id)
            subscriber.wait_state(box.id, "running")
            engine.kill(box.id)
            assert subscriber.wait(box.id, "removed")["reason"] == "exited"
        daemon.stop(signal.SIGKILL if pids else signal.SIGTERM)


@pytest.mark.parametrize("version", ("5.4", "6.8"))
def test_on_an_older_kernel(engine, make, expected, base, scratch, version):
    with Daemon(engine.view, base / HOOKD.name, scratch, (), on_kernel(version)) as daemon:
        subscriber = daemon.subscribe()
        hooked, plain = make(["createRuntime", "poststop"]), make(())
        for box, source in (hooked, "hook"), (plain, "discovery"):
            engine.create(box.id, box.bundle)
            assert subscriber.wait(box.id, "created")["source"] == source
            told = {**subscriber.events(box.id)[0]["container"]}
            for member in "createdAt", "state", "source":
                del told[member]
            observe.same({"stage": "none", **told}, expected(box, told.get("stage", "none")))
            engine.start(box.id)
            subscriber.wait_state(box.id, "running")
            engine.kill(box.id)
            subscriber.wait(box.id, "removed")


def test_runtimes_with_other_roots(engine, make, base, scratch):
    """The runtime's own, and a containerd's, whose shim alone is left."""
    roots = engine.view.path("/run/own"), engine.view.path("/run/other containerd")
    box, task = make(()), make(())
    for one in box, task:
        engine.create(one.id, one.bundle)
    pid = engine.pid(task.id)
    engine.view.path(f"/run/{engine.name}").rename(roots[0])
    directory = roots[1] / "io.containerd.runtime.v2.task/k8s.io" / task.id
    directory.mkdir(parents=True)
    shutil.copy(engine.view.path(task.bundle / "config.json"), directory)
    (directory / "init.pid").write_text(str(pid))
    shutil.rmtree(roots[0] / task.id)
    options = [word for root in ("/run/own/", "/run/other containerd")
               for word in ("--state-root", root)]
    with Daemon(engine.view, base / HOOKD.name, scratch, options) as daemon:
        found = {c["id"]: c for c in daemon.ask(request="list")}
        assert set(found) == {box.id, task.id}
        assert found[task.id]["pid"] == pid
        assert found[task.id]["bundle"].startswith("/run/other containerd/io.containerd")
        daemon.stop()
    roots[0].rename(engine.view.path(f"/run/{engine.name}"))
    os.kill(pid, signal.SIGKILL)
