# SPDX-License-Identifier: Apache-2.0
"""What the hook socket takes, and what it refuses."""

import fcntl
import json
import os
import socket
import subprocess

import pytest

from harness import HANG_S, HOOK, bundle, until
from harness.hook import as_runc, state
from listener.support import (Listener, answer, can_refuse_descriptors, create, delete, send,
                              subscribed)

F_ADD_SEALS, SEALS = 1033, 0x2 | 0x4 | 0x8  # shrink, grow, write

# What KubeArmor's own hook sends: Go writes every field of its struct.
KUBEARMORS = {
    "operation": 0, "detached": False,
    "container": {
        "containerID": "k1", "containerName": "web", "containerImage": "nginx",
        "namespaceName": "shop", "owner": {}, "endPointName": "web-0", "labels": "a=b,c=d",
        "apparmorProfile": "kubearmor-shop-web", "privileged": False, "pidns": 4026532001,
        "mntns": 4026532002, "pid": 0, "node_name": "", "node_id": "", "protocolPort": "",
        "status": "", "container_ip": "", "last_updated_at": "", "policyEnabled": 0,
        "processVisibilityEnabled": False, "fileVisibilityEnabled": False,
        "networkVisibilityEnabled": False, "capabilitiesVisibilityEnabled": False,
    },
}


def test_a_create_is_told_before_it_is_answered(listener, processes):
    process = processes.make()
    with subscribed(listener) as events:
        assert listener.tell(create("a", process), [process.pidfd]) == b"ok"
        created = events.wait("a", "created")
        assert created["source"] == "hook"
        assert created["container"]["pid"] == process.pid
        assert created["container"]["state"] == "created"


def test_a_container_that_starts_runs(listener, processes):
    process = processes.make()
    with subscribed(listener) as events:
        listener.tell(create("a", process), [process.pidfd])
        process.start()
        assert events.wait_state("a", "running")["source"] == "kernel"


def test_the_death_of_init_removes(listener, processes):
    process = processes.make()
    with subscribed(listener) as events:
        listener.tell(create("a", process), [process.pidfd])
        process.die()
        removed = events.wait("a", "removed")
        assert (removed["reason"], removed["source"]) == ("exited", "kernel")
        assert listener.tell(delete("a")) == b"ok"
        listener.tell(create("b", processes.make()))
        events.wait("b", "created")
        assert len(events.events("a")) == 2


def test_without_a_pidfd_the_pid_is_watched(listener, processes):
    process = processes.make()
    with subscribed(listener) as events:
        listener.tell(create("a", process))
        process.die()
        assert events.wait("a", "removed")["reason"] == "exited"


def test_a_pid_that_is_a_strangers_is_not_believed(listener, processes):
    request = create("a", processes.make())
    request["oci"]["startTime"] += 1
    assert listener.tell(request) == b"ok"
    assert listener.ids() == []


def test_a_pidfd_of_another_process_is_refused(listener, processes):
    one, other = processes.make(), processes.make()
    assert listener.tell(create("a", one), [other.pidfd]) == b""
    assert listener.status()["rejected"] == {"pid": 1}
    assert listener.ids() == []


def test_facts_that_a_hook_could_not_see_are_added(listener, processes):
    process = processes.make()
    request = create("a", process, stage="createContainer")
    del request["oci"]["startTime"], request["oci"]["namespaces"]
    listener.tell(request, [process.pidfd])
    container = listener.containers()[0]
    assert container["startTime"] == process.start_time
    assert container["namespaces"]["net"] == process.namespaces["net"]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n \t\n"])
@pytest.mark.parametrize("begin", [b"", b" \n"])
def test_blanks_around_a_request(listener, begin, end):
    assert listener.tell(begin + json.dumps(create("a")).encode() + end) == b"ok"
    assert listener.ids() == ["a"]


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_fragments(listener, piece):
    text = json.dumps(create("a", name='br{ack}et "quoted" \\')).encode()
    with listener.connect() as connection:
        for at in range(0, len(text), piece):
            connection.sendall(text[at:at + piece])
        assert answer(connection) == b"ok"
    assert listener.containers()[0]["name"] == 'br{ack}et "quoted" \\'


def test_several_on_one_connection(listener):
    with listener.connect() as connection:
        for number in range(50):
            send(connection, create(f"c{number}"))
            assert answer(connection) == b"ok"
    assert len(listener.ids()) == 50


def test_several_at_once_are_answered_one_by_one(listener):
    requests = [create(f"c{number}") for number in range(100)]
    with listener.connect() as connection:
        connection.sendall("\n".join(map(json.dumps, requests)).encode())
        assert answer(connection, 200) == b"ok" * 100
    assert len(listener.ids()) == 100


