# SPDX-License-Identifier: Apache-2.0
"""Runs last: nothing of all the other tests is left on the machine."""

import os
from pathlib import Path

def processes_with(token):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        try:
            text = Path(f"/proc/{pid}/cmdline").read_bytes() + \
                Path(f"/proc/{pid}/cgroup").read_bytes()
            mounts = Path(f"/proc/{pid}/mountinfo").read_bytes()
        except OSError:
            continue
        if token in text or token in mounts:
            yield pid


def test_no_process_is_left(token):
    left = {pid: Path(f"/proc/{pid}/cmdline").read_bytes()
            for pid in processes_with(token.encode())}
    assert not left


def test_no_mount_is_left(token):
    assert token not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")


def test_no_cgroup_is_left(token):
    top = Path("/sys/fs/cgroup")
    left = [d for d in (top, *filter(Path.is_dir, top.iterdir())) if (d / token).exists()]
    assert not left


def test_no_file_is_left(listing, listing_before):
    assert listing() == listing_before
