# SPDX-License-Identifier: Apache-2.0
"""A node is set up while it works; the tests are steps, in the order that they stand in."""

import shutil
from pathlib import Path

import pytest

from engines import RootlessPodman, call
from harness import until
from machine import PAYLOAD

KINDS = ("docker", "podman-runc", "podman-crun", "podman-rootless", "runc", "crun")
UNITS = Path("/etc/systemd/system")
OLDER = {}


def test_the_services_are_started(guest):
    """As they are packaged, in the way that the README says."""
    guest.prepare()
    for kind in ("pods", "docker", "podman-runc"):
        OLDER[kind] = guest.engine(kind).run(f"older-{kind}")
    shutil.copytree(PAYLOAD / "root", "/", dirs_exist_ok=True)
    for place in ("/etc", "/var"):
        Path(place, ".updated").touch()  # else the next boot makes caches there anew
    call("systemd-tmpfiles", "--create")
    call("systemctl", "daemon-reload")
    call("systemctl", "enable", "--now", "kubearmor-hookd.service")
    for path, mode in (("", 0o711), ("/events", 0o755), ("/spool", 0o700), ("/state", 0o700),
                       ("/ka.sock", 0o600), ("/events/events.sock", 0o600)):
        assert Path(f"/run/kubearmor{path}").stat().st_mode & 0o7777 == mode, path
    assert set(OLDER.values()) <= set(guest.listed())


def test_a_user_may_report_containers_of_his_own(guest):
    """By drop-ins, as the page of Podman says."""
    for unit, text in (("socket", "[Socket]\nSocketMode=0666\n"), ("service", f"""[Service]
ExecStart=
ExecStart=/usr/local/sbin/kubearmor-hookd --allow-uid {RootlessPodman.UID}
""")):
        drop_in = UNITS / f"kubearmor-hookd.{unit}.d/users.conf"
        drop_in.parent.mkdir()
        drop_in.write_text(text)
    call("systemctl", "daemon-reload")
    call("systemctl", "restart", "kubearmor-hookd.socket", "kubearmor-hookd.service")
    assert Path("/run/kubearmor/ka.sock").stat().st_mode & 0o7777 == 0o666
    guest.keep_files()


def test_dockers_reload_is_seen(guest):
    """Whoever has it read its configuration."""
    guest.hookctl("install", "--runtime", "docker", "--docker-default")
    assert guest.states()["docker"] == "waiting"
    call("systemctl", "reload", "docker")
    until(lambda: guest.states()["docker"] == "hooked", "what the reload leaves")


def test_every_runtime_is_set_up(guest):
    _, out, err = guest.hookctl("install", "--rootless", "alice", "--restart")
    states = guest.states()
    assert {r: states[r] for r in ("containerd", "docker", "podman")} == \
        dict.fromkeys(("containerd", "docker", "podman"), "hooked"), out + err
    for kind, ident in OLDER.items():
        assert guest.listed()[ident]["pid"] == guest.engine(kind).pid(ident)


@pytest.mark.parametrize("kind", KINDS)
def test_a_container_is_announced(guest, kind):
    engine = guest.engine(kind)
    guest.check_announced(engine, engine.run(f"first-{kind}"))


def test_pods_of_two_containers_are_announced(guest):
    engine = guest.engine("pods")
    for name in ("a.one", "a.two", "b.one", "b.two"):
        guest.check_announced(engine, engine.run(name))


def test_pause_containers_are_found(guest):
    listed = guest.listed()
    for pod in guest.engine("pods").pods.values():
        assert (listed[pod.id]["type"], listed[pod.id]["source"]) == ("sandbox", "discovery")


def test_verify(guest):
    guest.verify()


@pytest.mark.parametrize("unit", ("containerd", "docker", "kubearmor-hookd"))
def test_a_daemons_restart(guest, unit):
    guest.restart(unit)
    guest.verify()


@pytest.mark.parametrize("kind", ("docker", "podman-crun"))
def test_what_is_to_start_at_boot(guest, kind):
    """The next boot's tests look for it."""
    engine = guest.engine(kind)
    guest.check_announced(engine, engine.run(f"always-{kind}", "--restart=always",
                                             "--stop-signal=KILL"))
