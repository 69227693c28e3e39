# SPDX-License-Identifier: Apache-2.0
"""The guest: a Debian with systemd, AppArmor and every engine, and the product on it."""

import json
from pathlib import Path

from engines import IMAGE, Docker, Plain, Podman, Pods, RootlessPodman, call
from harness import bundle, image, observe, until
from harness.node import SetUp
from harness.view import Machine

PAYLOAD = Path("/payload")
KEPT = Path("/var/tmp/guest")  # what the second boot must know of the first one


class Guest(SetUp, Machine):
    def __init__(self):
        super().__init__()
        KEPT.mkdir(exist_ok=True)
        self.rootfs = KEPT / "rootfs"
        self._engines = {}

    def engine(self, name):
        """By "pods", "docker", "podman-runc", "podman-crun", "podman-rootless", "runc" or "crun"."""
        if name not in self._engines:
            self._engines[name] = self._engine(name)
        return self._engines[name]

    def _engine(self, name):
        kind, _, runtime = name.partition("-")
        if kind == "pods":
            return Pods(self)
        if kind == "docker":
            return Docker()
        if kind == "podman":
            return RootlessPodman() if runtime == "rootless" else Podman(runtime)
        return Plain(kind, KEPT, self.rootfs)

    def prepare(self):
        """What the node's owner did before anybody thought of the product."""
        bundle.make_rootfs(self.rootfs)
        archive = KEPT / "image.tar"
        image.write_archive(archive, self.rootfs, [IMAGE, self.pause_image()])
        call("ctr", "--namespace", "k8s.io", "images", "import", archive)
        call("docker", "load", "--input", archive)
        for kind in ("podman-crun", "podman-rootless"):
            self.engine(kind)("load", "--input", archive)
        call("systemctl", "enable", "podman-restart.service")

    @staticmethod
    def pause_image():
        for line in call("containerd", "config", "default").splitlines():
            name, _, value = line.strip().partition(" = ")
            if name in ("sandbox_image", "sandbox"):
                return value.strip("\"'")
        raise AssertionError("containerd names no pause image")

    def files(self):
        """Those of the node, and of who is set up as well."""
        own = RootlessPodman.HOME / ".config"
        return {**super().files(), **{str(p): (p.stat().st_uid, p.is_file() and p.read_text())
                                      for p in (own, *own.rglob("*")) if p.exists()}}

    def keep_files(self):
        """What changed_files() compares with, after a reboot, too."""
        (KEPT / "files.json").write_text(json.dumps(self.files()))

    def changed_files(self):
        """What was and what is there, by path."""
        before = json.loads((KEPT / "files.json").read_text())
        now = json.loads(json.dumps(self.files()))
        return {path: (before.get(path), now.get(path)) for path in {*before, *now}
                if before.get(path) != now.get(path)}

    def listed(self):
        """What the listener knows of, by id."""
        _, out, _ = self.hookctl("list", "-o", "json")
        return {c["id"]: c for c in json.loads(out)}

    def seen(self, engine, ident):
        """What is true of a container."""
        place = engine.place(ident)
        config = json.loads((place / "config.json").read_text())
        return {**observe.container(self, engine.runtime, ident, "createRuntime", place, config,
                                    engine.pid(ident)),
                **engine.identity(ident)}

    def check_announced(self, engine, ident):
        """The hook told of it, everything, and it is confined as the hook said."""
        told = dict(self.listed()[ident])
        assert told.pop("source") == "hook"
        assert told.pop("createdAt")
        assert told.pop("state") in ("created", "running")
        observe.same(told, self.seen(engine, ident))
        process = Path(f"/proc/{told['pid']}")
        until(lambda: (process / "exe").readlink().name == "busybox", "its own program runs")
        confined = (process / "attr/current").read_text().strip()
        if "apparmorProfile" in told:
            assert confined == f"{told['apparmorProfile']} (enforce)"
        else:  # only root loads profiles
            assert "(enforce)" not in confined

    def verify(self):
        self.hookctl("verify")

    def restart(self, unit):
        """Nobody of the listener's containers notices."""
        before = {c["id"]: (c["pid"], c["startTime"]) for c in self.listed().values()}
        call("systemctl", "restart", unit)
        until(lambda: call("systemctl", "is-active", unit, check=False) == "active", unit)
        after = {c["id"]: (c["pid"], c["startTime"]) for c in self.listed().values()}
        assert after == before
        for pid, start_time in before.values():
            assert observe.start_time(pid) == start_time
