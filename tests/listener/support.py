# SPDX-License-Identifier: Apache-2.0
"""What drives the listener's sockets: the daemon itself, and real processes as containers."""

import ctypes
import json
import os
import signal
import socket
import subprocess
from contextlib import contextmanager

from harness import HANG_S, HOOKD, on_kernel, until
from harness.daemon import Subscriber, _validator

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER = 0x00020000, 0x20000000, 0x10000000
PR_SET_NAME, PR_SET_PDEATHSIG = 15, 1
_libc = ctypes.CDLL(None, use_errno=True)


class Process:
    """The init of a container: it does nothing, in a mount namespace of its own.

    Before start() it is named as runc's own init is. A keeper between the test and it makes its pid
    namespace, and reaps it."""

    def __init__(self, own_pid_ns=True):
        told, tell = os.pipe()
        self._commands, commands = os.pipe()
        self._keeper = os.fork()
        if self._keeper == 0:
            try:
                os.close(told)
                _keep(own_pid_ns, tell, self._commands, commands)
            finally:
                os._exit(1)
        os.close(tell)
        os.close(self._commands)
        self._commands = commands
        self.pid = int(os.read(told, 16))
        os.close(told)
        self.pidfd = os.pidfd_open(self.pid)
        self.namespaces = {kind: os.stat(f"/proc/{self.pid}/ns/{kind}").st_ino
                           for kind in ("pid", "mnt", "net", "user")}
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            self.start_time = int(stat.read().rpartition(")")[2].split()[19])

    def start(self):
        os.write(self._commands, b"s")
        until(lambda: self.comm() == "app", "the container's own process")

    def comm(self):
        with open(f"/proc/{self.pid}/comm", encoding="ascii") as comm:
            return comm.read().strip()

    @property
    def alive(self):
        return self._keeper is not None

    def die(self):
        if self._keeper is None:
            return
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        os.waitpid(self._keeper, 0)
        os.close(self._commands)
        self._keeper = None

    def close(self):
        self.die()
        os.close(self.pidfd)


def _name(name):
    _libc.prctl(PR_SET_NAME, name, 0, 0, 0)


def _keep(own_pid_ns, tell, read_commands, write_commands):
    os.close(write_commands)
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if own_pid_ns and _libc.unshare(CLONE_NEWPID) != 0:
        os._exit(2)
    pid = os.fork()
    if pid == 0:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if _libc.unshare(CLONE_NEWNS) != 0:
            os._exit(2)
        _name(b"runc:[2:INIT]")
        os.write(tell, b"%d" % int(os.readlink("/proc/self")))
        os.close(tell)
        while os.read(read_commands, 1):
            _name(b"app")
        while True:
            signal.pause()
    os.close(tell)
    os.close(read_commands)
    os.waitpid(pid, 0)
    os._exit(0)


class Processes:
    def __init__(self):
        self._made = []

    def make(self, **options):
        self._made.append(Process(**options))
        return self._made[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self._made:
            one.close()


def create(ident, process=None, **oci):
    """A create request; KubeArmor's members come from PROCESS, the others from OCI."""
    container, own = {"containerID": ident}, {}
    if process:
        container.update(pid=process.pid, mntns=process.namespaces["mnt"],
                         pidns=process.namespaces["pid"])
        own.update(startTime=process.start_time, namespaces=process.namespaces)
    return {"operation": 0, "detached": False, "container": container, "oci": {**own, **oci}}


def delete(ident, **oci):
    return {"operation": 1, "detached": False, "container": {"containerID": ident}, "oci": oci}


def send(connection, request, fds=()):
    text = request if isinstance(request, bytes) else json.dumps(request).encode()
    sent = socket.send_fds(connection, [text], list(fds))
    if sent < len(text):
        connection.sendall(text[sent:])


def can_refuse_descriptors(connection):
    """Whether a listener can have the kernel do that: SO_PASSRIGHTS, Linux 6.16."""
    try:
        return connection.getsockopt(socket.SOL_SOCKET, 83) in (0, 1)
    except OSError:
        return False


def answer(connection, length=2):
    """What the listener answers, whole; b"" when it closes."""
    got = b""
    while len(got) < length:
        try:
            more = connection.recv(length - len(got))
        except ConnectionResetError:
            return b""
        if not more:
            break
        got += more
    return got


class Listener:
    """kubearmor-hookd with all its paths below one directory."""

    def __init__(self, directory, *options, environment=None, prefix=()):
        self.directory = directory
        self.hook = directory / "run/ka.sock"
        self.events = directory / "run/events/events.sock"
        self.spool = directory / "run/spool"
        self.state = directory / "run/state"
        self.log_path = directory / "hookd.log"
        self.options = list(options)
        self.environment = environment or {}
        self.prefix = list(prefix)
        self.process = None
        self._schema = _validator()

    def command(self):
        return [*self.prefix, *on_kernel(os.environ.get("KH_KERNEL")), HOOKD, "--socket", self.hook, "--events", self.events,
                "--spool", self.spool, "--no-discovery", *self.options]

    def start(self):
        (self.directory / "run").mkdir(exist_ok=True)
        read_end, write_end = os.pipe()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*map(str, self.command()), "--ready-fd", str(write_end)], stderr=log,
                stdin=subprocess.DEVNULL, pass_fds=[write_end],
                env={**os.environ, **self.environment})
        os.close(write_end)
        os.read(read_end, 1)
        os.close(read_end)
        until(lambda: self.process.poll() is not None or self.events.exists(), "ready, or dead")
        assert self.process.poll() is None, self.log()
        return self

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(HANG_S)
        self.process = None
        return code

    def restart(self, how=signal.SIGKILL):
        self.stop(how)
        return self.start()

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(HANG_S)
        connection.connect(str(self.hook))
        return connection

    def tell(self, request, fds=()):
        """One request on a connection of its own: its answer."""
        with self.connect() as connection:
            send(connection, request, fds)
            return answer(connection)

    def subscribe(self, **request):
        return Subscriber(self.events, self._schema, {"request": "subscribe", **request})

    def ask_text(self, text):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(HANG_S)
            connection.connect(str(self.events))
            connection.sendall(text)
            with connection.makefile("rb") as answers:
                return answers.read()

    def ask(self, **request):
        """Every line of the answer, checked against the schema."""
        lines = self.ask_text(json.dumps(request).encode() + b"\n").splitlines()
        messages = [json.loads(line) for line in lines]
        for message in messages:
            self._schema.validate(message)
        return messages

    def containers(self, **filters):
        return [m["container"] for m in self.ask(request="list", filter=filters)
                if m["type"] == "container"]

    def ids(self):
        return sorted(c["id"] for c in self.containers())

    def status(self):
        return self.ask(request="status")[0]

    def open_fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process:
            code = self.stop()
            assert code == 0, f"kubearmor-hookd ended with {code}: {self.log()}"


@contextmanager
def subscribed(listener, **request):
    one = listener.subscribe(**request)
    try:
        yield one
    finally:
        one.close()
