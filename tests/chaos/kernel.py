# SPDX-License-Identifier: Apache-2.0
"""What is true: the processes that the kernel has in the containers' cgroups, found without the
product and without what runtimes write down."""

import os
import re
from collections import namedtuple

# A container's own cgroup, not its monitor's; the two forms that the engines of these tests use.
_CONTAINER = re.compile(r"(?:libpod-)?(chaos-[\w-]+|[0-9a-f]{64})")

Process = namedtuple("Process", "pid start alone")  # alone: the first of a pid namespace


def look(pid):
    """The process, or None when it is dead."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            state, *fields = file.read().rpartition(")")[2].split()
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            [numbers] = [line.split()[1:] for line in file if line.startswith("NSpid:")]
    except (OSError, ValueError):
        return None
    alone = len(numbers) > 1 and numbers[-1] == "1"
    return None if state in "ZX" else Process(int(pid), int(fields[18]), alone)


class Kernel:
    def __init__(self, view):
        base = view.path("/sys/fs/cgroup")
        hierarchy = base if view.v2_mount == base else base / "pids"
        self._top = hierarchy / view.cgroup_parent.lstrip("/")

    def containers(self):
        """The living processes of each container that has any, by its id."""
        found = {}
        for directory, _, _ in os.walk(self._top):
            one = _CONTAINER.fullmatch(os.path.basename(directory))
            processes = list(filter(None, map(look, _pids(directory)))) if one else []
            if processes:
                found.setdefault(one[1], []).extend(processes)
        return found

    def init(self, ident):
        """The container's first process; None when there is none."""
        return first(self.containers().get(ident, []))


def first(processes):
    return min(processes, key=lambda p: (not p.alone, p.start, p.pid), default=None)


def _pids(directory):
    try:
        with open(f"{directory}/cgroup.procs", encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []


def find(*words):
    """Pids of programs whose command line has all of WORDS among its arguments."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                arguments = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if all(any(w == a or a.endswith(f"/{w}") for a in arguments) for w in words):
            yield int(pid)
