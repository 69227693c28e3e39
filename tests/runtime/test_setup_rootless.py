# SPDX-License-Identifier: Apache-2.0
"""Podman of a user other than root, who has asked for it."""

import pytest

from harness import HOOKD, until
from harness.daemon import Daemon
from harness.node import Node
from harness.rootless import IMAGE, NEEDS_PODMAN, Podman, User

UID = 4242
HOME = "/var/lib/alice"

pytestmark = NEEDS_PODMAN


@pytest.fixture
def node(token, scratch):
    one = Node("v2", token, scratch)
    one.alice = User(one, "alice", UID)
    yield one
    one.close()


@pytest.fixture
def podman(node, base):
    engine = Podman(node.alice, base / "rootfs")
    yield engine
    engine.close()


def listing(node):
    return sorted((str(p), p.stat().st_uid) for p in node.path(HOME + "/.config").rglob("*"))


def test_a_users_containers_are_announced_when_the_listener_lets_him(node, podman, base, scratch):
    before, files = listing(node), node.files()
    _, out, _ = node.install("--runtime", "podman", "--rootless", "alice")
    assert f"--allow-uid {UID}" in out
    options = ("--no-discovery", "--socket-mode", "0666", "--allow-uid", str(UID))
    with Daemon(node, base / HOOKD.name, scratch, options) as daemon:
        events = daemon.subscribe()
        ident = podman.run()
        created = events.wait(ident, "created")
        assert created["source"] == "hook"
        assert "user" not in created["container"]["hostNamespaces"]
        podman("rm", "--force", "--time", "0", ident)
        events.wait(ident, "removed")
    # without a listener that he may speak to, his containers start all the same
    podman("run", "--rm", "--network", "none", IMAGE, "true")
    made = [path for path, _ in listing(node)]
    assert any(path.endswith("containers.conf.d/99-kubearmor-hook.conf") for path in made)
    assert {uid for _, uid in listing(node)} == {UID}
    node.hookctl("uninstall")
    assert listing(node) == before
    assert node.files() == files
    until(lambda: not node.path("/usr/local/lib/kubearmor").exists(), "the hook's removal")


def test_his_own_directories_stay_in_force(node):
    own = node.path(HOME + "/.config/containers/containers.conf")
    own.write_text('[engine]\nhooks_dir = ["/var/lib/alice/hooks"]\n')
    node.install("--runtime", "podman", "--rootless", "alice")
    made = own.parent / "containers.conf.d/99-kubearmor-hook.conf"
    assert made.read_text() == ('[engine]\nhooks_dir = ["/var/lib/alice/hooks", '
                                '"/usr/share/containers/oci/hooks.d"]\n')
    node.hookctl("uninstall")
    assert not made.parent.exists() and own.exists()


def test_no_link_of_his_leads_root_anywhere(node):
    node.path(HOME + "/.config/containers/containers.conf.d").symlink_to("/etc/cron.d")
    before = node.files()
    code, _, err = node.install("--runtime", "podman", "--rootless", "alice", check=False)
    assert code != 0 and "99-kubearmor-hook.conf" in err
    node.hookctl("uninstall", check=False)
    assert node.files() == before


def test_users_that_cannot_be(node):
    for name in ("nobody-at-all", "root"):
        code, _, err = node.install("--runtime", "podman", "--rootless", name, check=False)
        assert code == 1 and f"no user '{name}'" in err
