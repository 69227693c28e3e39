# SPDX-License-Identifier: Apache-2.0
"""KubeArmor's own listener, as far as its peers can tell: what one read of 4,096 bytes gives is one
message, everything is answered "err" until a connection that sent a detached message has closed, a
known container is not created again, and what it does not know is passed over.

    with KubeArmor(path) as agent:
        agent.containers    # id -> container object, as KubeArmor would hold it now
        agent.history       # [("create" | "delete", detached, id), ...]: what it took, in order
        agent.hang()        # neither accepts, reads nor answers, as a stopped process ...
        agent.resume()      # ... until now
        agent.closes = False  # leaves the end of a connection whose peer has ended to that
        agent.hang_up()     # its connections break; it goes on
        agent.stop()        # its end; with leave_socket=True as by SIGKILL. Another one knows nothing
"""

import json
import socket
import subprocess
import sys
import threading

READ_MAX = 4096

# Who calls listen() is who the kernel says is listening: a process that is new, as KubeArmor's is.
_LISTEN = "import signal, socket; socket.socket(fileno=0).listen(128); print(flush=True); signal.pause()"

_TYPES = {
    str: ("containerID", "containerName", "containerImage", "namespaceName", "endPointName",
          "labels", "apparmorProfile", "node_name", "node_id", "protocolPort", "status",
          "container_ip", "last_updated_at"),
    bool: ("privileged", "processVisibilityEnabled", "fileVisibilityEnabled",
           "networkVisibilityEnabled", "capabilitiesVisibilityEnabled"),
    int: ("pidns", "mntns", "pid", "policyEnabled"),
}
_TYPE_OF = {name: kind for kind, names in _TYPES.items() for name in names}


def _parse(raw):
    """(operation, detached, container) of a message that Go's decoder would take without a word."""
    request = json.loads(raw)
    container = {name: value for name, value in request["container"].items() if name in _TYPE_OF}
    for name, value in container.items():
        assert type(value) is _TYPE_OF[name], f"{name} is {value!r}"
        assert type(value) is not int or 0 <= value < 2 ** 32, f"{name} is {value}"
    assert type(request["detached"]) is bool and request["operation"] in (0, 1), request
    assert container["containerID"], "there is no containerID"
    return "delete" if request["operation"] else "create", request["detached"], container


def _end(connection):
    """For its peer, even where a process that a test has forked holds it as well."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the peer was faster


class KubeArmor:
    def __init__(self, path):
        self.containers = {}
        self.history = []
        self.failures = []  # a message that KubeArmor could not take; stop() asks for none
        self.ready = False
        self.closes = True
        self.accepted = 0  # connections
        self._path = path
        self._lock = threading.Lock()
        self._running = threading.Event()
        self._running.set()
        self._stopped = False
        self._connections = set()
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._process = subprocess.Popen([sys.executable, "-c", _LISTEN], stdin=self._socket,
                                         stdout=subprocess.PIPE)
        self._process.stdout.readline()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def hang(self):
        self._running.clear()

    def resume(self):
        self._running.set()

    def hang_up(self):
        for connection in list(self._connections):
            _end(connection)

    def stop(self, leave_socket=False):
        if self._stopped:
            return
        self._stopped = True
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._process.kill()
        self._process.communicate()
        self.hang_up()
        self.resume()
        self._thread.join(30)
        for connection in list(self._connections):
            connection.close()
        if not leave_socket:
            self._path.unlink(missing_ok=True)
        assert not self.failures, self.failures

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _accept(self):
        while True:
            self._running.wait()
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            self._connections.add(connection)
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        detached = False
        try:
            while True:
                raw = connection.recv(READ_MAX)
                self._running.wait()
                if not raw or self._stopped:
                    return
                detached |= self._answer(connection, raw)
        except OSError:
            pass  # the peer's end, or ours
        except Exception as error:  # there is nobody in a thread to raise it to
            self.failures.append(f"{error!r} of {raw!r}")
        finally:
            self.ready |= detached
            if self.closes:
                self._connections.discard(connection)
                _end(connection)
                connection.close()

    def _answer(self, connection, raw):
        """Whether it was a detached message."""
        operation, detached, container = _parse(raw)
        with self._lock:
            taken = detached or self.ready
            if taken:
                self.history.append((operation, detached, container["containerID"]))
                self._take(operation, container)
        connection.sendall(b"ok" if taken else b"err")
        return detached

    def _take(self, operation, container):
        ident = container["containerID"]
        if operation == "delete":
            self.containers.pop(ident, None)
            return
        known = self.containers.setdefault(ident, container)
        if not known.get("pidns") and not known.get("mntns"):
            known.update({name: container[name] for name in ("pidns", "mntns", "apparmorProfile")
                          if name in container})