def test_a_second_request_in_pieces_after_a_first(listener):
    first, second = (json.dumps(create(ident)).encode() for ident in "ab")
    with listener.connect() as connection:
        connection.sendall(first + second[:9])
        assert answer(connection) == b"ok"
        connection.sendall(second[9:])
        assert answer(connection) == b"ok"
    assert listener.ids() == ["a", "b"]


def test_what_kubearmors_hook_sends(listener):
    assert listener.tell(KUBEARMORS) == b"ok"
    container = listener.containers()[0]
    assert container["pod"] == {"name": "web-0", "namespace": "shop"}
    assert container["labels"] == {"a": "b", "c": "d"}
    assert container["namespaces"] == {"pid": 4026532001, "mnt": 4026532002}
    assert "privileged" not in container
    assert listener.tell({**KUBEARMORS, "operation": 1}) == b"ok"
    assert listener.ids() == []


def test_a_snapshot_of_kubearmors_hook(listener):
    """One connection, each message answered before the next; the live ones on others meanwhile."""
    ids = [f"k{number}" for number in range(20)]
    with listener.connect() as connection:
        for number, ident in enumerate(ids):
            container = {**KUBEARMORS["container"], "containerID": ident,
                         "pidns": 4026532100 + number, "mntns": 4026532200 + number}
            send(connection, {**KUBEARMORS, "detached": True, "container": container})
            assert answer(connection) == b"ok"
        assert listener.tell(create("live")) == b"ok"
    assert listener.ids() == sorted([*ids, "live"])
    assert {c["source"] for c in listener.containers() if c["id"] in ids} == {"snapshot"}


def test_what_kubearmors_podman_hook_sends(listener):
    container = {**KUBEARMORS["container"], "containerID": "p1", "containerName": "db",
                 "endPointName": "db", "namespaceName": "container_namespace",
                 "labels": "io.container.manager=libpod,namespaceName=container_namespace,"
                           "containerType=podman,kubearmor.io/container.name=db",
                 "node_name": "node-1", "status": "stopped"}
    assert listener.tell({**KUBEARMORS, "container": container}) == b"ok"
    [known] = listener.containers()
    assert known["name"] == "db"
    assert "pod" not in known
    assert known["labels"] == {"io.container.manager": "libpod", "containerType": "podman"}


def test_unknown_members_are_passed_over(listener):
    request = create("a", future={"deep": [1, {"x": None}]})
    request["container"]["more"], request["also"] = [1, 2], {"a": "}"}
    assert listener.tell(request) == b"ok"
    assert listener.ids() == ["a"]


@pytest.mark.parametrize("text", [
    b"garbage", b"\x00\x01\x02", b"[]", b'"x"', b"{]}", b"{}", b'{"operation":0}',
    b'{"operation":2,"container":{"containerID":"a"}}',
    b'{"operation":0,"container":{"containerID":""}}',
    b'{"operation":0,"container":{"containerID":"../x"}}',
    b'{"operation":0,"container":{"containerID":"a\\u0000"}}',
    b'{"operation":0,"container":{"containerID":"' + b"a" * 256 + b'"}}',
    b'{"operation":0,"container":{"containerID":"a"}]',
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
])
def test_what_is_no_request_is_closed_and_counted(listener, text):
    assert listener.tell(text) == b""
    assert listener.status()["rejected"] == {"json": 1}
    assert listener.ids() == []


def test_a_request_that_ends_in_the_middle(listener):
    with listener.connect() as connection:
        connection.sendall(b'{"operation":0,')
        connection.shutdown(socket.SHUT_WR)
        assert answer(connection) == b""
    assert listener.status()["rejected"] == {"json": 1}


def test_a_large_request(listener):
    annotations = {f"key{number}": "x" * 2000 for number in range(400)}
    assert listener.tell(create("a", annotations=annotations)) == b"ok"
    assert listener.containers()[0]["annotations"] == annotations


def test_an_oversize_request_is_closed(listener):
    with listener.connect() as connection:
        try:
            connection.sendall(b'{"x":"' + b"y" * 2 ** 21)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert answer(connection) == b""
    assert listener.status()["rejected"] == {"size": 1}


def memfd_of(request, seals=SEALS):
    fd = os.memfd_create("request", os.MFD_ALLOW_SEALING)
    os.write(fd, json.dumps(request).encode())
    fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


def test_the_whole_in_a_memfd(listener, processes):
    process = processes.make()
    whole = create("a", process, annotations={"long": "x" * 10000})
    memfd = memfd_of(whole)
    assert listener.tell(create("a", process, cut=True), [process.pidfd, memfd]) == b"ok"
    os.close(memfd)
    assert listener.containers()[0]["annotations"] == {"long": "x" * 10000}


