# SPDX-License-Identifier: Apache-2.0
"""What comes on stdin: a line in the log, exit 0, and nothing told of anybody."""

import json
import os
import subprocess

import pytest

from harness import HANG_S, until
from harness import hook as direct

NESTED = b'{"id":"c-1","a":' + b"[" * 100_000
BROKEN = {
    "empty": b"",
    "blank": b" \n\t ",
    "truncated": b'{"ociVersion":"1.0.2","id":"c-1","sta',
    "not an object": b'["c-1"]',
    "two objects": b'{"id":"c-1"}{"id":"c-2"}',
    "text behind it": b'{"id":"c-1","status":"creating","pid":1,"bundle":"/"}x',
    "nested without end": NESTED,
    "binary": bytes(range(256)) * 16,
    "no id": b'{"status":"creating","pid":2,"bundle":"/"}',
    "id is a number": b'{"id":7,"status":"creating","pid":2,"bundle":"/"}',
    "id is not UTF-8": b'{"id":"\xff\xfe","status":"creating","pid":2,"bundle":"/"}',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("stage", ("createRuntime", "poststop"))
def test_what_is_no_state_is_logged(subject, text, stage):
    subject.quietly(text, stage=stage)
    assert subject.log()
    assert not subject.spooled()


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_what_is_no_state_is_refused_when_closed(subject, text):
    """Nobody can be told of a container that has no id."""
    done = subject.run(text, "--fail-closed")
    assert done.returncode in (0, 1)
    assert done.stdout == b""
    assert done.returncode == 0 or done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "ident", ("../../etc/passwd", "a/b", ".", "..", "a\\u0000b", "x" * 10_000, "", "a\\nb"),
    ids=lambda i: ascii(i[:16]))
@pytest.mark.parametrize("stage", ("createRuntime", "poststop"))
def test_an_id_that_is_none_is_logged(subject, state, ident, stage):
    subject.quietly(state(id="IDENT").replace(b"IDENT", ident.encode()), stage=stage)
    assert subject.log()
    assert not subject.spooled()


@pytest.mark.parametrize("ident", ("a b", "é", "-", "...", "x" * 255),
                         ids=lambda i: ascii(i[:16]))
def test_an_id_that_is_odd_is_told(subject, state, ident):
    subject.quietly(state(id=ident))
    [event] = subject.spooled()
    assert event["container"]["containerID"] == ident


def test_deep_nesting_that_is_complete_is_passed_over(subject, state):
    deep = b"[" * 50_000 + b"]" * 50_000
    subject.quietly(state()[:-1] + b',"deep":' + deep + b"}")
    [event] = subject.spooled()
    assert event["container"]["containerID"] == "c-1"


def test_foreign_members_and_types_are_passed_over(subject, state, init):
    subject.quietly(state(annotations={"a": 1, "b": None, "c": {"d": []}}, hooks=[1, {}], x=1e99))
    [event] = subject.spooled()
    assert event["container"]["pid"] == init.pid


def test_invalid_utf_8_in_an_annotation_costs_that_annotation_alone(subject, state, init):
    text = state(annotations={"bad": "BAD", "good": "yes"}).replace(b"BAD", b"\xff\xc0\xaf")
    subject.quietly(text)
    [event] = subject.spooled()
    assert event["container"]["pid"] == init.pid


def feed(process, total):
    """Writes TOTAL bytes as a runtime does, in blocking writes; returns how many were taken."""
    block, taken = b"x" * 65536, 0
    process.stdin.write(b'{"id":"c-1","x":"')
    while taken < total:
        process.stdin.write(block)
        taken += len(block)
    process.stdin.write(b'"}')
    process.stdin.close()
    return taken


def test_a_hundred_megabytes_are_drained(subject):
    """crun dies of SIGPIPE when its hook does not take all that it writes."""
    with subprocess.Popen(subject.argv(timeout="30s"), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        feed(process, 100 * 1024 * 1024)
        out, err = process.stdout.read(), process.stderr.read()
        assert (process.wait(HANG_S), out, err) == (0, b"", b"")
    assert subject.log()
    assert not subject.spooled()


def test_a_stdin_that_never_ends_is_left_at_the_deadline(subject):
    read_end, write_end = os.pipe()
    try:
        subject.quietly(read_end)
    finally:
        os.close(read_end)
        os.close(write_end)
    assert not subject.spooled()


def test_a_state_in_pieces_is_read_whole(subject, state, init):
    text = state()
    with subprocess.Popen(subject.argv(timeout="30s"), stdin=subprocess.PIPE) as process:
        for i in range(len(text)):
            process.stdin.write(text[i:i + 1])
            process.stdin.flush()
        process.stdin.close()
        assert process.wait(HANG_S) == 0
    [event] = subject.spooled()
    assert event["container"]["pid"] == init.pid


def closed(subject, state, *descriptors, options=()):
    redirections = " ".join(f"{fd}>&-" for fd in descriptors)
    script = f'"$@" {redirections}'
    subject.wrapper = ["sh", "-c", script, "sh"]
    return subject.run(state(), *options)


@pytest.mark.parametrize("descriptors", ((2,), (1,), (1, 2)))
def test_closed_output(subject, state, descriptors):
    assert closed(subject, state, *descriptors).returncode == 0
    assert len(subject.spooled()) == 1


def test_closed_stderr_when_there_is_something_to_say(subject, state):
    subject.spool.write_text("no directory")
    assert closed(subject, state, 1, 2, options=["--fail-closed"]).returncode == 1
    assert subject.spool.read_text() == "no directory"


def test_closed_stdin(subject, state):
    subject.wrapper = ["sh", "-c", '"$@" <&-', "sh"]
    subject.quietly(state())
    assert not subject.spooled()


@pytest.mark.parametrize("stdin", ("/dev/null", "/", "/dev/full"))
def test_stdin_that_is_no_pipe(subject, stdin):
    fd = os.open(stdin, os.O_RDONLY)
    try:
        subject.quietly(fd)
    finally:
        os.close(fd)
    assert not subject.spooled()


def test_output_that_is_full_stops_nothing(subject, state):
    subject.wrapper = ["sh", "-c", '"$@" >/dev/full 2>/dev/full', "sh"]
    assert subject.run(state()).returncode == 0
    assert len(subject.spooled()) == 1


@pytest.mark.parametrize("writer", (direct.as_runc, direct.as_crun_1_28))
def test_a_good_state_is_spooled(subject, box, init, writer):
    subject.quietly(writer(direct.state("c-1", box, init.pid)))
    [event] = subject.spooled()
    assert event["container"] == {**event["container"], "containerID": "c-1", "pid": init.pid}
    assert json.loads(json.dumps(event["oci"]))["bundle"] == str(box)


def test_nothing_outlives_it(subject, state, scratch):
    """A runtime waits for whoever holds the pipes of its hook."""
    read_end, write_end = os.pipe()
    process = subprocess.Popen(subject.argv(), stdin=subprocess.PIPE, stdout=write_end,
                               stderr=write_end)
    os.close(write_end)
    process.communicate(state(), HANG_S)
    os.set_blocking(read_end, False)
    until(lambda: os.read(read_end, 1) == b"", "the pipe's other end is closed")
    os.close(read_end)
