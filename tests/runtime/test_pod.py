# SPDX-License-Identifier: Apache-2.0
"""The listener in a container of its own, as in a pod: its own namespaces, a read-only root, no
capability, and nothing of the host's but the socket directory."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from harness import HOOKD, observe, until
from harness.crinode import CriNode
from harness.daemon import EVENTS_SOCKET, HOOK_SOCKET as SOCKET, Subscriber, _validator

STAGES = ("createRuntime", "poststop")
COMMAND = "/usr/bin/kubearmor-hookd"
POD_IMAGE = "docker.io/library/kh-listener:1"


@pytest.fixture(scope="session")
def image(base):
    """A root with the listener and its libraries alone."""
    root = base / "pod"
    for directory in ("proc", "dev", "run/kubearmor", "usr/bin"):
        (root / directory).mkdir(parents=True)
    shutil.copy(HOOKD, root / COMMAND.lstrip("/"))
    linked = subprocess.run(["ldd", HOOKD], stdout=subprocess.PIPE, text=True, check=True).stdout
    for word in filter(lambda w: w.startswith("/"), linked.split()):
        place = root / word.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(word, place)
    return root


class Pod:
    """The listener's container; each start() makes a new one, as a kubelet does."""

    def __init__(self, engine, make, image, view):
        self._engine = engine
        self._make = make
        self._image = image
        self._view = view
        self._schema = _validator()
        self.box = None
        self.options = []
        self.capabilities = []

    def start(self):
        self._view.path("/run/kubearmor").mkdir(mode=0o711, exist_ok=True)
        self._view.path(EVENTS_SOCKET).unlink(missing_ok=True)

        def edit(config):
            config["root"] = {"path": str(self._image), "readonly": True}
            config["process"]["capabilities"] = {
                s: self.capabilities for s in ("bounding", "effective", "permitted")}

        self.box = self._make(
            STAGES, process={"args": [COMMAND, *self.options]}, edit=edit, mounts=[{
                "destination": "/run/kubearmor", "type": "bind", "source": "/run/kubearmor",
                "options": ["rbind", "rw"]}])
        self._engine.create(self.box.id, self.box.bundle)
        self._engine.start(self.box.id)
        until(self._view.path(EVENTS_SOCKET).exists, "the listener is ready")
        return self

    @property
    def id(self):
        return self.box.id

    @property
    def pid(self):
        return self._engine.pid(self.box.id)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        until(lambda: self._engine.state(self.box.id)["status"] == "stopped", "its end")

    def ask(self, **request):
        one = Subscriber(self._view.path(EVENTS_SOCKET), self._schema, request)
        one.close()
        return {m["container"]["id"]: m["container"] for m in one.lines if m["type"] == "container"}

    def list(self):
        return self.ask(request="list")

    def subscribe(self):
        return Subscriber(self._view.path(EVENTS_SOCKET), self._schema)


@pytest.fixture
def pod(engine, make, image, view):
    return Pod(engine, make, image, view)


@pytest.fixture
def run(engine):
    def runner(box):
        engine.create(box.id, box.bundle)
        engine.start(box.id)
        return box
    return runner


def one_life(lines, ident):
    """The births and deaths of a container, in a subscriber's LINES."""
    return [m["type"] for m in lines if m["type"] in ("created", "removed")
            and m["container"]["id"] == ident]


def test_what_ran_before_it_and_what_comes_after(engine, make, run, pod, expected):
    """With and without hooks before; a death is seen without a word of the runtime's."""
    before, hooked = run(make(())), run(make(STAGES))
    pod.start()
    known = until(lambda: len(pod.list()) == 3 and pod.list(), "what ran before, and itself once")
    assert known[before.id]["source"] == "snapshot" and known[before.id]["state"] == "running"
    assert known[hooked.id]["source"] == "spool"
    told = {name: value for name, value in known[before.id].items()
            if name not in ("state", "source", "createdAt")}
    truth = expected(before, None)
    observe.same(told, {name: value for name, value in truth.items() if name != "stage"})
    events = pod.subscribe()
    after = run(make(STAGES))
    assert events.wait(after.id, "created")["source"] == "hook"
    for box in (before, hooked, after):
        os.kill(engine.pid(box.id), signal.SIGKILL)
        removed = events.wait(box.id, "removed")
        assert (removed["source"], removed["reason"]) == ("kernel", "exited")
        engine.delete(box.id)
    last = run(make(STAGES))
    events.wait(last.id, "created")
    events.close()
    assert one_life(events.lines, after.id) == ["created", "removed"]
    assert one_life(events.lines, before.id) == one_life(events.lines, hooked.id) == ["removed"]
    assert set(pod.list()) == {pod.id, last.id}


def test_it_is_killed_and_made_anew(engine, make, run, pod):
    """Meanwhile one container goes on, one is deleted, one dies without anybody's word, and one is
    made; the listener's former container is dead and not yet deleted."""
    stays, deleted, lost = run(make(STAGES)), run(make(STAGES)), run(make(()))
    pod.start()
    known = until(lambda: len(pod.list()) == 4 and pod.list(), "what ran before, and itself")
    pod.kill()
    engine.delete(deleted.id)
    os.kill(engine.pid(lost.id), signal.SIGKILL)
    made = run(make(STAGES))
    pod.start()
    until(lambda: set(pod.list()) == {stays.id, made.id, pod.id}, "nothing but the truth")
    assert pod.list()[stays.id]["createdAt"] == known[stays.id]["createdAt"]
    events = pod.subscribe()
    for box in (stays, made):
        os.kill(engine.pid(box.id), signal.SIGKILL)
        assert events.wait(box.id, "removed")["reason"] == "exited"
    events.close()
    assert one_life(events.lines, stays.id) == ["removed"]


