# SPDX-License-Identifier: Apache-2.0
"""Containers of users other than root that no hook told of: found in their own directories, which
may hold anything, once the listener's owner allows the user."""

import json
import os
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from harness import HOOKD, bundle, observe, on_kernel, until
from harness.daemon import Daemon
from harness.node import Node
from harness.recorder import Recorder
from harness.rootless import NEEDS_PODMAN, Podman, User
from harness.runtime import Runtime

ALICE, BOB = 4242, 4243
ALLOW = ("--allow-uid", str(ALICE))

MANY = 20000  # entries of a directory

DAC_READ_SEARCH, SYS_PTRACE = 2, 19  # capabilities(7)

pytestmark = NEEDS_PODMAN


@pytest.fixture
def node(token, scratch):
    one = Node("v2", token, scratch)
    yield one
    one.close()


@pytest.fixture
def alice(node):
    return User(node, "alice", ALICE)


@pytest.fixture
def listen(node, base, scratch):
    """listen(*options): a listener to be started."""
    def start(*options, prefix=()):
        return Daemon(node, base / HOOKD.name, scratch, options, prefix)
    return start


@pytest.fixture
def rootful(node, base, scratch):
    """rootful(ident): a container of root's, without hooks, of which the pid is returned."""
    engine = Runtime("crun", node, scratch)

    def create(ident):
        engine.create(ident, bundle.write_bundle(
            scratch / ident, bundle.spec(base / "rootfs", f"{node.cgroup_parent}/{ident}")))
        return engine.pid(ident)
    yield create
    engine.close()


def told(line):
    """A container as the hook would have told it, from a line of the listener's."""
    return {name: value for name, value in line.items()
            if name not in ("createdAt", "state", "source")}


def without_stage(container):
    return {name: value for name, value in container.items() if name != "stage"}


@pytest.fixture(params=("crun", "runc"))
def podman(request, alice, base, scratch):
    """With the hook, which tells somebody else than the listener."""
    hooks = scratch / "hooks.d"
    hooks.mkdir()
    (hooks / "hook.json").write_text(json.dumps({
        "version": "1.0.0", "when": {"always": True}, "stages": ["createRuntime"],
        "hook": {"path": str(base / "kubearmor-hook"), "timeout": 10,
                 "args": ["kubearmor-hook", "--stage", "createRuntime"]}}))
    engine = Podman(alice, base / "rootfs", request.param, hooks)
    yield engine
    engine.close()


@pytest.mark.parametrize("options", ((), ("--userns", "keep-id")), ids=("podmans", "keep-id"))
def test_podmans_container_is_what_the_hook_would_tell(podman, node, listen, options):
    recorder = Recorder(node.path("/run/kubearmor/ka.sock"), 0o666)
    ident = podman.run("--name", "quiet_sun", "--label", "team=a", *options)
    recorder.close()
    [message] = recorder.creates()
    with listen(*ALLOW) as daemon:
        events = daemon.subscribe()
        [line] = events.events(ident)
        found = line["container"]
        assert (line["type"], found["state"], found["source"]) == (
            "container", "running", "discovery")
        assert (found["runtime"], found["name"]) == (podman.runtime, "quiet_sun")
        # A rootless crun runs under another name, so that the hook cannot tell its runtime; nor can
        # it tell Podman's user namespace from the host's.
        observe.same(told(found), {"runtime": "crun", **without_stage(message.container),
                                   "hostNamespaces": ["time"]})
        podman("rm", "--force", "--time", "0", ident)
        assert events.wait(ident, "removed")["reason"] == "exited"


@pytest.fixture(params=("fanotify", "inotify", "poll"))
def watching(request, alice, listen):
    with listen(*ALLOW, "--watch", request.param) as running:
        yield running


def test_a_login_a_container_and_a_logout(watching, alice, make):
    """Twice: the run directory of a session is a file system of its own, and not kept busy."""
    events = watching.subscribe()
    for _ in range(2):
        alice.log_out()
        alice.log_in()
        box = make(alice)
        alice("crun", "create", "--bundle", box.bundle, box.id)
        created = events.wait(box.id, "created")
        assert (created["source"], created["container"]["state"]) == ("discovery", "created")
        alice("crun", "start", box.id)
        events.wait_state(box.id, "running")
        alice("crun", "delete", "--force", box.id)
        assert events.wait(box.id, "removed")["reason"] == "exited"
    assert watching.status()["containers"]["missedByHook"] == 2


