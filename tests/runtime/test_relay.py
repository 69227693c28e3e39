# SPDX-License-Identifier: Apache-2.0
"""A node where the listener feeds KubeArmor: containers of real runtimes, with the hook and without."""

import pytest

from harness import HOOKD, until
from harness.daemon import Daemon
from harness.kubearmor import KubeArmor

SOCKET = "/run/kubearmor/hookd.sock"


@pytest.fixture
def daemon(view, base, scratch):
    options = ["--relay", "/run/kubearmor/ka.sock"]
    with Daemon(view, base / HOOKD.name, scratch, options) as running:
        yield running


@pytest.fixture
def kubearmor(view):
    return lambda: KubeArmor(view.path("/run/kubearmor/ka.sock"))


def knows(agent, *boxes):
    until(lambda: set(agent.containers) == {box.id for box in boxes} or agent.failures,
          f"it knows {[box.id for box in boxes]}")
    assert not agent.failures


def test_kubearmor_knows_what_runs(engine, make, daemon, kubearmor, expected):
    def run(*, hook=True):
        box = make(["createRuntime", "poststop"] if hook else [], options=["--socket", SOCKET])
        engine.create(box.id, box.bundle)
        engine.start(box.id)
        return box

    before, without = run(), run(hook=False)
    with kubearmor() as agent:
        knows(agent, before, without)
        live = run()
        knows(agent, before, without, live)
        for box in (before, without, live):
            told, seen = agent.containers[box.id], expected(box, "createRuntime")
            assert (told["pid"], told["pidns"], told["mntns"]) == (
                seen["pid"], seen["namespaces"]["pid"], seen["namespaces"]["mnt"])
        assert [what for what in agent.history if what[2] == live.id] == \
            [("create", False, live.id)]
        engine.delete(before.id)
        knows(agent, without, live)
    engine.delete(without.id)
    another = run()
    with kubearmor() as agent:
        knows(agent, live, another)
        assert all(detached for _, detached, _ in agent.history)
