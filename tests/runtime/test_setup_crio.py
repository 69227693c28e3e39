# SPDX-License-Identifier: Apache-2.0
"""Setting CRI-O up. Debian has none: here its process, its files and what it watches stand in for it,
as CRI-O 1.37 was seen to behave."""

import os
import shutil
import time

import pytest

from harness import HANG_S, until
from harness.node import Node

HOOKS_DIR = "/usr/share/containers/oci/hooks.d"
STANDS_IN = "/usr/local/bin/crio"


def ticks():
    """What the kernel tells the starts of processes in."""
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return now * os.sysconf("SC_CLK_TCK") // 10**9


@pytest.fixture
def node(token, scratch):
    one = Node("machine", token, scratch)
    shutil.rmtree(one.path("/usr/share/containers/oci"), ignore_errors=True)
    shutil.copy("/usr/bin/sleep", one.path(STANDS_IN))
    yield one
    one.close()


@pytest.fixture
def start(node):
    """start(): CRI-O anew."""
    running = []

    def stop():
        while running:
            running[-1].kill()
            running.pop().wait(HANG_S)

    def starter():
        stop()
        before = ticks()
        until(lambda: ticks() > before, "a start that is told apart from what was before")
        running.append(node.popen([STANDS_IN, "600"]))
        until(lambda: node.hookctl("detect", "-o", "json")[1].count(f'"pid":{running[0].pid},'),
              "CRI-O is detected")
    yield starter
    stop()


def install(node):
    return node.install("--runtime", "crio")[1]


def test_a_directory_that_it_watches_is_in_force_at_once(node, start):
    node.path(HOOKS_DIR).mkdir(parents=True)
    start()
    before = node.files()
    assert "restart" not in install(node)
    assert node.states()["crio"] == "hooked"
    node.hookctl("uninstall")
    assert node.files() == before


def test_one_made_since_its_start_is_not(node, start):
    start()
    assert "systemctl restart crio" in install(node)
    assert node.states()["crio"] == "waiting"
    start()
    assert node.states()["crio"] == "hooked"


def test_nor_is_one_that_was_undone_and_made_again(node, start):
    before = node.files()
    install(node)
    start()
    assert node.states()["crio"] == "hooked"
    node.hookctl("uninstall")
    assert node.files() == before
    install(node)
    assert node.states()["crio"] == "waiting"


def test_podman_beside_it(node, start):
    """The files are the same ones, and go with the last of the two."""
    node.path(HOOKS_DIR).mkdir(parents=True)
    start()
    before = node.files()
    node.install("--runtime", "crio", "--runtime", "podman")
    states = node.states()
    assert (states["crio"], states["podman"]) == ("hooked", "hooked")
    node.hookctl("uninstall", "--runtime", "crio")
    assert node.states()["podman"] == "hooked"
    node.hookctl("uninstall")
    assert node.files() == before