@pytest.fixture
def make(node):
    """make(user): a bundle in the user's home, of a container in a user namespace of its own."""
    made = []

    def maker(user):
        ident = f"c-{user.name}-{len(made)}"
        directory = f"{user.home}/{ident}"
        config = bundle.spec(f"{directory}/rootfs", None, cgroup_namespace=False)
        config["linux"]["namespaces"].append({"type": "user"})
        for kind in "uid", "gid":
            config["linux"][kind + "Mappings"] = [
                {"containerID": 0, "hostID": user.uid, "size": 1}]
        config["mounts"] = config["mounts"][:2]  # /proc and /dev
        del config["linux"]["cgroupsPath"]
        bundle.make_rootfs(node.path(f"{directory}/rootfs"))
        bundle.write_bundle(node.path(directory), config)
        node.run(["chown", "-R", user.name, directory], check=True)
        made.append(ident)
        return SimpleNamespace(id=ident, bundle=directory, config=config)
    return maker


@pytest.mark.parametrize("runtime", ("crun", "runc"))
def test_a_container_of_a_runtime_alone(alice, make, node, listen, runtime):
    box = make(alice)
    alice(runtime, "run", "--detach", "--bundle", box.bundle, box.id)
    pid = json.loads(alice(runtime, "state", box.id))["pid"]
    with listen(*ALLOW) as daemon:
        [found] = daemon.ask(request="list")
        seen = observe.container(node, runtime, box.id, "none", box.bundle, {
            **box.config, "linux": {**box.config["linux"], "cgroupsPath": None}}, pid)
        del seen["cgroup"]
        observe.same(told(found), without_stage(seen))
        alice(runtime, "delete", "--force", box.id)
        until(lambda: not daemon.ask(request="list"), "its death is seen")


def test_nobody_is_looked_at_unasked(alice, make, listen):
    box = make(alice)
    alice("crun", "run", "--detach", "--bundle", box.bundle, box.id)
    try:
        with listen() as daemon:
            assert daemon.ask(request="list") == []
            assert daemon.capabilities() == {SYS_PTRACE}
        with listen("--allow-uid", str(BOB)) as daemon:
            assert daemon.ask(request="list") == []
            assert daemon.capabilities() == {SYS_PTRACE, DAC_READ_SEARCH}
    finally:
        alice("crun", "delete", "--force", box.id)


def test_on_a_kernel_that_could_be_led_elsewhere(alice, make, listen, rootful):
    box = make(alice)
    alice("crun", "run", "--detach", "--bundle", box.bundle, box.id)
    rootful("roots")
    try:
        with listen(*ALLOW, prefix=on_kernel("5.4")) as daemon:
            assert [c["id"] for c in daemon.ask(request="list")] == ["roots"]
            assert daemon.log().count("rootless containers are not looked for") == 1
    finally:
        alice("crun", "delete", "--force", box.id)


class Sleepers:
    """Processes in user namespaces of their own."""

    def __init__(self):
        self.processes = []

    def __call__(self, user):
        process = user.popen(["unshare", "--user", "sh", "-c", "echo; exec sleep 600"],
                             stdout=subprocess.PIPE)
        self.processes.append(process)
        process.stdout.readline()
        return process.pid

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture
def sleeper():
    every = Sleepers()
    yield every
    every.close()


def plant(user, ident, pid, bundle_path="/none", start_time=None, place="runc"):
    """What a user would write to have PID taken for a container of his."""
    directory = user.node.path(f"{user.run_directory}/{place}/{ident}")
    directory.mkdir(parents=True)
    state = {"init_process_pid": pid, "init_process_start": start_time or observe.start_time(pid),
             "config": {"labels": [f"bundle={bundle_path}"]}}
    (directory / "state.json").write_text(json.dumps(state))
    user.node.run(["chown", "-R", user.name, user.run_directory], check=True)


@pytest.mark.parametrize("owner", ("alice", "root"))
def test_podmans_storage_alone(node, alice, listen, sleeper, owner):
    """Its pid file has no start time: the cgroup tells, if it was delegated to the user."""
    pid, group = sleeper(alice), f"{node.cgroup_parent}/libpod-x"
    directory = node.v2_mount / group.lstrip("/")
    directory.mkdir(parents=True)
    (directory / "cgroup.procs").write_text(str(pid))
    shutil.chown(directory, ALICE if owner == "alice" else 0)
    here = node.path(f"{alice.run_directory}/containers/vfs-containers/x/userdata")
    twin = node.path(f"{alice.home}/.local/share/containers/storage/vfs-containers/x/userdata")
    here.mkdir(parents=True)
    (here / "pidfile").write_text(str(pid))
    bundle.write_bundle(twin, bundle.spec("/rootfs", group, annotations={"key": "value"}))
    node.run(["chown", "-R", "alice", alice.run_directory, alice.home], check=True)
    with listen(*ALLOW) as daemon:
        found = daemon.ask(request="list")
        if owner == "root":
            assert found == []
            return
        [one] = found
        assert (one["pid"], one["cgroup"]["path"]) == (pid, group)
        assert one["bundle"] == f"{alice.home}/.local/share/containers/storage/vfs-containers/x/userdata"
        assert one["annotations"] == {"key": "value"}


