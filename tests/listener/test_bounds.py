# SPDX-License-Identifier: Apache-2.0
"""Floods, slow readers, no descriptors: everything is bounded, and recovers."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from harness import HANG_S, HOOKCTL, until
from listener.support import (Listener, answer, can_refuse_descriptors, create, delete, send,
                              subscribed)

MANY = 2000


def metric(listener, name):
    for line in listener.ask_text(b'{"request":"metrics"}\n').decode().splitlines():
        if line.startswith("kubearmor_hookd_" + name + " "):
            return int(line.split()[-1])
    raise AssertionError(f"no metric {name}")


def test_idle_connections_give_way_to_hooks(listener):
    held = [listener.connect() for _ in range(MANY)]
    try:
        for number in range(10):
            assert listener.tell(create(f"c{number}")) == b"ok"
        assert listener.status()["rejected"]["idle"] > 0
    finally:
        for one in held:
            one.close()
    assert len(listener.ids()) == 10


def test_an_idle_connection_is_closed(listener):
    with listener.connect() as silent, listener.connect() as partial:
        partial.sendall(b'{"operation":')
        assert answer(silent) == answer(partial) == b""


def test_two_thousand_hooks_at_once(listener):
    connections = [listener.connect() for _ in range(MANY)]
    for number, one in enumerate(connections):
        try:
            send(one, create(f"c{number}"))
        except BrokenPipeError:
            pass
    # Those that were closed for being idle are asked again, as a hook would.
    for number, one in enumerate(connections):
        if answer(one) != b"ok":
            assert listener.tell(create(f"c{number}")) == b"ok"
        one.close()
    assert len(listener.ids()) == MANY


def test_partial_requests_together_are_bounded(listener):
    half = b'{"x":"' + b"y" * (700 * 1024)
    held = []
    for _ in range(80):
        held.append(listener.connect())
        try:
            held[-1].sendall(half)
        except (BrokenPipeError, ConnectionResetError):
            pass
    until(lambda: listener.status()["rejected"].get("size"), "some are refused")
    assert metric(listener, "process_resident_memory_bytes") < 64 * 2 ** 20
    assert listener.tell(create("a")) == b"ok"
    for one in held:
        one.close()


def fill(listener, count, size=20000):
    for number in range(count):
        assert listener.tell(create(f"big{number}", annotations={"x": "y" * size})) == b"ok"
        assert listener.tell(delete(f"big{number}")) == b"ok"


@contextmanager
def quick_reader(listener):
    """A subscriber that throws away all it is given, as fast as it can."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(listener.events))
        client.sendall(b'{"request":"subscribe"}\n')
        thread = threading.Thread(target=lambda: all(iter(lambda: client.recv(2 ** 20), b"")))
        thread.start()
        try:
            yield
        finally:
            client.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_slow_subscriber_is_cut_off_and_told(listener):
    with socket.socket(socket.AF_UNIX) as slow, quick_reader(listener):
        slow.settimeout(60)
        slow.connect(str(listener.events))
        slow.sendall(b'{"request":"subscribe"}\n')
        until(lambda: listener.status()["subscribers"]["connected"] == 2, "both are subscribed")
        fill(listener, 200)
        assert listener.status()["subscribers"] == {"connected": 1, "cut": 1}
        with slow.makefile("rb") as lines:
            messages = [json.loads(line) for line in lines]
        assert messages[-1]["error"] == "slow-subscriber"
        sequence = [m["seq"] for m in messages[1:-1]]
        assert sequence == list(range(1, len(sequence) + 1))
    with subscribed(listener):
        pass  # it may come back


def test_a_subscriber_that_never_reads_holds_nobody_up(listener):
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(listener.events))
        slow.sendall(b'{"request":"subscribe"}\n')
        until(lambda: listener.status()["subscribers"]["connected"] == 1, "it is subscribed")
        fill(listener, 300)
        until(lambda: listener.status()["subscribers"]["connected"] == 0, "it is cut off")
    assert metric(listener, "subscriber_queue_bytes") == 0


def test_a_large_snapshot_beside_live_events(listener):
    """What happens while a slow client takes its snapshot comes behind it, once."""
    for number in range(300):
        listener.tell(create(f"c{number}", annotations={"x": "y" * 4000}))
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(listener.events))
        client.sendall(b'{"request":"subscribe"}\n')
        lines = client.makefile("rb")
        first = json.loads(lines.readline())
        assert first["type"] == "container"
        listener.tell(delete("c0"))
        listener.tell(delete("c299"))
        listener.tell(create("c1", name="late"))
        listener.tell(create("new"))
        listener.tell(delete("new"))
        messages = [first]
        while (messages[-1]["type"], messages[-1].get("container", {}).get("id")) != (
                "removed", "new"):
            messages.append(json.loads(lines.readline()))
        lines.close()
    kinds = [m["type"] for m in messages]
    marker = kinds.index("synced")
    assert set(kinds[:marker]) == {"container"} and "container" not in kinds[marker:]
    assert messages[marker]["count"] == marker
    known = {m["container"]["id"] for m in messages[:marker]}
    for m in messages[marker + 1:]:
        if m["type"] == "created":
            known.add(m["container"]["id"])
        elif m["type"] == "removed":
            known.remove(m["container"]["id"])  # was told before
    assert known == set(listener.ids())


