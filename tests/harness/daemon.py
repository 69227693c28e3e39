# SPDX-License-Identifier: Apache-2.0
"""The real listener inside a view, and a subscriber of its events socket."""

import json
import os
import signal
import socket
import subprocess
import threading

from harness import HANG_S, REPO, until

HOOK_SOCKET = "/run/kubearmor/ka.sock"
EVENTS_SOCKET = "/run/kubearmor/events/events.sock"


def _validator():
    import jsonschema

    with open(REPO / "docs/events.schema.json", encoding="utf-8") as file:
        return jsonschema.Draft202012Validator(json.load(file))


class Subscriber:
    """Collects every line, each checked against the schema, until close()."""

    def __init__(self, path, validator, request=None):
        self.lines = []
        self.failures = []
        self._validator = validator
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._socket.sendall(json.dumps(request or {"request": "subscribe"}).encode() + b"\n")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        until(lambda: self.failures or any(m["type"] == "synced" for m in self.lines),
              "the snapshot's end")

    def _read(self):
        with self._socket.makefile("rb") as lines:
            try:
                for line in lines:
                    message = json.loads(line)
                    self._validator.validate(message)
                    self.lines.append(message)
            except (OSError, ValueError) as error:
                self.failures.append(error)
            except Exception as error:  # the schema's: a test asks for it by close()
                self.failures.append(error)

    def events(self, ident, kind=None):
        """The events of one container in the order of their arrival."""
        return [m for m in self.lines
                if "container" in m and m["container"]["id"] == ident
                and kind in (None, m["type"])]

    def wait(self, ident, kind, count=1):
        found = until(lambda: self.failures or self.events(ident, kind)[count - 1:],
                      f"event '{kind}' of {ident}")
        assert not self.failures, self.failures
        return found[0]

    def wait_state(self, ident, state):
        def reached():
            return [m for m in self.events(ident) if m["container"]["state"] == state]
        return until(reached, f"state '{state}' of {ident}")[0]

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join(30)
        self._socket.close()
        assert not self.failures, self.failures


class Daemon:
    """kubearmor-hookd with its default paths; OPTIONS are added to its own, PREFIX executes it, or
    FORKS and executes it."""

    def __init__(self, view, program, scratch, options=("--no-discovery",), prefix=(),
                 forks=False):
        self._view = view
        self._command = [*prefix, program]
        self._forks = forks
        self._log = scratch / "hookd.log"
        self._options = options
        self._process = None
        self._subscribers = []
        self._schema = None

    def start(self):
        read_end, write_end = os.pipe()
        with open(self._log, "ab") as log:
            self._process = self._view.popen(
                [*self._command, "--ready-fd", write_end, *self._options],
                stdout=log, stderr=subprocess.STDOUT, pass_fds=[write_end])
        os.close(write_end)
        try:
            if not self._forks:  # else its parent keeps the other end
                os.read(read_end, 1)  # its end: ready, or dead
        finally:
            os.close(read_end)
        ready = self._view.path(EVENTS_SOCKET)
        until(lambda: self._process.poll() is not None or ready.exists(), "it is ready, or ends")
        if self._process.poll() is not None:
            raise AssertionError("kubearmor-hookd ended: " + self.log())
        return self

    def log(self):
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def subscribe(self, **request):
        self._schema = self._schema or _validator()
        one = Subscriber(self._view.path(EVENTS_SOCKET), self._schema,
                         {"request": "subscribe", **request})
        self._subscribers.append(one)
        return one

    def ask(self, **request):
        """The containers that a query answers with."""
        self._schema = self._schema or _validator()
        one = Subscriber(self._view.path(EVENTS_SOCKET), self._schema, request)
        one.close()
        return [m["container"] for m in one.lines if m["type"] == "container"]

    def status(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.connect(str(self._view.path(EVENTS_SOCKET)))
            peer.sendall(b'{"request":"status"}\n')
            with peer.makefile("rb") as lines:
                message = json.loads(lines.readline())
        _validator().validate(message)
        return message

    def capabilities(self):
        """The numbers of those that it has, or could get."""
        with open(f"/proc/{self._process.pid}/status", encoding="ascii") as status:
            sets = [int(line.split()[1], 16) for line in status if line.startswith("Cap")]
        return {number for number in range(64) if any(one >> number & 1 for one in sets)}

    def send_signal(self, how):
        self._process.send_signal(how)

    def stop(self, how=signal.SIGTERM):
        for one in self._subscribers:
            one.close()
        self._subscribers = []
        if self._process:
            self._process.send_signal(how)
            code = self._process.wait(HANG_S)
            self._process = None
            return code
        return None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        code = self.stop()
        assert code in (0, None), f"kubearmor-hookd ended with {code}: {self.log()}"
