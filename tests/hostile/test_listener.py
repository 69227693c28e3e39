# SPDX-License-Identifier: Apache-2.0
"""A listener that is not there, or does not behave: the event is in the spool, the container
starts, and only fail-closed says no."""

import json
import os
import socket
import subprocess
import threading
from contextlib import contextmanager

import pytest

from harness import HANG_S


class Listener:
    """Gives each connection to BEHAVE(peer, received), on a thread of its own."""

    def __init__(self, path, behave):
        self.received = []
        self._behave = behave
        self.closing = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen(8)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(HANG_S)
                try:
                    self._behave(self, peer)
                except OSError:
                    pass

    def read(self, peer):
        text = peer.recv(4096)
        if text:
            self.received.append(json.loads(text))
        return text

    def wait_for_its_end(self, peer):
        while peer.recv(4096):
            pass

    def close(self):
        self.closing.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(HANG_S)


def silent(listener, peer):
    listener.read(peer)
    listener.wait_for_its_end(peer)


def byte_by_byte(listener, peer):
    listener.read(peer)
    peer.sendall(b"o")
    peer.sendall(b"k")
    listener.wait_for_its_end(peer)


def half_an_answer(listener, peer):
    listener.read(peer)
    peer.sendall(b"o")
    listener.wait_for_its_end(peer)


def garbage(listener, peer):
    listener.read(peer)
    peer.sendall(b"\0\xff" * 2000)
    listener.wait_for_its_end(peer)


def endless_garbage(listener, peer):
    while True:
        peer.sendall(b"x" * 4096)


def closes_at_once(_listener, _peer):
    pass


def reads_and_closes(listener, peer):
    listener.read(peer)


def never_reads(listener, peer):
    listener.closing.wait(HANG_S)


def always_err(listener, peer):
    while listener.read(peer):
        peer.sendall(b"err")


def err_then_ok(listener, peer):
    listener.read(peer)
    peer.sendall(b"err")
    listener.read(peer)
    peer.sendall(b"ok")
    listener.wait_for_its_end(peer)


@contextmanager
def listening(subject, behave):
    listener = Listener(subject.socket, behave)
    try:
        yield listener
    finally:
        listener.close()


@pytest.mark.parametrize("behave", (byte_by_byte, err_then_ok), ids=lambda f: f.__name__)
def test_an_answer_in_its_own_way_is_an_answer(subject, state, behave):
    with listening(subject, behave) as listener:
        subject.quietly(state(), timeout="30s")
    assert listener.received[-1]["container"]["containerID"] == "c-1"
    assert not subject.spooled()


def test_err_is_answered_by_the_same_again_on_the_same_connection(subject, state):
    with listening(subject, err_then_ok) as listener:
        subject.quietly(state(), timeout="30s")
    first, second = listener.received
    for message in (first, second):
        message["oci"].pop("durationUs", None)
    assert first == second


WRONG = (silent, half_an_answer, garbage, endless_garbage, closes_at_once, reads_and_closes,
         never_reads, always_err)


@pytest.mark.parametrize("stage", ("createRuntime", "createContainer"))
@pytest.mark.parametrize("behave", WRONG, ids=lambda f: f.__name__)
def test_a_listener_that_does_not_take_a_birth(subject, state, behave, stage):
    with listening(subject, behave):
        subject.quietly(state(), stage=stage)
    [event] = subject.spooled()
    assert event["operation"] == 0


@pytest.mark.parametrize("behave", WRONG, ids=lambda f: f.__name__)
def test_a_listener_that_does_not_take_a_death(subject, stopped, behave):
    with listening(subject, behave):
        subject.quietly(stopped, stage="poststop")
    [event] = subject.spooled()
    assert event["operation"] == 1


@pytest.mark.parametrize("behave", WRONG, ids=lambda f: f.__name__)
def test_fail_closed_says_no_in_one_line(subject, state, behave):
    with listening(subject, behave):
        done = subject.run(state(), "--fail-closed")
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1 and done.stderr.endswith(b"\n")
    assert not subject.spooled()


@pytest.mark.parametrize("behave", WRONG, ids=lambda f: f.__name__)
def test_fail_closed_never_stops_a_delete(subject, stopped, behave):
    with listening(subject, behave):
        subject.quietly(stopped, "--fail-closed", stage="poststop")


def absent(_path):
    pass


def plain_file(path):
    path.write_text("")


def directory(path):
    path.mkdir()


def nobody_listens(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.bind(str(path))


def datagram(path):
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.bind(str(path))
    one.close()


def fifo(path):
    os.mkfifo(path)


def dangling(path):
    path.symlink_to("/no/such/socket")


NO_LISTENER = (absent, plain_file, directory, nobody_listens, datagram, fifo, dangling)


@pytest.mark.parametrize("what", NO_LISTENER, ids=lambda f: f.__name__)
def test_no_listener(subject, state, what):
    what(subject.socket)
    subject.quietly(state())
    assert len(subject.spooled()) == 1


@pytest.mark.parametrize("path", ("/" + "x" * 200, "/" + "y" * 5000, "relative.sock", ""),
                         ids=("too long", "far too long", "relative", "empty"))
def test_a_socket_path_that_cannot_be_one(subject, state, path):
    subject.socket = path
    subject.quietly(state())
    assert len(subject.spooled()) == 1


@contextmanager
def full_backlog(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.bind(str(path))
        one.listen(0)
        waiting = []
        while True:
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            peer.setblocking(False)
            waiting.append(peer)
            try:
                peer.connect(str(path))
            except BlockingIOError:
                break
        yield
        for peer in waiting:
            peer.close()


@pytest.mark.parametrize("options, code", [((), 0), (("--fail-closed",), 1)])
def test_a_full_backlog(subject, state, options, code):
    with full_backlog(subject.socket):
        done = subject.run(state(), *options)
    assert done.returncode == code
    assert len(subject.spooled()) == (code == 0)


def test_it_may_end_before_the_hooks_own_time(subject, state):
    """The listener goes away between connect and answer, over and over."""
    with listening(subject, closes_at_once):
        for _ in range(20):
            subject.quietly(state())
    assert len(subject.spooled()) == 20


def test_sigpipe_ignored_or_not(subject, state):
    with listening(subject, closes_at_once):
        done = subprocess.run(subject.argv(), input=state(), capture_output=True, timeout=HANG_S,
                              restore_signals=True)
    assert done.returncode == 0


def test_all_signals_blocked_as_crun_does(subject, state):
    script = ("import os, signal, sys; signal.pthread_sigmask(signal.SIG_SETMASK, "
              "signal.valid_signals()); os.execv(sys.argv[1], sys.argv[1:])")
    subject.wrapper = ["/usr/bin/python3", "-c", script]
    with listening(subject, silent):
        subject.quietly(state())
    assert len(subject.spooled()) == 1
