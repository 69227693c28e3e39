# SPDX-License-Identifier: Apache-2.0
"""State directories of many containers, as their runtimes leave them, of processes that live."""

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "tests/data"
TASK = "run/containerd/io.containerd.runtime.v2.task"
STORE = "var/lib/containers/storage/overlay-containers"


def start_time(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def recorded(name):
    return (DATA / name).read_text(encoding="utf-8")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def runc_state(pid, bundle):
    state = json.loads(recorded("disk/docker-20.10.24-state.json"))
    state.update(init_process_pid=pid, init_process_start=start_time(pid))
    state["config"]["labels"] = [f"bundle={bundle}"]
    return json.dumps(state, separators=(",", ":"))


def in_containerd(root, namespace, state_root, config, ident, pid):
    task = f"{TASK}/{namespace}/{ident}"
    write(root / state_root / namespace / ident / "state.json", runc_state(pid, f"/{task}"))
    write(root / task / "config.json", config)
    write(root / task / "init.pid", str(pid))
    write(root / task / "options.json", json.dumps({"root": f"/{state_root}"}))


def in_kubernetes(root, ident, pid):
    in_containerd(root, "k8s.io", "run/containerd/runc", recorded("config-containerd-cri.json"),
                  ident, pid)


def in_docker(root, ident, pid):
    in_containerd(root, "moby", "run/docker/runtime-runc",
                  recorded("disk/docker-20.10.24-config.json"), ident, pid)
    write(root / "var/lib/docker/containers" / ident / "config.v2.json",
          recorded("disk/docker-20.10.24-config.v2.json"))


def in_podman(root, ident, pid):
    bundle = f"{STORE}/{ident}/userdata"
    write(root / "run/runc" / ident / "state.json", runc_state(pid, f"/{bundle}"))
    write(root / bundle / "config.json", recorded("config-podman-4.3.1.json"))
    write(root / "run/containers/storage/overlay-containers" / ident / "userdata/pidfile",
          str(pid))


def in_crio(root, ident, pid):
    bundle = f"run/containers/storage/overlay-containers/{ident}/userdata"
    status = json.loads(recorded("disk/crun-1.8.1-status"))
    status.update({"pid": pid, "process-start-time": start_time(pid), "bundle": f"/{bundle}"})
    write(root / "run/crun" / ident / "status", json.dumps(status, indent=4))
    for copy in f"run/crun/{ident}", bundle:
        write(root / copy / "config.json", recorded("config-crio.json"))
    write(root / bundle / "pidfile", str(pid))


ENGINES = in_kubernetes, in_docker, in_podman, in_crio


def crun_writes(root, ident, pid):
    """A call that writes a container's state as crun does, in as little time as may be."""
    place, status = root / "run/crun" / ident, json.loads(recorded("disk/crun-1.8.1-status"))
    status.update({"pid": pid, "process-start-time": start_time(pid), "bundle": "/none"})
    text, config = json.dumps(status).encode(), recorded("config-crio.json").encode()

    def writer():
        place.mkdir()
        (place / "config.json").write_bytes(config)
        (place / "status.tmp").write_bytes(text)
        (place / "status.tmp").rename(place / "status")
    return writer


@contextmanager
def sleepers(count):
    processes = [subprocess.Popen(["sleep", "infinity"]) for _ in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


@contextmanager
def containers(root, count, engines=ENGINES):
    """COUNT of them below ROOT, a quarter of each engine's."""
    with sleepers(count) as processes:
        stored = []
        for number, process in enumerate(processes):
            ident = f"{number:064x}"
            engine = engines[number % len(engines)]
            engine(root, ident, process.pid)
            if engine is in_podman:
                entry = json.loads(recorded("disk/podman-4.3.1-containers.json"))[0]
                stored.append({**entry, "id": ident})
        write(root / STORE / "containers.json", json.dumps(stored, separators=(",", ":")))
        yield
