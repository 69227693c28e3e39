# SPDX-License-Identifier: Apache-2.0
"""What the tests on real runtimes share: private views of the machine, bundles, runtimes,
listeners, and the independent observation that reported fields are compared with."""

import os
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("KH_BUILD", REPO / "build")).resolve()
HOOK = Path(os.environ.get("KH_HOOK", BUILD / "static/src/hook/kubearmor-hook"))
DISCOVER = BUILD / "main/tests/unit/discover"
HOOKD = Path(os.environ.get("KH_HOOKD", BUILD / "main/src/hookd/kubearmor-hookd"))
HOOKCTL = Path(os.environ.get("KH_HOOKCTL", BUILD / "main/src/hookctl/kubearmor-hookctl"))
WRAPPER = BUILD / "static/src/wrapper/kubearmor-runtime"


def on_kernel(version):
    """What to put before the listener's command line, so that it meets a kernel of that version."""
    return [BUILD / "main/tests/unit/old-kernel", version] if version else []


# Detects a hang, and asserts nothing about speed: a loaded machine stays far below it.
HANG_S = 60.0


def until(condition, what, timeout=HANG_S):
    """Waits for CONDITION() to give something true, and returns it."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {timeout:.0f} s: {what}")
        time.sleep(0.01)