@pytest.mark.parametrize("options", [("--socket-mode", "0666"), ("--allow-uid", "1234")])
def test_no_descriptors_where_others_than_root_may_connect(tmp_path, processes, options):
    """The hook then has the kernel's refusal, and all of it goes through the stream."""
    process = processes.make()
    annotations = {f"key-{number}": "v" * 1000 for number in range(400)}
    box = bundle.write_bundle(tmp_path / "bundle",
                              bundle.spec("rootfs", "/x", annotations=annotations))
    with Listener(tmp_path, *options) as listener:
        with listener.connect() as connection:
            if not can_refuse_descriptors(connection):
                pytest.skip("Linux before 6.16 lets everybody send descriptors")
            with pytest.raises(PermissionError):
                send(connection, create("a", process), [process.pidfd])
        subprocess.run([HOOK, "--stage", "createRuntime", "--socket", listener.hook, "--spool", ""],
                       input=as_runc(state("b", box, process.pid)), check=True, timeout=HANG_S)
        [container] = listener.containers()
        assert container["id"] == "b" and container["pid"] == process.pid
        assert container["annotations"] == annotations
        process.die()
        until(lambda: listener.ids() == [], "its death is seen")


@pytest.mark.parametrize("whole, seals", [
    (create("a"), 0), (create("a"), 0x8), (create("other"), SEALS), (delete("a"), SEALS),
    ({"x": 1}, SEALS),
])
def test_a_memfd_that_cannot_be_trusted(listener, whole, seals):
    memfd = memfd_of(whole, seals)
    assert listener.tell(create("a"), [memfd]) == b""
    os.close(memfd)
    assert listener.status()["rejected"] == {"memfd": 1}
    assert listener.ids() == []


def test_descriptors_of_other_kinds_are_closed(listener, processes):
    process = processes.make()
    listener.tell(create("warm", process), [process.pidfd])
    before = listener.open_fds()
    null = os.open("/dev/null", os.O_RDONLY)
    for _ in range(20):
        assert listener.tell(create("a", process), [null, process.pidfd] + [null] * 200) == b"ok"
        with listener.connect() as connection:  # descriptors, and never a whole request
            send(connection, b"{", [null, process.pidfd, process.pidfd, null])
    os.close(null)
    until(lambda: listener.open_fds() <= before, "the descriptors are closed")


def test_a_probe_is_answered_and_forgotten(listener):
    assert listener.tell(create("a", test=True)) == b"ok"
    assert listener.ids() == []
    assert listener.status()["requests"] == {"test": 1}


def test_the_delete_of_an_empty_snapshot(listener):
    request = {**delete("kubearmor-hook.none"), "detached": True}
    assert listener.tell(request) == b"ok"


def test_a_snapshots_container_runs_already(listener, processes):
    process = processes.make()
    with subscribed(listener) as events:
        listener.tell({**create("a", process), "detached": True}, [process.pidfd])
        created = events.wait("a", "created")
    assert created["source"] == created["container"]["source"] == "snapshot"
    assert created["container"]["state"] == "running"


def test_without_a_pid_namespace_of_its_own_it_is_exited_first(listener, processes):
    process = processes.make(own_pid_ns=False)
    request = create("a", process, hostNamespaces=["pid"],
                     cgroup={"path": "/", "specPath": "/"})
    with subscribed(listener) as events:
        listener.tell(request, [process.pidfd])
        process.die()
        events.wait_state("a", "exited")
        assert listener.tell(delete("a")) == b"ok"
        assert events.wait("a", "removed")["reason"] == "deleted"


def test_an_exited_container_ends_with_its_cgroup(listener, processes):
    process = processes.make(own_pid_ns=False)
    request = create("a", process, hostNamespaces=["pid"],
                     cgroup={"path": "/kubearmor-no-such-group"})
    with subscribed(listener) as events:
        listener.tell(request, [process.pidfd])
        process.die()
        assert events.wait("a", "removed")["reason"] == "exited"
        assert [e["container"]["state"] for e in events.events("a")][-2:] == ["exited", "removed"]


def test_a_restart_removes_before_it_creates(listener, processes):
    one, other = processes.make(), processes.make()
    with subscribed(listener) as events:
        listener.tell(create("a", one), [one.pidfd])
        one.die()
        listener.tell(create("a", other), [other.pidfd])
        listener.tell(delete("a"))  # late, of the first
        events.wait("a", "created", 2)
        kinds = [e["type"] for e in events.events("a") if e["type"] != "updated"]
        assert kinds == ["created", "removed", "created"]
    assert listener.ids() == ["a"]


def test_two_runtimes_with_one_id(listener, processes):
    one, other = processes.make(), processes.make()
    listener.tell(create("a", one, runtime="runc", bundle="/r"), [one.pidfd])
    listener.tell(create("a", other, runtime="crun", bundle="/c"), [other.pidfd])
    assert listener.ids() == ["a", "a"]
    other.die()
    listener.tell(delete("a", runtime="crun", bundle="/c"))
    assert [c["runtime"] for c in listener.containers()] == ["runc"]
