# SPDX-License-Identifier: Apache-2.0
"""Docker by the wrapper: a real dockerd in a node of its own."""

import json
import signal
import subprocess
import threading

import pytest

from harness import HANG_S, until
from harness.node import WRAPPER, Node
from harness.recorder import Recorder

IMAGE = "kh-setup"
CONFIG = ('{\n  "storage-driver": "vfs",\n  "data-root": "/var/lib/docker-elsewhere",'
          '\n  "log-driver": "json-file"\n}')

pytestmark = pytest.mark.skipif(
    subprocess.run(["sh", "-c", "command -v dockerd"], capture_output=True).returncode != 0,
    reason="there is no dockerd")


class Docker:
    def __init__(self, node, scratch):
        self.node = node
        self._log = open(scratch / "dockerd.log", "wb")
        self._daemon = node.popen(
            ["dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none",
             f"--cgroup-parent={node.cgroup_parent}"], stdout=self._log, stderr=self._log)
        until(lambda: self.run("version", check=False)[0] == 0, "dockerd's answer")

    def run(self, *words, check=True):
        done = self.node.run(["docker", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=HANG_S)
        assert not check or done.returncode == 0, done.stdout.decode()
        return done.returncode, done.stdout.decode().strip()

    def start(self, *options):
        return self.run("run", "--detach", "--network", "none", *options, IMAGE, "sleep",
                        "600")[1].splitlines()[-1]

    def default_runtime(self):
        return self.run("info", "--format", "{{.DefaultRuntime}}")[1]

    def reload(self):
        """As systemctl reload does."""
        self._daemon.send_signal(signal.SIGHUP)

    def close(self):
        ids = self.run("ps", "--all", "--quiet")[1].split()
        if ids:
            self.run("rm", "--force", *ids)
        self._daemon.terminate()
        self._daemon.wait(HANG_S)
        self._log.close()


@pytest.fixture
def node(token, scratch):
    one = Node("machine", token, scratch)
    one.path("/etc/docker").mkdir(exist_ok=True)
    one.path("/etc/docker/daemon.json").write_text(CONFIG)
    yield one
    one.close()


@pytest.fixture
def docker(node, base, scratch):
    engine = Docker(node, scratch)
    archive = scratch / "rootfs.tar"
    subprocess.run(["tar", "-C", base / "rootfs", "-cf", archive, "bin", "tmp", "etc"], check=True)
    engine.run("import", str(archive), IMAGE)
    yield engine
    engine.close()


@pytest.fixture
def listener(node):
    one = Recorder(node.path("/run/kubearmor/ka.sock"))
    yield one
    one.close()


def test_all_containers_by_the_default_runtime(node, docker, listener):
    before = node.files()
    _, out, _ = node.install("--runtime", "docker", "--docker-default", "--restart")
    assert "docker: has read the change" in out and " hooked " in out
    until(lambda: docker.default_runtime() == "kubearmor", "the reading of daemon.json")
    assert node.states()["docker"] == "hooked"
    ident = docker.start("--name", "by-default")
    [message] = listener.creates()
    assert (message.container["id"], message.container["name"]) == (ident, "by-default")
    assert message.container["pid"] == int(
        docker.run("inspect", "--format", "{{.State.Pid}}", ident)[1])
    assert docker.run("run", "--rm", "--network", "none", IMAGE, "sh", "-c", "exit 7",
                      check=False)[0] == 7
    assert len(listener.deletes()) == 1

    # a container keeps the runtime that it was made with
    _, _, err = node.hookctl("uninstall", "--restart")
    assert "kubearmor-runtime stays" in err
    assert docker.default_runtime() == "runc"
    docker.run("restart", "--time", "0", ident)
    assert len(listener.creates()) == 2
    docker.run("rm", "--force", ident)
    node.hookctl("uninstall", "--restart")
    assert node.files() == before
    docker.run("run", "--rm", "--network", "none", IMAGE, "true")
    assert len(listener.creates()) == 2


def test_a_reload_that_nobody_told_of_is_seen(node, docker, listener):
    node.install("--runtime", "docker", "--docker-default")
    assert node.states()["docker"] == "waiting"
    docker.reload()
    until(lambda: docker.default_runtime() == "kubearmor", "the reading of daemon.json")
    until(lambda: node.states()["docker"] == "hooked", "what the reading leaves")
    # what later versions leave, of which this one leaves more
    docker.run("run", "--rm", "--network", "none", IMAGE, "true")
    assert len(listener.creates()) == 1
    node.hookctl("uninstall", "--restart")


def test_starts_meanwhile_succeed(node, docker):
    """Containers that start while it is installed, upgraded and undone."""
    failures, stop = [], threading.Event()

    def starts():
        while not stop.is_set():
            code, text = docker.run("run", "--rm", "--network", "none", IMAGE, "true", check=False)
            if code:
                failures.append(text)
    threads = [threading.Thread(target=starts) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            node.install("--runtime", "docker", "--docker-default", "--restart")
            for program in node.sources.iterdir():
                with open(program, "ab") as file:
                    file.write(b"another version")
            node.install("--runtime", "docker")
            _, _, err = node.hookctl("uninstall", "--restart", "--wait", "30s")
            assert not node.path("/usr/local/lib/kubearmor").exists(), err
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures[0]


def test_a_default_runtime_of_others_is_called_on(node, docker, listener):
    """The wrapper becomes what was the default, with its own arguments."""
    node.path("/usr/local/bin/theirs").write_text(
        '#!/bin/sh\necho "$@" >>/run/theirs.log\nexec runc "$@"\n')
    node.path("/usr/local/bin/theirs").chmod(0o755)
    theirs = json.dumps({**json.loads(CONFIG), "default-runtime": "theirs",
                         "runtimes": {"theirs": {"path": "/usr/local/bin/theirs"}}})
    node.path("/etc/docker/daemon.json").write_text(theirs)
    node.install("--runtime", "docker", "--docker-default", "--restart")
    until(lambda: docker.default_runtime() == "kubearmor", "the reading of daemon.json")
    docker.run("run", "--rm", "--network", "none", IMAGE, "true")
    assert len(listener.creates()) == 1
    assert " create --bundle " in node.path("/run/theirs.log").read_text()
    # a reload alone has dockerd keep what the file does not name any more
    _, _, err = node.hookctl("uninstall")
    assert "left to do: kubearmor-hookctl uninstall --restart" in err
    assert "kubearmor-runtime stays: docker may call it" in err
    docker.run("run", "--rm", "--network", "none", IMAGE, "true")
    node.hookctl("uninstall", "--restart")
    assert not node.path("/usr/local/lib/kubearmor").exists()
    assert docker.default_runtime() == "theirs"
    assert node.path("/etc/docker/daemon.json").read_text() == theirs


def test_whatever_is_wrong_the_runtime_is_called(node, docker, listener):
    node.install("--runtime", "docker", "--docker-default", "--restart")
    until(lambda: docker.default_runtime() == "kubearmor", "the reading of daemon.json")
    options = node.path("/usr/local/lib/kubearmor/kubearmor-runtime.json")
    text = options.read_text()
    for broken in ("", "{", '{"runtime": "/no/such", "hooks": {}}', '{"hooks": {"x": 1}}'):
        options.write_text(broken)
        docker.run("run", "--rm", "--network", "none", IMAGE, "true")
    options.write_text(text)
    options.chmod(0o666)
    docker.run("run", "--rm", "--network", "none", IMAGE, "true")
    assert not listener.messages
    options.chmod(0o644)
    docker.run("run", "--rm", "--network", "none", IMAGE, "true")
    assert len(listener.creates()) == 1
    node.hookctl("uninstall", "--restart")


def test_the_wrapper_passes_all_else_on(scratch):
    """Arguments, environment, descriptors and exit status are the runtime's own; that it was asked
    for its features is left for set-up to see."""
    runtime = scratch / "runtime"
    runtime.write_text('#!/bin/sh\necho "$FOO|$*"\ncat <&7\nexit 23\n')
    runtime.chmod(0o755)
    wrapper = scratch / "kubearmor-runtime"
    wrapper.write_bytes(WRAPPER.read_bytes())
    wrapper.chmod(0o755)
    (scratch / "kubearmor-runtime.json").write_text(
        json.dumps({"runtime": str(runtime), "hooks": {"poststop": [{"path": "/x"}]}}))
    (scratch / "input").write_text("seven")
    for words in (["--root", "/r r", "create", "--bundle", "/nowhere", "id"], ["state", ""], []):
        done = subprocess.run(["sh", "-c", 'exec 7<"$0"; exec "$@"', scratch / "input", wrapper,
                               *words], capture_output=True, env={"FOO": "bar"}, timeout=HANG_S)
        assert (done.returncode, done.stdout.decode()) == (23, f"bar|{' '.join(words)}\nseven")
    asked = scratch / "kubearmor-runtime.asked"
    assert not asked.exists()
    subprocess.run([wrapper, "features"], capture_output=True, timeout=HANG_S)
    assert asked.exists()