# Says REQUEST to SOCKET from the mount namespace of the process PID, which it enters in between.
_SPEAK_FROM = """
import ctypes, os, socket, sys
path, pid, request = sys.argv[1:]
peer = socket.socket(socket.AF_UNIX)
peer.settimeout(60)
peer.connect(path)
assert ctypes.CDLL(None).setns(os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY), 0) == 0
peer.sendall(request.encode())
print(peer.recv(10).decode())
"""


@pytest.mark.parametrize("engine", ["runc-v2"], indirect=True)
@pytest.mark.parametrize("capabilities", [[], ["CAP_SYS_PTRACE"]], ids=["none", "ptrace"])
def test_who_is_in_a_container_is_found_out_where_the_listener_may_look(
        engine, make, run, pod, view, capabilities):
    """A process in a known container's mount namespace, were the socket mounted there."""
    box = run(make(STAGES))
    pod.capabilities = capabilities
    pod.start()
    until(lambda: len(pod.list()) == 2, "both")

    def say(pid, ident):
        request = {"operation": 1, "detached": False, "container": {"containerID": ident}}
        return subprocess.run(
            [sys.executable, "-c", _SPEAK_FROM, view.path(SOCKET), str(pid), json.dumps(request)],
            stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    assert say(engine.pid(box.id), pod.id) == ("" if capabilities else "ok")
    assert (pod.id in pod.list()) == bool(capabilities)
    assert say(os.getpid(), box.id) == "ok" and box.id not in pod.list()


@pytest.mark.parametrize("engine", ["runc-v2"], indirect=True)
def test_a_lie_about_namespaces_is_corrected_where_the_listener_may_look(engine, make, pod, view):
    pod.capabilities = ["CAP_SYS_PTRACE"]
    pod.start()
    box = make(())
    engine.create(box.id, box.bundle)
    pid = engine.pid(box.id)
    request = {"operation": 0, "detached": False,
               "container": {"containerID": box.id, "pid": pid, "mntns": 4711, "pidns": 4712}}
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(view.path(SOCKET)))
        pidfd = os.pidfd_open(pid)
        socket.send_fds(peer, [json.dumps(request).encode()], [pidfd])
        os.close(pidfd)
        assert peer.recv(2) == b"ok"
    namespaces = pod.list()[box.id]["namespaces"]
    assert namespaces.items() <= observe.namespaces(pid).items() and len(namespaces) == 8


@pytest.fixture
def node(token, base, scratch, image):
    one = CriNode(token, base, scratch)
    one.load_image([POD_IMAGE], image, directories=[d.name for d in image.iterdir()])
    yield one
    one.close()


@pytest.mark.skipif(not shutil.which("containerd"), reason="there is no containerd")
def test_a_pod_of_containerds(node):
    """What docs/pod.md shows, asked for as a kubelet does; its container is killed and made anew."""
    def listen(pod, name):
        node.path(EVENTS_SOCKET).unlink(missing_ok=True)
        ident = node.cri.start_container(
            pod, name, POD_IMAGE, command=[COMMAND], readonly_rootfs=True, no_new_privs=True,
            capabilities={"drop_capabilities": ["ALL"]}, seccomp={"profile_type": 0},
            mounts=[{"container_path": "/run/kubearmor", "host_path": "/run/kubearmor"}])
        until(node.path(EVENTS_SOCKET).exists, "the listener is ready")
        return ident

    def told():
        """By what, of every container that it knows."""
        one = Subscriber(node.path(EVENTS_SOCKET), _validator(), {"request": "list"})
        one.close()
        return {m["container"]["id"]: m["container"]["source"] for m in one.lines
                if m["type"] == "container"}

    before, [unhooked] = node.pod("before", containers=1)[0], node.cri.running()
    node.install("--runtime", "containerd")
    node.restart_containerd()
    node.path("/run/kubearmor").mkdir(mode=0o711, exist_ok=True)
    pod = node.cri.run_pod("kubearmor-hookd", "kubearmor", cgroup_parent=node.cgroup_parent)
    first = listen(pod, "hookd-0")
    until(lambda: set(told()) == {before.id, unhooked, pod.id, first}, "what ran before")
    assert told()[before.id] == told()[unhooked] == "snapshot"

    later, [hooked] = node.pod("later", containers=1)[0], node.cri.running() - {unhooked, first}
    assert told()[hooked] == "hook" and later.id not in told()  # a pause container has no hook
    node.cri.call("StopContainer", container_id=first, timeout=0)
    node.cri.remove_pod(before)
    second = listen(pod, "hookd-1")
    until(lambda: set(told()) == {pod.id, later.id, hooked, second}, "what is true now")
    node.cri.remove_pod(later)
    until(lambda: set(told()) == {pod.id, second}, "their end")
