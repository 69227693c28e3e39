# SPDX-License-Identifier: Apache-2.0
"""A listener that speaks the hook socket's protocol exactly as KubeArmor's does: one read of at
most 4,096 bytes, parsed as it came, answered with "ok". It also takes the descriptors."""

import array
import fcntl
import json
import os
import socket
import struct
import threading

READ_MAX = 4096
_SEALS_WANTED = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW

_KUBEARMOR_NAMES = {
    "containerID": ("id",), "containerName": ("name",), "containerImage": ("image",),
    "namespaceName": ("pod", "namespace"), "endPointName": ("pod", "name"),
    "apparmorProfile": ("apparmorProfile",), "privileged": ("privileged",), "pid": ("pid",),
    "pidns": ("namespaces", "pid"), "mntns": ("namespaces", "mnt"),
}
_NOT_THE_CONTAINERS = ("durationUs", "test", "cut")
_KUBEARMORS_ALONE = ("node_name", "status")


def _named_for_policies(container):
    """Without what KubeArmor is told in place of a pod's names and of a name."""
    out = {k: v for k, v in container.items() if k not in _KUBEARMORS_ALONE}
    if out.get("namespaceName") == "container_namespace":
        assert out.pop("endPointName") == out["containerName"]
        del out["namespaceName"]
    if out.get("containerName") == out["containerID"]:
        del out["containerName"]
    return out


def container_of(request):
    """A request's container in the shape of docs/protocol.md, "The container object"."""
    out = {}
    merged = dict(request.get("oci", {}))
    for name in _NOT_THE_CONTAINERS:
        merged.pop(name, None)
    for name, value in merged.items():
        out[name] = dict(value) if isinstance(value, dict) else value
    for name, value in _named_for_policies(request["container"]).items():
        if name == "labels":
            assert value  # "oci" has them, where a comma is no separator
            continue
        *parents, leaf = _KUBEARMOR_NAMES[name]
        place = out
        for parent in parents:
            place = place.setdefault(parent, {})
        assert place.setdefault(leaf, value) == value, f"{name} is said twice, differently"
    return out


class Message:
    """One request as it came, with what the kernel says of its sender and its descriptors."""

    def __init__(self, raw, fds, credentials):
        self.raw = raw
        self.stream = json.loads(raw)
        self.peer_pid, self.peer_uid, self.peer_gid = credentials
        self.pidfd_pid = None
        self.attached = None
        for fd in fds:
            self._take(fd)
        self.request = self.attached or self.stream
        self.container = container_of(self.request)
        self.is_create = self.request["operation"] == 0

    def _take(self, fd):
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("/memfd:"):
                assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS_WANTED == _SEALS_WANTED
                size = os.fstat(fd).st_size
                self.attached = json.loads(os.pread(fd, size, 0))
                return
            with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
                info = dict(line.split(":", 1) for line in file)
            self.pidfd_pid = int(info["Pid"])
        finally:
            os.close(fd)


class Recorder:
    """Listens on PATH from its making to close(); before_answer(message) runs while the hook
    waits, so that a test can look around at that very moment."""

    def __init__(self, path, mode=0o600, before_answer=None):
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.messages = []
        self.failures = []
        self._before_answer = before_answer
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        path.chmod(mode)
        self._socket.listen(64)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def creates(self, ident=None):
        return [m for m in self.messages
                if m.is_create and ident in (None, m.container["id"])]

    def deletes(self, ident=None):
        return [m for m in self.messages
                if not m.is_create and ident in (None, m.container["id"])]

    def _accept(self):
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer:
                try:
                    self._serve(peer)
                except Exception as error:  # a test asks for it by close(): no thread to raise in
                    self.failures.append(error)

    def _serve(self, peer):
        peer.settimeout(30)
        credentials = struct.unpack("3i", peer.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        while True:
            try:
                raw, fds = self._receive(peer)
            except ConnectionResetError:
                return
            if not raw:
                return
            message = Message(raw, fds, credentials)
            if self._before_answer:
                self._before_answer(message)
            self.messages.append(message)
            try:
                peer.sendall(b"ok")
            except BrokenPipeError:
                return

    @staticmethod
    def _receive(peer):
        fds = array.array("i")
        raw, ancillary, _, _ = peer.recvmsg(READ_MAX, socket.CMSG_SPACE(4 * fds.itemsize))
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(data[:len(data) - len(data) % fds.itemsize])
        return raw, list(fds)

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(30)
        self._path.unlink(missing_ok=True)
        assert not self.failures, self.failures
