# SPDX-License-Identifier: Apache-2.0
"""Many containers on every engine at once, treated badly, while the listener is killed and comes
back: what it tells stays true.

KH_SEED repeats a run's steps, KH_CHAOS_SECONDS lengthens it.
"""

import os
import secrets
import shutil
import tempfile
import time
import uuid
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random

import pytest

from chaos import drivers
from chaos.chaos import Chaos
from chaos.follower import Follower
from harness import HOOK, HOOKD, bundle, image
from harness.cri import Cri
from harness.crinode import IMAGE
from harness.daemon import Daemon
from harness.engines import Containerd, Docker
from harness.podman import Podman
from harness.view import View

SECONDS = float(os.environ.get("KH_CHAOS_SECONDS", 18))
TOKEN = "kh-chaos-" + uuid.uuid4().hex[:8]


@pytest.fixture
def base():
    path = Path(tempfile.mkdtemp(prefix=TOKEN + "-", dir="/tmp"))
    path.chmod(0o755)
    for program in (HOOK, HOOKD):
        shutil.copy(program, path / program.name)
    bundle.make_rootfs(path / "rootfs")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def stack():
    with ExitStack() as opened:
        yield opened


def started(stack, layout, base):
    view = stack.enter_context(closing(View(layout, TOKEN)))

    def opened(engine):
        return stack.enter_context(closing(engine))

    def oci(name):
        return opened(drivers.Oci(name, view, base, base, base / HOOK.name))

    podman = opened(Podman(view, base, base))
    podman.import_image()
    engines = {"runc": (oci("runc"), 8), "podman": (drivers.podman(podman), 3)}
    if layout == "v2":
        engines["crun"] = oci("crun"), 8
    else:
        hook = base / HOOK.name
        engines["docker"] = drivers.docker(opened(Docker(view, base, base, drivers.hooks(hook)))), 3
        config = drivers.configure_pods(view, base, hook)
        ctr = opened(Containerd(view, base, ["containerd", "--config", config]))
        image.write_archive(base / "pods.tar", base / "rootfs", [IMAGE])
        ctr("--namespace", "k8s.io", "images", "import", "--no-unpack", base / "pods.tar")
        engines["ctr"] = drivers.Tasks(ctr, base, base, hook), 3
        engines["pods"] = drivers.Pods(Cri(view), view.cgroup_parent), 4
    return view, [drivers.Slot(driver, f"{name}-{i}", hooked=i % 3 != 2)
                  for name, (driver, number) in engines.items() for i in range(number)]


@pytest.mark.parametrize("layout", ("machine", "v2"))
def test_what_is_told_stays_true(layout, base, stack):
    seed = os.environ.get("KH_SEED", secrets.token_hex(4))
    watch = Random(seed).choice(("fanotify", "inotify", "poll"))
    print(f"KH_SEED={seed} watch={watch}")
    view, slots = started(stack, layout, base)
    daemon = stack.enter_context(Daemon(view, base / HOOKD.name, base, ("--watch", watch)))
    follower = stack.enter_context(closing(Follower(view, base)))
    chaos = Chaos(seed, view, daemon, follower, slots, threads=6)
    end, number = time.monotonic() + SECONDS, 0
    while number == 0 or time.monotonic() < end:
        chaos.round(number)
        chaos.settle()
        number += 1
    chaos.end()
    chaos.settle()
    assert not follower.alive()
    told = len(follower.lives)
    print(f"{number} rounds, {len(chaos.births)} containers seen, {told} told of, "
          f"{follower.instances} listeners, agreement after "
          f"{', '.join(f'{s:.2f}' for s in chaos.converged_s)} s")
    assert told > 0
