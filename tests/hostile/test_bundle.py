# SPDX-License-Identifier: Apache-2.0
"""A config.json that is not what it should be: the container is told of by its state alone."""

import json
import os
import threading

import pytest

from harness import bundle
from harness import hook as direct

BIG = 50 * 1024 * 1024


def missing(path):
    path.unlink()


def directory(path):
    path.unlink()
    path.mkdir()


def fifo(path):
    path.unlink()
    os.mkfifo(path)


def dangling(path):
    path.unlink()
    path.symlink_to("/no/such/file")


def loop(path):
    path.unlink()
    path.symlink_to(path)


def device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


def empty(path):
    path.write_bytes(b"")


def truncated(path):
    path.write_bytes(path.read_bytes()[:-40])


def not_an_object(path):
    path.write_bytes(b"[]")


def binary(path):
    path.write_bytes(bytes(range(256)) * 64)


def nested(path):
    path.write_bytes(b'{"process":' + b'{"a":' * 100_000)


def fifty_megabytes(path):
    text = path.read_bytes()
    path.write_bytes(text[:-1] + b',"annotations":{"big":"' + b"x" * BIG + b'"}}')


BROKEN = (missing, directory, fifo, dangling, loop, device, empty, truncated, not_an_object, binary,
          nested, fifty_megabytes)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda f: f.__name__)
def test_the_state_alone_is_told(subject, state, box, init, broken):
    broken(box / "config.json")
    subject.quietly(state(), timeout="10s")
    [event] = subject.spooled()
    assert event["container"]["containerID"] == "c-1"
    assert event["container"]["pid"] == init.pid
    assert event["container"]["mntns"] == os.stat(f"/proc/{init.pid}/ns/mnt").st_ino
    assert "process" not in event["oci"]


def test_dockers_own_file_is_read_however_long_its_environment_is_written(subject, scratch, init):
    place = scratch / "io.containerd.runtime.v2.task/moby/c-1"
    bundle.write_bundle(place, bundle.spec(scratch / "overlay2/x/merged", "/x"))
    own = scratch / "containers/c-1/config.v2.json"
    own.parent.mkdir(parents=True)
    own.write_text(json.dumps({"Config": {"Env": ["E=" + "\x01" * 2_000_000],
                                          "Labels": {"io.kubernetes.pod.namespace": "shop"}}}))
    subject.quietly(direct.as_runc(direct.state("c-1", place, init.pid)), timeout="10s")
    [event] = subject.spooled()
    assert event["container"]["namespaceName"] == "shop"


def test_a_link_to_the_real_file_is_followed(subject, state, box):
    (box / "config.json").rename(box / "real.json")
    (box / "config.json").symlink_to("real.json")
    subject.quietly(state())
    [event] = subject.spooled()
    assert event["oci"]["process"]["command"] == "sleep"


def test_a_file_swapped_while_it_is_read_gives_one_or_the_other(subject, state, box):
    texts = []
    for name in ("first", "second"):
        config = json.loads((box / "config.json").read_text())
        config["process"]["args"] = [name]
        config["annotations"] = {"which": name, "fill": name * 50_000}
        texts.append(json.dumps(config))
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for text in texts:
                (box / "next").write_text(text)
                (box / "next").rename(box / "config.json")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(30):
            subject.quietly(state())
    finally:
        stop.set()
        thread.join()
    for event in subject.spooled():
        assert event["oci"]["process"]["command"] in ("sleep", "first", "second")
        if "annotations" in event["oci"]:
            assert event["oci"]["annotations"]["which"] == event["oci"]["process"]["command"]


@pytest.mark.parametrize(
    "bundle", ("", "relative/path", "/no/such", "/" + "x/" * 5000, "a\\u0000b"),
    ids=lambda b: ascii(b[:16]))
def test_a_bundle_that_is_none(subject, state, init, bundle):
    subject.quietly(state(bundle="BUNDLE").replace(b"BUNDLE", bundle.encode()))
    [event] = subject.spooled()
    assert event["container"]["pid"] == init.pid


def changed(box, change):
    config = json.loads((box / "config.json").read_text())
    change(config)
    (box / "config.json").write_text(json.dumps(config))


HOSTILE_SOURCES = {"dots": "/" + "./" * 500_000, "slashes": "/" * 1_000_000,
                   "parents": "/run/" + "../" * 500_000 + "run", "empty": "", "nul": "/run\0",
                   "long": "/" + "x" * 1_000_000}


@pytest.mark.parametrize("source", HOSTILE_SOURCES.values(), ids=HOSTILE_SOURCES)
def test_a_mount_source_of_any_form(subject, state, box, init, source):
    """Each is looked at, for it might be, and some are, a way to a runtime's socket."""
    changed(box, lambda c: c["mounts"].append(
        {"destination": "/m", "type": "bind", "source": source}))
    subject.quietly(state(), timeout="10s")
    [event] = subject.spooled()
    assert event["container"]["pid"] == init.pid
    assert subject.run(state(), "--deny-runtime-sockets", timeout="10s").returncode in (0, 1)


WRONG_TYPES = {
    "args": lambda c: c["process"].update(args="sleep"),
    "no args": lambda c: c["process"].update(args=[]),
    "args of numbers": lambda c: c["process"].update(args=[1, 2]),
    "user": lambda c: c["process"].update(user="root"),
    "uid": lambda c: c["process"].update(user={"uid": -1, "gid": 2 ** 40}),
    "namespaces": lambda c: c["linux"].update(namespaces={"type": "pid"}),
    "namespace": lambda c: c["linux"].update(namespaces=["pid", 7, None, {}, {"type": 3}]),
    "mounts": lambda c: c.update(mounts="none"),
    "mount": lambda c: c.update(mounts=[[], {"source": 1}, {}]),
    "capabilities": lambda c: c["process"].update(capabilities=["CAP_CHOWN"]),
    "linux": lambda c: c.update(linux=None),
    "root": lambda c: c.update(root="rootfs"),
    "annotations": lambda c: c.update(annotations=["a", "b"]),
    "process": lambda c: c.update(process=False),
}


@pytest.mark.parametrize("change", WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_a_member_of_the_wrong_type_is_absent(subject, state, box, init, change):
    changed(box, change)
    subject.quietly(state())
    [event] = subject.spooled()
    assert event["container"]["pid"] == init.pid


def test_more_of_everything_than_there_is_room_for(subject, state, box):
    """Annotations, mounts, namespaces and capabilities by the thousand."""
    def grow(config):
        config["annotations"] = {f"org.example.{i}": str(i) for i in range(10_000)}
        config["mounts"] += [{"destination": f"/m{i}", "type": "bind",
                              "source": "/run/containerd/containerd.sock"} for i in range(2_000)]
        config["linux"]["namespaces"] *= 1_000
    changed(box, grow)
    subject.quietly(state(), timeout="10s")
    [event] = subject.spooled()
    assert event["oci"]["runtimeSockets"]
