# SPDX-License-Identifier: Apache-2.0
"""The demonstration of the README: it shows what it promises, and leaves nothing."""

import os
import signal
import subprocess
from pathlib import Path

from harness import BUILD, HANG_S, REPO

CONTAINERS = ("web-4c1d", "db-9e2a")


def demo():
    """In a session of its own, as on a terminal: an interrupt reaches all of it."""
    return subprocess.Popen([REPO / "scripts/demo", BUILD], stdin=subprocess.DEVNULL, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            start_new_session=True)


def nothing_is_left_of(session):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            assert os.getsid(int(pid)) != session, Path(f"/proc/{pid}/cmdline").read_bytes()
        except ProcessLookupError:
            pass
    assert not list(Path("/sys/fs/cgroup").glob("**/kubearmor-hook-demo-*"))


def test_births_and_deaths_are_shown():
    with demo() as process:
        text = process.communicate(timeout=HANG_S)[0]
    assert process.returncode == 0, text
    lines = [line.split() for line in text.splitlines()]
    for ident in CONTAINERS:
        kinds = [line[1] for line in lines if line[2:3] == [ident]]
        assert kinds == ["created", "updated", "removed"], text
    nothing_is_left_of(process.pid)


def test_an_interrupt_cleans_up():
    with demo() as process:
        for line in process.stdout:
            if line.split()[1:3] == ["created", CONTAINERS[0]]:
                os.killpg(process.pid, signal.SIGINT)
        assert process.wait(HANG_S) != 0
    nothing_is_left_of(process.pid)
