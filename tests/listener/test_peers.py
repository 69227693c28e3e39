# SPDX-License-Identifier: Apache-2.0
"""Who may tell, and who may read: by the kernel's word on the peer."""

import json
import os
import socket
import subprocess
import sys

import pytest

from harness import HANG_S
from listener.support import Listener, create, delete, subscribed

NOBODY = 65534

# Connects, says what it was given, prints the answer. With "SELF" in it, the namespaces and the pid
# are its own: those of the container that it pretends to be a hook of.
SPEAKER = """
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(60)
request = sys.argv[2]
if "SELF" in request:
    number = lambda kind: str(os.stat("/proc/self/ns/" + kind).st_ino)
    request = (request.replace('"SELF-MNT"', number("mnt")).replace('"SELF-USER"', number("user"))
               .replace('"SELF-PID"', os.readlink("/proc/self"))
               .replace('"SELF-START"', open("/proc/self/stat").read().rpartition(")")[2].split()[19]))
try:
    connection.connect(sys.argv[1])
    connection.sendall(request.encode() + b"\\n")
    print(connection.recv(1000).decode())
except OSError as error:
    print(type(error).__name__)
"""

OWN = {"operation": 0, "container": {"containerID": "own", "mntns": "SELF-MNT", "pid": "SELF-PID"},
       "oci": {"namespaces": {"user": "SELF-USER"}}}


def say(path, request, *prefix):
    """The answer to REQUEST from a process that PREFIX starts."""
    return subprocess.run([*prefix, sys.executable, "-c", SPEAKER, str(path), json.dumps(request)],
                          stdout=subprocess.PIPE, text=True, timeout=HANG_S,
                          check=True).stdout.strip()


@pytest.fixture
def open_listener(tmp_path):
    """Everybody can connect, so that it is the listener who refuses."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    with Listener(tmp_path, "--socket-mode", "0666", "--allow-uid", "1234",
                  "--allow-reader", "1234") as started:
        yield started


def test_the_sockets_are_roots_alone(listener):
    assert listener.hook.stat().st_mode & 0o777 == 0o600
    assert listener.events.stat().st_mode & 0o777 == 0o600
    assert listener.events.parent.stat().st_mode & 0o777 == 0o755


def test_another_user_may_not_tell(open_listener):
    prefix = ["setpriv", "--reuid", str(NOBODY), "--clear-groups"]
    assert say(open_listener.hook, create("a"), *prefix) == ""
    assert say(open_listener.hook, delete("a"), *prefix) == ""
    assert open_listener.status()["rejected"] == {"peer": 2}
    assert open_listener.ids() == []


def test_another_user_may_not_read(open_listener):
    text = say(open_listener.events, {"request": "list"}, "setpriv", "--reuid", str(NOBODY),
               "--clear-groups")
    assert json.loads(text)["error"] == "not-permitted"


def test_a_reader_may_read(open_listener):
    open_listener.tell(create("a"))
    text = say(open_listener.events, {"request": "lookup", "id": "a"}, "setpriv", "--reuid", "1234",
               "--clear-groups")
    assert '"id":"a"' in text


def test_an_allowed_user_tells_of_its_own_containers_alone(open_listener, processes):
    prefix = ["setpriv", "--reuid", "1234", "--clear-groups"]
    process = processes.make()
    assert say(open_listener.hook, create("roots", process), *prefix) == ""
    own = {"operation": 0, "container": {"containerID": "own", "pid": "SELF-PID"}}
    assert say(open_listener.hook, own, *prefix, "unshare", "--user", "--map-root-user") == "ok"
    open_listener.tell(create("roots", process))
    assert say(open_listener.hook, delete("roots"), *prefix) == ""
    assert "roots" in open_listener.ids()


def test_an_allowed_user_may_not_claim_anothers_numbers(open_listener, processes):
    """Namespaces and cgroups decide whose an event is: they are the kernel's to say."""
    known = processes.make()
    cgroup = {"path": "/of/roots", "id": 4242}
    open_listener.tell(create("roots", known, cgroup=cgroup))
    claim = create("own", known, cgroup=cgroup)
    claim["container"]["pid"], claim["oci"]["startTime"] = "SELF-PID", "SELF-START"
    with subscribed(open_listener) as events:
        assert say(open_listener.hook, claim, "setpriv", "--reuid", "1234", "--clear-groups",
                   "unshare", "--user", "--map-root-user") == "ok"
        told = events.wait("own", "created")["container"]
    for kind, number in told["namespaces"].items():
        assert number != known.namespaces.get(kind) or kind == "net", kind
    assert told.get("cgroup", {}).get("id") != 4242


