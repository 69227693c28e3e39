# SPDX-License-Identifier: Apache-2.0
"""A KubeArmor that the listener feeds: it comes late, goes, hangs and refuses, and so does the
listener. What it knows in the end is what there is, and nothing was told it twice."""

import os
import random
import signal
import socket
import subprocess
from types import SimpleNamespace

import pytest

from harness import HANG_S, HOOKD, until
from harness.kubearmor import KubeArmor
from listener.support import Listener, create, delete, subscribed

RESERVED = "kubearmor-hook.none"
NOBODY = 65534


@pytest.fixture
def node(tmp_path, processes):
    """A listener that relays, and containers that are processes of it."""
    path = tmp_path / "agent/ka.sock"
    agents = []

    def kubearmor(kind=KubeArmor):
        agents.append(kind(path))
        return agents[-1]

    def end(agent, **how):
        agents.remove(agent)
        agent.stop(**how)

    with Listener(tmp_path, "--relay", path) as listener:
        def start(ident, process=None, **names):
            process = process or processes.make()
            request = create(ident, process)
            request["container"].update(names)
            assert listener.tell(request, [process.pidfd]) == b"ok"
            return process

        yield SimpleNamespace(listener=listener, path=path, kubearmor=kubearmor, end=end,
                              start=start)
    for agent in agents:
        agent.stop()


def state(node):
    return node.listener.status()["relay"]["state"]


def live(node):
    until(lambda: state(node) == "live", "it has its snapshot and gets events")


def knows(agent, *ids):
    until(lambda: set(agent.containers) == set(ids) or agent.failures, f"it knows {ids}")
    assert not agent.failures


def told(agent, ident):
    return [(what, detached) for what, detached, name in agent.history if name == ident]


def check_history(agent):
    """No create of what it knows: KubeArmor would pass it over, or begin its policies anew."""
    known = set()
    for what, _, ident in agent.history:
        assert what == "delete" or ident not in known, agent.history
        (known.add if what == "create" else known.discard)(ident)


def test_one_that_never_closes_goes_live_as_well(node):
    node.start("a")
    agent = node.kubearmor()
    agent.closes = False
    live(node)
    node.start("b")
    knows(agent, "a", "b")
    check_history(agent)


def test_one_that_comes_late_gets_the_snapshot_first(node):
    a, _ = node.start("a"), node.start("b")
    assert state(node) == "waiting"
    agent = node.kubearmor()
    knows(agent, "a", "b")
    live(node)
    assert agent.history == [("create", True, "a"), ("create", True, "b")]
    node.start("c")
    a.die()
    knows(agent, "b", "c")
    assert agent.history[2:] == [("create", False, "c"), ("delete", False, "a")]
    relay = node.listener.status()["relay"]
    assert (relay["known"], relay["behind"], relay["messages"]) == (2, 0, 4)


def test_an_empty_node_has_a_snapshot_too(node):
    agent = node.kubearmor()
    live(node)
    assert agent.history == [("delete", True, RESERVED)]
    node.start("a")
    knows(agent, "a")
    assert agent.history[1:] == [("create", False, "a")]


def test_what_it_is_told(node):
    agent = node.kubearmor()
    process = node.start("a", containerName="web", endPointName="shop-0", namespaceName="shop",
                         apparmorProfile="kubearmor-shop-web", privileged=True)
    knows(agent, "a")
    namespaces = process.namespaces
    assert agent.containers["a"] == {
        "containerID": "a", "containerName": "web", "endPointName": "shop-0",
        "namespaceName": "shop", "apparmorProfile": "kubearmor-shop-web", "privileged": True,
        "pidns": namespaces["pid"], "mntns": namespaces["mnt"], "pid": process.pid,
        "node_name": os.uname().nodename, "status": "stopped"}
    node.start("b", containerName="db")
    knows(agent, "a", "b")
    assert agent.containers["b"]["labels"] == \
        "namespaceName=container_namespace,kubearmor.io/container.name=db"


def test_a_new_one_is_told_all_that_runs(node):
    first = node.kubearmor()
    a, _ = node.start("a"), node.start("b")
    knows(first, "a", "b")
    live(node)
    node.end(first)
    until(lambda: state(node) == "waiting", "its end is noticed")
    a.die()
    node.start("c")
    second = node.kubearmor()
    knows(second, "b", "c")
    live(node)
    assert sorted(second.history) == [("create", True, "b"), ("create", True, "c")]


class HangsInTheMiddle(KubeArmor):
    def _take(self, *message):
        super()._take(*message)
        if len(self.history) == 20:
            self.hang()


