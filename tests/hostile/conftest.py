# SPDX-License-Identifier: Apache-2.0
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import HANG_S, HOOK, bundle
from harness import hook as direct


class Subject:
    """The hook with a socket, a spool and a log of the test's own."""

    def __init__(self, scratch):
        self.program = HOOK
        self.socket = scratch / "ka.sock"
        self.spool = scratch / "spool"
        self.logfile = scratch / "log"
        self.wrapper = []

    def argv(self, *options, stage="createRuntime", timeout="300ms"):
        return [*self.wrapper, str(self.program), "--stage", stage, "--socket", str(self.socket),
                "--spool", str(self.spool), "--log", str(self.logfile), "--timeout", timeout,
                *options]

    def run(self, stdin, *options, **kwargs):
        """Ends in time, or the test fails by the hang detector."""
        argv = self.argv(*options, **kwargs)
        if isinstance(stdin, bytes):
            return subprocess.run(argv, input=stdin, capture_output=True, timeout=HANG_S)
        return subprocess.run(argv, stdin=stdin, capture_output=True, timeout=HANG_S)

    def quietly(self, stdin, *options, **kwargs):
        """As a runtime wants it: exit 0, nothing on its pipes."""
        done = self.run(stdin, *options, **kwargs)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        return done

    def log(self):
        return self.logfile.read_text(errors="replace") if self.logfile.exists() else ""

    def spooled(self):
        if not self.spool.is_dir():
            return []
        names = sorted(e for e in self.spool.iterdir() if e.name[0].isdigit())
        return [json.loads(e.read_bytes()) for e in names]


@pytest.fixture
def scratch():
    path = Path(tempfile.mkdtemp(prefix="kh-hostile-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def subject(scratch):
    return Subject(scratch)


@pytest.fixture
def init():
    """A process in the role of a container's init."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


@pytest.fixture
def box(scratch):
    return bundle.write_bundle(scratch / "bundle", bundle.spec("rootfs", "/kh-hostile"))


@pytest.fixture
def state(init, box):
    def maker(**changes):
        document = direct.state("c-1", box, init.pid)
        document.update(changes)
        return direct.as_runc({k: v for k, v in document.items() if v is not ...})
    return maker


@pytest.fixture
def stopped(state):
    """The state of a container that has ended, which carries no pid."""
    return state(status="stopped", pid=...)


@pytest.fixture(scope="session", autouse=True)
def needs():
    if os.geteuid() != 0:
        pytest.exit("the hook belongs to root, and so do its tests", returncode=1)
    if not HOOK.exists():
        pytest.exit(f"there is no '{HOOK}': build it first", returncode=1)
