# SPDX-License-Identifier: Apache-2.0
"""Real OCI runtimes, called as containerd and Podman call them, inside a view."""

import json
import subprocess
import tempfile

from harness import HANG_S


class RuntimeFailed(AssertionError):
    """The runtime refused; its own words are the message."""


class Runtime:
    def __init__(self, name, view, scratch):
        self.name = name
        self.view = view
        self._scratch = scratch
        self._alive = {}

    def _run(self, *argv, check=True):
        """The container inherits stdout and stderr, so these are files: a pipe would never end."""
        with tempfile.TemporaryFile(dir=self._scratch) as out:
            done = self.view.run([self.name, *argv], stdout=out, stderr=subprocess.STDOUT,
                                 timeout=HANG_S)
            out.seek(0)
            text = out.read().decode(errors="replace")
        if check and done.returncode:
            raise RuntimeFailed(f"{self.name} {argv[0]}: exit {done.returncode}: {text.strip()}")
        return done.returncode, text

    def create(self, ident, bundle, check=True):
        self._alive[ident] = True
        return self._run("create", "--bundle", bundle, ident, check=check)

    def popen(self, verb, ident, bundle, **kwargs):
        self._alive[ident] = True
        return self.view.popen([self.name, verb, "--bundle", bundle, ident], **kwargs)

    def start(self, ident):
        return self._run("start", ident)

    def state(self, ident, check=True):
        """None when the runtime has no such container, or does not know how it is."""
        code, text = self._run("state", ident, check=check)
        return json.loads(text) if code == 0 else None

    def pid(self, ident):
        return self.state(ident)["pid"]

    def kill(self, ident, signal="KILL"):
        return self._run("kill", ident, signal)

    def delete(self, ident, check=True):
        self._alive.pop(ident, None)
        return self._run("delete", "--force", ident, check=check)

    def close(self):
        for ident in list(self._alive):
            self.delete(ident, check=False)
