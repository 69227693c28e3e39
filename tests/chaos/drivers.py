# SPDX-License-Identifier: Apache-2.0
"""The engines in one language: a slot is a container's name, used again and again."""

import json
import secrets
from dataclasses import dataclass, field
from itertools import count

from chaos import kernel
from harness import bundle
from harness.crinode import IMAGE as POD_IMAGE
from harness.engines import IMAGE as DOCKER_IMAGE
from harness.podman import IMAGE as PODMAN_IMAGE
from harness.runtime import Runtime

STAGES = ["createRuntime", "poststop"]
# Twice told of, or from within the container's namespaces.
OTHER_STAGES = ["prestart", *STAGES], ["createContainer", "poststop"]

RUN = secrets.token_hex(2)  # beside another run on this machine

ABSENT, CREATED, RUNNING, OVER = "absent", "created", "running", "over"

# Its process leaves one behind that only the cgroup knows of, where the pid namespace allows it.
_WITH_CHILD = ("sh", "-c", "sleep 600 & exec sleep 600")


def hooks(program, stages=STAGES):
    return {stage: [{"path": str(program), "args": ["kubearmor-hook", "--stage", stage],
                     "timeout": 10}] for stage in stages}


@dataclass
class Slot:
    driver: object
    name: str
    hooked: bool
    state: str = ABSENT
    ident: str = None  # of the container that is or was last there
    sandbox: str = None  # what it shares a pod with
    ids: set = field(default_factory=set)
    spoilt: int = 0  # how many ids were left with what a killed runtime or monitor had begun

    def own_id(self):
        return f"chaos-{RUN}-{self.name}-{self.spoilt}"

    def named(self, ident, sandbox=None):
        self.ident, self.sandbox = ident, sandbox
        self.ids |= {ident, sandbox} - {None}


class Oci:
    """runc or crun, called by nobody but the test."""

    has_create = True
    monitor = None

    def __init__(self, name, view, base, scratch, program):
        self.name = name
        self._runtime = Runtime(name, view, scratch)
        self._view, self._base, self._scratch, self._program = view, base, scratch, program

    def prepare(self, slot, random):
        ident = slot.own_id()
        pids = random.choice(("own", "own", "own", "host"))
        config = bundle.spec(self._base / "rootfs", f"{self._view.cgroup_parent}/{ident}",
                             args=_WITH_CHILD, pid_namespace=pids)
        if slot.hooked:
            config["hooks"] = hooks(self._program, random.choice((STAGES, *OTHER_STAGES)))
        bundle.write_bundle(self._scratch / ident, config)
        slot.named(ident)

    def create(self, slot, check=True):
        self._runtime.create(slot.ident, self._scratch / slot.ident, check=check)

    def start(self, slot):
        self._runtime.start(slot.ident)

    def stop(self, slot):
        self._runtime.kill(slot.ident)

    def delete(self, slot):
        self._runtime.delete(slot.ident, check=False)

    def knows(self, slot):
        return self._runtime.state(slot.ident, check=False) is not None

    def close(self):
        self._runtime.close()


class Tasks:
    """containerd, called by ctr."""

    has_create = False
    name = "ctr"

    def __init__(self, ctr, base, scratch, program):
        self._ctr, self._base, self._scratch, self._program = ctr, base, scratch, program

    def prepare(self, slot, random):
        ident = slot.own_id()
        config = bundle.spec(self._base / "rootfs", f"{self._ctr.view.cgroup_parent}/{ident}",
                             args=_WITH_CHILD)
        if slot.hooked:
            config["hooks"] = hooks(self._program)
        bundle.write_bundle(self._scratch / ident, config)
        slot.named(ident)

    def create(self, slot, check=True):
        self._ctr("run", "--rootfs", "--detach", "--config",
                  self._scratch / slot.ident / "config.json", slot.ident, check=check)

    def stop(self, slot):
        self._ctr("task", "kill", "--signal", "SIGKILL", slot.ident)

    def again(self, slot):
        self._ctr("task", "rm", "--force", slot.ident)
        self._ctr("task", "start", "--detach", slot.ident)

    def delete(self, slot):
        self._ctr.kill(slot.ident)

    def monitor(self, slot):
        return kernel.find("containerd-shim-runc-v2", "-id", slot.ident)