def test_one_that_is_killed_in_the_middle_of_its_snapshot(node):
    ids = [f"c{number}" for number in range(300)]
    for ident in ids:
        node.listener.tell(create(ident))
    first = node.kubearmor(HangsInTheMiddle)
    until(lambda: len(first.history) == 20, "some of the snapshot")
    node.end(first, leave_socket=True)
    assert len(first.history) < len(ids)
    second = node.kubearmor()
    knows(second, *ids)
    check_history(second)
    live(node)
    assert all(detached for _, detached, _ in second.history)


def test_a_lost_connection_is_no_restart(node):
    agent = node.kubearmor()
    running = {f"c{number}": node.start(f"c{number}") for number in range(20)}
    for number in range(10):
        agent.hang_up()
        running.pop(f"c{number}").die()
        running[f"d{number}"] = node.start(f"d{number}")
    knows(agent, *running)
    live(node)
    check_history(agent)
    node.start("last")
    knows(agent, "last", *running)


def test_one_that_hangs_delays_nobody(node):
    agent = node.kubearmor()
    first = node.start("first")
    knows(agent, "first")
    live(node)
    agent.hang()
    with subscribed(node.listener) as events:
        kept = {}
        for number in range(50):
            kept[f"c{number}"] = node.start(f"c{number}")
            events.wait(f"c{number}", "created")
        for number in range(0, 50, 2):
            kept.pop(f"c{number}").die()
            events.wait(f"c{number}", "removed")
        first.die()
        events.wait("first", "removed")
    relay = node.listener.status()["relay"]
    assert relay["behind"] <= len(kept) + 2  # bounded by what there is, not by what happened
    agent.resume()
    knows(agent, *kept)
    check_history(agent)


def test_one_that_is_not_ready_for_a_while(node):
    agent = node.kubearmor()
    node.start("a")
    knows(agent, "a")
    live(node)
    agent.ready = False
    node.start("b")
    until(lambda: node.listener.status()["relay"]["resent"] > 1, "err was answered, twice")
    assert set(agent.containers) == {"a"}
    agent.ready = True
    knows(agent, "a", "b")
    check_history(agent)


def test_one_that_is_never_ready_gets_a_snapshot(node):
    agent = node.kubearmor()
    node.start("a")
    knows(agent, "a")
    live(node)
    agent.ready = False
    node.start("b")
    knows(agent, "a", "b")
    assert told(agent, "b")[-1] == ("create", True)
    live(node)
    node.start("c")
    knows(agent, "a", "b", "c")
    assert told(agent, "c") == [("create", False)]


def test_a_new_incarnation_is_deleted_first(node, processes):
    agent = node.kubearmor()
    first = node.start("a")
    knows(agent, "a")
    first.die()
    second = node.start("a")
    until(lambda: agent.containers.get("a", {}).get("pid") == second.pid, "the second one")
    live(node)
    check_history(agent)


def test_a_name_that_is_found_later_is_told_and_a_state_is_not(node):
    agent = node.kubearmor()
    process = node.start("a")
    knows(agent, "a")
    live(node)
    process.start()
    until(lambda: node.listener.containers()[0]["state"] == "running", "it runs")
    node.start("a", process, containerImage="nginx")
    node.start("a", process, containerName="web")
    until(lambda: agent.containers.get("a", {}).get("containerName") == "web", "its name")
    assert told(agent, "a")[1:] == [("delete", False), ("create", False)]


def test_two_runtimes_with_one_id(node, processes):
    agent = node.kubearmor()
    one, other = processes.make(), processes.make()
    for process, runtime in ((one, "runc"), (other, "crun")):
        request = create("twin", process, runtime=runtime, bundle=f"/run/{runtime}/twin")
        assert node.listener.tell(request, [process.pidfd]) == b"ok"
    until(lambda: "twin" in agent.containers, "one of them")
    first = agent.containers["twin"]["pid"]
    (one if first == one.pid else other).die()
    until(lambda: agent.containers.get("twin", {}).get("pid") not in (None, first), "the other one")
    check_history(agent)


def test_labels_of_any_size(node, processes):
    agent = node.kubearmor()
    process = processes.make()
    labels = {f"label-{number}": "x" * 200 for number in range(400)}
    request = create("big", process, labels={"first": "1", **labels}, annotations=labels)
    request["container"]["containerName"] = "n" * 3000
    assert node.listener.tell(request, [process.pidfd]) == b"ok"
    knows(agent, "big")
    assert agent.containers["big"]["labels"].startswith("namespaceName=container_namespace,")
    request = create("big2", process, labels={"first": "1", **labels}, annotations=labels)
    assert node.listener.tell(request, [process.pidfd]) == b"ok"
    until(lambda: "big2" in agent.containers, "it is told")
    assert ",first=1,label-0=" in agent.containers["big2"]["labels"]


