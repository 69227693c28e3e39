# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import tempfile
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import HOOK, HOOKD, bundle, observe
from harness.daemon import Daemon
from harness.recorder import Recorder
from harness.runtime import Runtime
from harness.view import View

# What runtimes, Podman and the product would leave if a view were not private.
PLACES = ("/run/kubearmor", "/run/runc", "/run/crun", "/run/containers", "/run/libpod",
          "/run/netns", "/run/containerd", "/run/docker", "/var/lib/containers",
          "/var/lib/docker", "/var/lib/containerd")

TOKEN = "kh-test-" + uuid.uuid4().hex[:8]

# A runtime and the cgroup layout that it runs in.
ENGINES = ("runc-machine", "runc-v2", "crun-v2")


def pytest_collection_modifyitems(items):
    """What looks for leftovers comes last, whatever its name."""
    items.sort(key=lambda item: "leftovers" in item.nodeid)


@pytest.fixture(scope="session", autouse=True)
def needs():
    if os.geteuid() != 0:
        pytest.exit("these tests run real container runtimes: they need root", returncode=1)
    for program in (HOOK, HOOKD):
        if not program.exists():
            pytest.exit(f"there is no '{program}': build it first", returncode=1)


@pytest.fixture(scope="session")
def listing():
    """What is in the places that runtimes use."""
    def lister():
        return {place: sorted(os.path.join(directory, name)
                              for directory, names, files in os.walk(place)
                              for name in names + files) for place in PLACES}
    return lister


@pytest.fixture(scope="session", autouse=True)
def listing_before(listing):
    return listing()


@pytest.fixture(scope="session")
def token():
    return TOKEN


@pytest.fixture(scope="session")
def base():
    """A directory that a mapped root can pass through as well, and the programs in it: a test does
    not depend on who may enter the build folder."""
    path = Path(tempfile.mkdtemp(prefix=TOKEN + "-", dir="/tmp"))
    path.chmod(0o755)
    for program in (HOOK, HOOKD):
        shutil.copy(program, path / program.name)
    rootfs = bundle.make_rootfs(path / "rootfs")
    # startContainer resolves the hook's path in the container's own root.
    inside = rootfs / str(path).lstrip("/")
    inside.mkdir(parents=True)
    shutil.copy(path / HOOK.name, inside)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def scratch(base):
    path = Path(tempfile.mkdtemp(prefix="t-", dir=base))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(params=ENGINES)
def engine(request, scratch):
    """A runtime in a fresh private view."""
    name, layout = request.param.split("-")
    view = View(layout, TOKEN)
    runtime = Runtime(name, view, scratch)
    try:
        yield runtime
    finally:
        runtime.close()
        view.close()


@pytest.fixture
def view(engine):
    return engine.view


@pytest.fixture
def hook(base):
    return base / HOOK.name


@pytest.fixture
def recorder(view):
    listener = Recorder(view.path("/run/kubearmor/ka.sock"))
    yield listener
    listener.close()


@pytest.fixture
def daemon(view, base, scratch):
    with Daemon(view, base / HOOKD.name, scratch) as running:
        yield running


@pytest.fixture
def make(engine, base, scratch, hook):
    """make(stages, **spec options): writes a bundle with the hook at these stages."""
    def maker(stages, *, ident=None, args="stage", hooks=None, options=(), directory=None,
              timeout=10, edit=None, **spec):
        ident = ident or "c-" + uuid.uuid4().hex[:12]
        config = bundle.spec(base / "rootfs", f"{engine.view.cgroup_parent}/{ident}", **spec)
        config["hooks"] = {stage: list(entries) for stage, entries in (hooks or {}).items()}
        for stage in stages:
            entry = {"path": str(hook), "timeout": timeout}
            if args == "stage":
                entry["args"] = ["kubearmor-hook", "--stage", stage, *options]
            elif args == "none":
                entry["args"] = []
            config["hooks"].setdefault(stage, []).append(entry)
        if edit:
            edit(config)
        place = Path(directory or scratch / ident)
        bundle.write_bundle(engine.view.path(place), config)
        return SimpleNamespace(id=ident, bundle=place, config=config)
    return maker


@pytest.fixture
def expected(engine):
    """What the test itself sees of a container that was made with make()."""
    def observer(container, stage):
        return observe.container(engine.view, engine.name, container.id, stage, container.bundle,
                                 container.config, engine.pid(container.id))
    return observer
