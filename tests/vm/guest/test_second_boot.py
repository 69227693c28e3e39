# SPDX-License-Identifier: Apache-2.0
"""The same node after a reboot, to the undoing of the set-up; the tests are steps, in order."""

import pytest

from engines import RootlessPodman, call
from harness import until

KINDS = ("pods", "docker", "podman-crun", "podman-rootless", "runc")
MADE = {}


def since_boot(unit, what):
    """When UNIT did WHAT, in microseconds."""
    return int(call("systemctl", "show", "--value", "--property", f"{what}TimestampMonotonic",
                    unit))


@pytest.mark.parametrize("unit", ("containerd", "docker", "podman-restart"))
def test_the_listener_is_there_before(guest, unit):
    ready = since_boot("kubearmor-hookd", "ActiveEnter")
    assert 0 < ready < since_boot(unit, "ExecMainStart")


@pytest.mark.parametrize("kind", ("docker", "podman-crun"))
def test_what_starts_at_boot_is_announced(guest, kind):
    [one] = until(lambda: [c for c in guest.listed().values()
                           if c.get("name") == f"always-{kind}"], "its start")
    engine = guest.engine(kind)
    engine.names[one["id"]] = one["name"]
    guest.check_announced(engine, one["id"])
    MADE[f"always-{kind}"] = kind, one["id"]


def test_verify(guest):
    guest.verify()


def test_the_set_up_is_undone(guest):
    """What was made before ends as it should."""
    for kind in KINDS:
        engine = guest.engine(kind)
        MADE[kind] = kind, engine.run(f"{kind}-last")
        guest.check_announced(engine, MADE[kind][1])
    guest.hookctl("uninstall", "--restart")
    assert not list(RootlessPodman.HOME.rglob("*kubearmor*"))
    for kind, ident in MADE.values():
        guest.engine(kind).remove(ident)
        assert ident not in guest.listed()


def test_every_file_is_as_it_was(guest):
    """The programs, too, once no container names them: those of the first boot still do."""
    _, _, err = guest.hookctl("uninstall")
    assert "kubearmor-runtime stays" in err
    docker = guest.engine("docker")
    docker.remove(*docker("ps", "--all", "--quiet").split())
    _, _, err = guest.hookctl("uninstall", "--restart", "--wait", "10s")
    changed = guest.changed_files()
    assert not changed, (changed, err)


@pytest.mark.parametrize("kind", ("pods", "docker", "podman-crun"))
def test_nothing_is_announced_any_more(guest, kind):
    engine = guest.engine(kind)
    ident = engine.run(f"{kind}-unknown")
    one = until(lambda: guest.listed().get(ident), "its discovery")
    assert one["source"] == "discovery"
    engine.remove(ident)