CONTAINER = ["unshare", "--mount", "--pid", "--fork"]


def test_a_container_may_tell_of_itself(listener, processes):
    known = processes.make()
    listener.tell(create("known", known), [known.pidfd])
    with subscribed(listener) as events:
        assert say(listener.hook, OWN, *CONTAINER) == "ok"
        container = events.wait("own", "created")["container"]
        assert container["namespaces"]["mnt"] != os.stat("/proc/self/ns/mnt").st_ino
        assert say(listener.hook, delete("known"), *CONTAINER) == ""
        assert say(listener.hook, create("strangers", known), *CONTAINER) == ""
    assert "known" in listener.ids() and "strangers" not in listener.ids()
    assert listener.status()["rejected"]["peer"] == 2


def test_a_container_may_not_take_anothers_place(listener, processes):
    known = processes.make()
    listener.tell(create("known", known), [known.pidfd])
    for claim in ({"containerID": "known", "mntns": "SELF-MNT", "pid": "SELF-PID"},
                  {"containerID": "x", "mntns": "SELF-MNT", "pid": known.pid},
                  {"containerID": "x", "mntns": known.namespaces["mnt"], "pid": known.pid}):
        assert say(listener.hook, {"operation": 0, "container": claim}, *CONTAINER) == ""
    assert listener.ids() == ["known"]


def say_as_mapped_root(path, request):
    """From a user namespace whose root is the host's uid 100000."""
    script = 'echo && read -r _ && exec setpriv --reuid 0 --regid 0 --clear-groups "$@"'
    speaker = subprocess.Popen(
        ["unshare", "--user", "--keep-caps", "--mount", "--fork", "--kill-child", "sh", "-c", script, "sh",
         "unshare", "--pid", "--fork", sys.executable, "-c", SPEAKER, str(path),
         json.dumps(request)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    speaker.stdout.readline()
    with open(f"/proc/{speaker.pid}/task/{speaker.pid}/children", encoding="ascii") as children:
        shell = children.read().split()[0]
    for kind in "uid", "gid":
        with open(f"/proc/{shell}/{kind}_map", "w", encoding="ascii") as ids:
            ids.write("0 100000 1")
    return speaker.communicate("\n", timeout=HANG_S)[0].strip()


def test_a_mapped_root_may_tell_of_itself(open_listener):
    assert say_as_mapped_root(open_listener.hook, OWN) == "ok"
    without_its_namespace = {**OWN, "oci": {}}
    assert say_as_mapped_root(open_listener.hook, without_its_namespace) == ""
    assert open_listener.status()["rejected"] == {"peer": 1}


def test_root_in_a_mount_namespace_of_its_own_is_the_hosts(listener, processes):
    known = processes.make()
    listener.tell(create("known", known), [known.pidfd])
    known.die()
    assert say(listener.hook, create("more"), "unshare", "--mount") == "ok"
    assert say(listener.hook, delete("more"), "unshare", "--mount") == "ok"


def test_root_in_a_known_containers_mount_namespace_is_not(listener, processes):
    known = processes.make(own_pid_ns=False)
    listener.tell(create("known", known), [known.pidfd])
    enter = ["nsenter", "--mount", "--target", str(known.pid)]
    assert say(listener.hook, create("more"), *enter) == ""
    assert say(listener.hook, OWN, *enter) == ""


def test_a_peer_that_has_gone_is_not_believed(listener):
    """Its process is dead before the listener can look at it: nobody knows what it was."""
    listener.process.send_signal(19)
    text = json.dumps(create("a"))
    subprocess.run([sys.executable, "-c",
                    "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
                    "s.sendall(sys.argv[2].encode())", str(listener.hook), text], check=True)
    listener.process.send_signal(18)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(listener.events))
    assert listener.ids() == []