class Engine:
    """Podman or Docker: they choose the ids."""

    has_create = False

    def __init__(self, name, client, options, hooked, image, monitored):
        self.name = name
        self._client, self._options, self._hooked = client, options, hooked
        self._image, self._monitored = image, monitored
        self._numbers = count()

    def prepare(self, slot, random):
        """A container that is only configured is none to the kernel."""
        out = self._client("create", "--network", "none", "--name",
                           f"{slot.name}-{next(self._numbers)}", *self._options,
                           *(self._hooked if slot.hooked else ()),
                           *random.choice(((), (), (), ("--pid", "host"))),
                           self._image, *_WITH_CHILD)
        slot.named(out.splitlines()[-1])

    def create(self, slot, check=True):
        self._client("start", slot.ident, check=check)

    def stop(self, slot):
        self._client("kill", "--signal", "KILL", slot.ident)

    def again(self, slot):
        self._client("restart", "--time", "0", slot.ident)

    def delete(self, slot):
        self._client("rm", "--force", slot.ident, check=False)

    def monitor(self, slot):
        return kernel.find(*self._monitored, slot.ident)


# The second one's containers have no hooks; the rest is what this machine's kernel and rights allow.
_CRI = """
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{image}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      base_runtime_spec = "{base_spec}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.plain]
      runtime_type = "io.containerd.runc.v2"
"""


def configure_pods(view, scratch, program):
    """A configuration of containerd's with which it runs pods."""
    done = view.run(["ctr", "oci", "spec"], capture_output=True, check=True)
    spec = json.loads(done.stdout)
    del spec["process"]["rlimits"]
    base_spec, config = scratch / "base-spec.json", scratch / "containerd.toml"
    base_spec.write_text(json.dumps({**spec, "hooks": hooks(program)}))
    config.write_text(_CRI.format(image=POD_IMAGE, base_spec=base_spec))
    return config


class Pods:
    """containerd's CRI, as a kubelet calls it: a pod of a pause container and another one."""

    has_create = False
    name = "pods"

    def __init__(self, cri, cgroup_parent):
        self._cri, self._cgroup_parent = cri, cgroup_parent
        self._numbers = count()
        self._pods = {}  # by the container's id

    def prepare(self, slot, random):
        pod = self._cri.run_pod(f"{slot.name}-{next(self._numbers)}", "chaos",
                                cgroup_parent=self._cgroup_parent,
                                handler="runc" if slot.hooked else "plain")
        self._add(slot, pod, random.choice(("CONTAINER", "CONTAINER", "POD", "NODE")))

    def _add(self, slot, pod, pid_namespace):
        ident = self._cri.create_container(pod, slot.name, POD_IMAGE, command=_WITH_CHILD,
                                           pid_namespace=pid_namespace)
        self._pods[ident] = pod, pid_namespace
        slot.named(ident, pod.id)

    def create(self, slot, check=True):
        self._call("StartContainer", check, container_id=slot.ident)

    def stop(self, slot):
        self._call("StopContainer", container_id=slot.ident, timeout=0)

    def again(self, slot):
        """Another container in the same pod."""
        self._call("StopContainer", container_id=slot.ident, timeout=0)
        self._call("RemoveContainer", container_id=slot.ident)
        self._add(slot, *self._pods.pop(slot.ident))
        self.create(slot)

    def delete(self, slot):
        self._pods.pop(slot.ident, None)
        self._call("StopPodSandbox", False, pod_sandbox_id=slot.sandbox)
        self._call("RemovePodSandbox", False, pod_sandbox_id=slot.sandbox)

    def monitor(self, slot):
        return kernel.find("containerd-shim-runc-v2", "-id", slot.sandbox)

    def _call(self, method, check=True, **members):
        import grpc

        try:
            self._cri.call(method, **members)
        except grpc.RpcError as error:
            assert not check, f"{method}: {error.details()}"


def podman(client):
    client.hook_at(STAGES, ["kubearmor-hook"], when={"annotations": {"^chaos.hooks$": "^yes$"}})
    return Engine("podman", client, ("--cgroup-parent", client.view.cgroup_parent),
                  ("--annotation", "chaos.hooks=yes"), PODMAN_IMAGE, ("conmon", "-c"))


def docker(client):
    return Engine("docker", client, (), ("--runtime", "with-hooks"), DOCKER_IMAGE,
                  ("containerd-shim-runc-v2", "-id"))
