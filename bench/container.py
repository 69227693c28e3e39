# SPDX-License-Identifier: Apache-2.0
"""The container that hooks are measured on: a live init process and a bundle of a usual size."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

RECORDED = Path(__file__).parent.parent / "tests" / "data" / "config-containerd-cri.json"
CONFIG_SIZE = 25 * 1024


def config():
    """A pod's config.json as containerd's CRI plugin writes it, seccomp rules and all.

    The variables that Kubernetes sets for each service make up what is missing to CONFIG_SIZE.
    """
    spec = json.loads(RECORDED.read_text())
    service = 0
    while len(json.dumps(spec, separators=(",", ":"))) < CONFIG_SIZE:
        name = f"SHOP_BACKEND_{service}"
        spec["process"]["env"] += [
            f"{name}_SERVICE_HOST=10.96.0.{service}",
            f"{name}_SERVICE_PORT=8080",
            f"{name}_PORT=tcp://10.96.0.{service}:8080",
        ]
        service += 1
    return spec


def write_bundle(directory, spec):
    (directory / "rootfs").mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(spec, separators=(",", ":")))


def state(container_id, bundle, spec, status, pid):
    """What runc gives a hook on its standard input."""
    document = {
        "ociVersion": "1.0.2-dev",
        "id": container_id,
        "status": status,
        "bundle": str(bundle),
        "annotations": spec["annotations"],
    }
    if pid:
        document["pid"] = pid
    return json.dumps(document, separators=(",", ":"))


@contextmanager
def made_by(runtime, command):
    """Starts COMMAND as the runtime of a container that was just made.

    Gives the container's pid and a function that lets COMMAND run and returns what it printed.
    The container is in a cgroup of its own, as real ones are.
    """
    cgroup = Path("/sys/fs/cgroup/unified")
    cgroup = (cgroup if cgroup.is_dir() else cgroup.parent) / f"kubearmor-hook-bench-{os.getpid()}"
    cgroup.mkdir()
    process = subprocess.Popen([str(word) for word in (runtime, *command)], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pid = int(process.stdout.readline())
    (cgroup / "cgroup.procs").write_text(str(pid))

    def run():
        output, _ = process.communicate("\n")
        if process.returncode:
            raise SystemExit(f"{command[0]} failed")
        return output

    try:
        yield pid, run
    finally:
        process.kill()
        process.wait()
        while (cgroup / "cgroup.procs").read_text():
            pass
        cgroup.rmdir()