def test_clients_of_the_events_socket_are_bounded(listener):
    held = []
    for _ in range(256):
        held.append(socket.socket(socket.AF_UNIX))
        held[-1].connect(str(listener.events))
    assert b"too-many-subscribers" in listener.ask_text(b'{"request":"list"}\n')
    for one in held:
        one.close()
    until(lambda: b"synced" in listener.ask_text(b'{"request":"list"}\n'), "there is room again")


# Connects as often as it is told, and holds what it has without a word.
HOLDER = """
import socket, sys
held = []
for _ in range(int(sys.argv[2])):
    held.append(socket.socket(socket.AF_UNIX))
    held[-1].connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("uid", ["1234", "4321"], ids=["a reader", "a stranger"])
def test_root_and_readers_can_always_look(tmp_path, uid):
    """However many clients another user has, who say nothing."""
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(0o755)
    with Listener(tmp_path, "--allow-reader", "1234") as listener:
        as_user = ["setpriv", "--reuid", uid, "--clear-groups"]
        with subprocess.Popen([*as_user, sys.executable, "-c", HOLDER, listener.events, "400"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout.readline() == b"held\n"
            assert b"synced" in listener.ask_text(b'{"request":"list"}\n')
            if uid != "1234":
                reader = ["setpriv", "--reuid", "1234", "--clear-groups"]
                subprocess.run([*reader, HOOKCTL, "list", "--events", listener.events], check=True)
            holder.stdin.close()


def test_without_descriptors_it_waits_and_recovers(tmp_path, processes):
    with Listener(tmp_path, prefix=["prlimit", "--nofile=128:128"]) as listener:
        held = []
        for _ in range(100):
            held.append(listener.connect())
        made = [processes.make() for _ in range(80)]
        for number, process in enumerate(made):
            assert listener.tell(create(f"c{number}", process), [process.pidfd]) == b"ok"
        for one in held:
            one.close()
        assert len(listener.ids()) == 80
        for process in made:
            process.die()
        until(lambda: listener.ids() == [], "all deaths are noticed, with a pidfd or without")
        until(lambda: listener.open_fds() < 40, "the descriptors are free again")


def test_nothing_leaks(listener, processes):
    process = processes.make()

    def one_of_each():
        with subscribed(listener), listener.connect() as connection:
            send(connection, create("a", process), [process.pidfd])
            assert answer(connection) == b"ok"
            listener.tell(b"garbage")
            listener.ask(request="lookup", id="a")
            listener.ask(request="status")

    one_of_each()
    until(lambda: listener.status()["subscribers"]["connected"] == 0, "it is quiet")
    before = listener.open_fds()
    for _ in range(100):
        one_of_each()
    until(lambda: listener.open_fds() <= before, "all descriptors are closed")


def test_acknowledging_subscribers_are_waited_for(listener):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(listener.events))
        client.sendall(b'{"request":"subscribe","acknowledge":true}\n')
        lines = client.makefile("rb")
        assert json.loads(lines.readline())["type"] == "synced"
        with listener.connect() as hook:
            send(hook, create("a"))
            event = json.loads(lines.readline())
            hook.setblocking(False)
            try:
                early = hook.recv(2)
            except BlockingIOError:
                early = None
            assert early is None
            hook.settimeout(60)
            client.sendall(b'{"ack":%d}\n' % event["seq"])
            assert answer(hook) == b"ok"
        # Another request while the first still waits: in their order.
        with listener.connect() as hook:
            send(hook, json.dumps(create("b")).encode() + json.dumps(create("c")).encode())
            for _ in range(2):
                event = json.loads(lines.readline())
                client.sendall(b'{"ack":%d}\n' % event["seq"])
            assert answer(hook, 4) == b"okok"
        lines.close()


def test_acknowledgements_that_do_not_come_are_not_waited_for_for_ever(listener):
    with subscribed(listener, acknowledge=True):
        start = time.monotonic()
        assert listener.tell(create("a")) == b"ok"
        assert time.monotonic() - start > 0.5  # it did wait
    assert metric(listener, "acknowledgement_timeouts_total") == 1


def test_an_acknowledging_subscriber_that_goes_is_not_waited_for(listener):
    events = listener.subscribe(acknowledge=True)
    with listener.connect() as hook:
        send(hook, create("a"))
        events.wait("a", "created")
        events.close()
        assert answer(hook) == b"ok"
    assert os.path.exists(listener.hook)


def test_runtimes_of_any_name_and_number_leave_status_and_metrics_readable(listener):
    listener.tell(create("long", runtime="x" * 100_000))
    for number in range(20):
        listener.tell(create(f"c{number}", runtime=f"runtime-{number}"))
    by_runtime = listener.status()["containers"]["byRuntime"]
    assert sum(by_runtime.values()) == 21 and len(by_runtime) <= 16 and by_runtime["other"] > 1
    assert metric(listener, "subscribers") == 0


def test_a_reader_cannot_have_the_listener_close_what_takes_for_ever(listener):
    """A TCP connection that lingers: whoever closes it last waits for a peer that never reads."""
    with socket.socket(socket.AF_UNIX) as reader, socket.create_server(("127.0.0.1", 0)) as server:
        reader.settimeout(HANG_S)
        if not can_refuse_descriptors(reader):
            pytest.skip("Linux before 6.16 lets everybody send descriptors")
        reader.connect(str(listener.events))
        with socket.create_connection(server.getsockname()) as lingering:
            with pytest.raises(PermissionError):
                send(reader, {"request": "status"}, [lingering.fileno()])
        send(reader, b'{"request":"status"}\n')
        assert answer(reader, 16) == b'{"type":"status"'