def test_a_killed_listener_tells_nothing_twice_and_forgets_no_death(node):
    agent = node.kubearmor()
    processes = {f"c{number}": node.start(f"c{number}") for number in range(10)}
    knows(agent, *processes)
    live(node)
    before = len(agent.history)
    node.listener.stop(signal.SIGKILL)
    processes.pop("c3").die()
    node.listener.start()
    knows(agent, *processes)
    live(node)
    assert agent.history[before:] == [("delete", True, "c3")]


def test_kills_at_any_moment(node):
    seed = random.randrange(2 ** 32)
    print("seed", seed)
    choose = random.Random(seed)
    agent = node.kubearmor()
    running = {}
    for number in range(120):
        if running and choose.random() < 0.4:
            running.pop(choose.choice(sorted(running))).die()
        else:
            running[f"c{number}"] = node.start(f"c{number}")
        if choose.random() < 0.15:
            node.listener.restart(signal.SIGKILL)
        elif choose.random() < 0.1:
            agent.hang_up()
    knows(agent, *running)
    check_history(agent)


def test_a_kubearmor_that_died_while_the_listener_was_away(node):
    first = node.kubearmor()
    node.start("a")
    knows(first, "a")
    node.listener.stop(signal.SIGKILL)
    node.end(first)
    second = node.kubearmor()
    node.listener.start()
    knows(second, "a")
    live(node)
    assert second.history == [("create", True, "a")]


@pytest.mark.parametrize("record", [b"", b"\x00", b"{}\n{}\n", b'{"relay":2}\n{"id":"a","n":1}\n',
                                    b'{"relay":1}\n{"id":"../x","n":1}\n{"id":"a","n":'])
def test_a_record_that_is_none(node, record):
    agent = node.kubearmor()
    process = node.start("a")
    knows(agent, "a")
    node.listener.stop(signal.SIGKILL)
    process.die()
    (node.listener.state / "relay").write_bytes(record)
    node.listener.start()
    node.start("b")
    until(lambda: "b" in agent.containers, "it goes on")


def test_who_is_not_root_is_told_nothing(node):
    """Whose socket it is was settled when it began to listen."""
    node.path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(node.path))
        os.seteuid(NOBODY)
        try:
            listener.listen()
        finally:
            os.seteuid(0)
        listener.settimeout(HANG_S)
        peer, _ = listener.accept()
        with peer:
            assert peer.recv(1) == b""
    until(lambda: "who listens there is not root" in node.listener.log(), "it says so")


def test_a_failure_is_said_once(node):
    node.path.parent.mkdir()
    node.path.parent.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(node.path))
        listener.listen()
        for _ in range(4):
            peer, _ = listener.accept()
            peer.close()
    until(lambda: node.listener.status()["relay"]["failures"] >= 3, "they are counted")
    assert node.listener.log().count("relay down") == 1


def refused(tmp_path, *options, before=(), **how):
    done = subprocess.run([*before, HOOKD, "--events", tmp_path / "events.sock", "--spool", "",
                           "--state", tmp_path / "state", "--no-discovery", *options],
                          capture_output=True, text=True, timeout=HANG_S, check=False, **how)
    assert done.stderr.count("\n") == 1
    return done.returncode, done.stderr


def test_its_own_socket_is_no_kubearmor(tmp_path):
    path = tmp_path / "ka.sock"
    code, error = refused(tmp_path, "--socket", path, "--relay", path)
    assert code == 2 and "is our own socket" in error
    (tmp_path / "other.sock").symlink_to(path)
    code, error = refused(tmp_path, "--socket", path, "--relay", tmp_path / "other.sock")
    assert code == 1 and "is our own socket" in error
    code, error = refused(tmp_path, "--socket", path, "--relay", "")
    assert code == 2 and "--relay" in error
    with socket.socket(socket.AF_UNIX) as handed:
        handed.bind(str(path))
        handed.listen()
        script = f'exec 3<&{handed.fileno()}; LISTEN_PID=$$ exec "$@"'
        code, error = refused(tmp_path, "--relay", path, before=["bash", "-c", script, "sh"],
                              pass_fds=[handed.fileno()],
                              env={**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "hook"})
    assert code == 1 and "ListenStream" in error


def test_metrics_of_the_relay(node):
    node.start("a")
    agent = node.kubearmor()
    live(node)
    text = node.listener.ask_text(b'{"request":"metrics"}\n').decode()
    assert "kubearmor_hookd_relay_live 1\n" in text
    assert "kubearmor_hookd_relay_known 1\n" in text
    assert "kubearmor_hookd_relay_snapshots_total 1\n" in text
    assert told(agent, "a") == [("create", True)]