def test_a_user_tells_of_its_own_processes_alone(node, alice, listen, rootful, sleeper):
    bob = User(node, "bob", BOB, 600000)
    roots, alices, bobs = rootful("roots"), sleeper(alice), sleeper(bob)
    plant(alice, "alices", alices)
    plant(alice, "another-name", roots)
    plant(alice, "init", 1, start_time=1)
    plant(alice, "bobs", bobs)
    plant(alice, "earlier", alices, start_time=1)
    plant(alice, "roots", sleeper(alice))  # whose id is taken
    plant(alice, "later", sleeper(alice))  # will be
    with listen(*ALLOW, "--allow-uid", str(BOB)) as daemon:
        found = {c["id"]: c["pid"] for c in daemon.ask(request="list")}
        assert {"roots": roots, "alices": alices}.items() <= found.items()
        assert set(found) == {"roots", "alices", "later"}
        later = rootful("later")
        events = daemon.subscribe()
        until(lambda: later in [c["pid"] for c in daemon.ask(request="list")], "root has it too")
        plant(bob, "alices", bobs)
        plant(bob, "bobs", sleeper(bob))
        events.wait("bobs", "created")
        assert [c["pid"] for c in daemon.ask(request="list") if c["id"] == "alices"] == [alices]


def test_a_user_has_no_file_of_others_read(node, alice, listen, sleeper):
    """The number of a secret's reader, a state without an end, and one that never comes."""
    node.path("/run/secret").mkdir()
    secret = node.path("/run/secret/config.json")
    secret.write_text('{"root":{"path":"/secret"},"annotations":{"secret":"told"}}')
    secret.chmod(0o600)
    place = node.path(f"{alice.run_directory}/runc")
    plant(alice, "by-path", sleeper(alice), "/run/secret")
    plant(alice, "by-link", sleeper(alice), alice.run_directory + "/link")
    plant(alice, "by-magic", sleeper(alice), "/proc/self/root/run/secret")
    node.path(alice.run_directory + "/link").symlink_to("/run/secret")
    for ident in "linked", "fifo", "huge", "deep", "directory":
        (place / ident).mkdir()
    (place / "linked/state.json").symlink_to(place / "by-path/state.json")
    os.mkfifo(place / "fifo/state.json")
    with open(place / "huge/state.json", "w", encoding="ascii") as file:
        file.truncate(1 << 40)
    (place / "deep/state.json").write_text('{"config":' * 100000)
    (place / "directory/state.json").mkdir()
    (place / "elsewhere").symlink_to("/run/secret")
    node.run(["chown", "-hR", alice.name, place], check=True)
    with listen(*ALLOW) as daemon:
        found = daemon.ask(request="list")
        assert {c["id"] for c in found} == {"by-path", "by-link", "by-magic"}
        assert "secret" not in json.dumps([c.get("annotations", {}) for c in found])
        assert all(c.get("rootfs") is None for c in found)


def test_a_user_who_fills_his_directory_is_in_nobodys_way(node, alice, listen, rootful, sleeper):
    place = node.path(f"{alice.run_directory}/crun")
    place.mkdir()
    for number in range(MANY):
        (place / str(number)).mkdir()
    for ident in range(70):  # more that seem to be on their way than are waited for
        (place / str(ident) / "status").write_text("{")
    node.run(["chown", "-R", alice.name, alice.run_directory], check=True)
    before = rootful("before")
    with listen(*ALLOW) as daemon:
        assert [c["pid"] for c in daemon.ask(request="list")] == [before]
        assert "users are not read whole" in daemon.log()
        events = daemon.subscribe()
        rootful("after")
        events.wait("after", "created")
        alice("sh", "-c", f"cd {alice.run_directory}/crun && rm -rf -- *")
        plant(alice, "own", sleeper(alice))
        events.wait("own", "created")
