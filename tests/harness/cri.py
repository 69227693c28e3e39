# SPDX-License-Identifier: Apache-2.0
"""A client of the Container Runtime Interface, as the kubelet is one, to a containerd in a view."""

import importlib
import json
import subprocess
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

from harness import BUILD, HANG_S, observe, until

_PROTO = Path(__file__).with_suffix(".proto")


def make_messages(build):
    """Makes the module of messages from cri.proto, in a folder of the build folder's."""
    made = build / "cri"
    module = made / "cri_pb2.py"
    if not module.exists() or module.stat().st_mtime < _PROTO.stat().st_mtime:
        made.mkdir(exist_ok=True)
        subprocess.run(["/usr/bin/python3", "-m", "grpc_tools.protoc",
                        f"--proto_path={_PROTO.parent}", f"--python_out={made}", _PROTO.name],
                       check=True, timeout=HANG_S)
    return made


def _messages():
    made = str(make_messages(BUILD))
    sys.path.insert(0, made)
    try:
        return importlib.import_module("cri_pb2")
    finally:
        sys.path.remove(made)


class Cri:
    """Calls by their names: cri.call("StopContainer", container_id=...). STATE is the directory
    of containerd's state, and of its socket."""

    def __init__(self, view, state="/run/containerd"):
        self._view = view
        self._state = state
        self._messages = _messages()
        self._pods = []
        self.wait()

    def call(self, method, **members):
        """On a connection of its own: the daemon may have been restarted since the last one."""
        import grpc

        request = getattr(self._messages, method + "Request")
        response = getattr(self._messages, method + "Response")
        socket = self._view.path(self._state + "/containerd.sock")
        with grpc.insecure_channel(f"unix://{socket}",
                                   [("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = channel.unary_unary(f"/runtime.v1.RuntimeService/{method}",
                                       request_serializer=request.SerializeToString,
                                       response_deserializer=response.FromString)
            return call(request(**members), timeout=HANG_S, wait_for_ready=True)

    def _answers(self):
        import grpc

        try:
            return self.call("ListContainers")
        except grpc.RpcError:  # the daemon is there before it has read what it knows
            return None

    def wait(self):
        """Until the daemon answers, after its start."""
        until(self._answers, "containerd's CRI answers")

    def run_pod(self, name, namespace, *, labels=None, cgroup_parent="", handler=""):
        """A pod without a network of its own: nothing is needed from CNI."""
        uid = str(uuid.uuid4())
        config = {"metadata": {"name": name, "uid": uid, "namespace": namespace},
                  "log_directory": "/tmp", "labels": labels or {},
                  "linux": {"cgroup_parent": cgroup_parent, "security_context": {
                      "namespace_options": {"network": "NODE"}}}}
        answer = self.call("RunPodSandbox", config=config, runtime_handler=handler)
        pod = SimpleNamespace(id=answer.pod_sandbox_id, config=config, name=name,
                              namespace=namespace, uid=uid)
        self._pods.append(pod)
        return pod

    def create_container(self, pod, name, image, *, command=("sleep", "600"), mounts=(),
                         pid_namespace="CONTAINER", **security):
        """Its id; no runtime knows of it before its start. SECURITY is more of its security
        context."""
        config = {"metadata": {"name": name}, "image": {"image": image},
                  "command": list(command), "mounts": list(mounts),
                  "linux": {"security_context": {"namespace_options": {
                      "network": "NODE", "pid": pid_namespace}, **security}}}
        return self.call("CreateContainer", pod_sandbox_id=pod.id, config=config,
                         sandbox_config=pod.config).container_id

    def start_container(self, *words, **options):
        """One that is created, and runs."""
        ident = self.create_container(*words, **options)
        self.call("StartContainer", container_id=ident)
        return ident

    def remove_container(self, ident):
        self.call("StopContainer", container_id=ident, timeout=0)
        self.call("RemoveContainer", container_id=ident)

    def remove_pod(self, pod):
        """With all that is in it."""
        self.call("StopPodSandbox", pod_sandbox_id=pod.id)
        self.call("RemovePodSandbox", pod_sandbox_id=pod.id)
        self._pods.remove(pod)

    def running(self):
        return {c.id for c in self.call("ListContainers").containers
                if c.state == self._messages.CONTAINER_RUNNING}

    def bundle(self, ident):
        return f"{self._state}/io.containerd.runtime.v2.task/k8s.io/{ident}"

    def pid(self, ident):
        return int(self._view.path(self.bundle(ident) + "/init.pid").read_text())

    def identity(self, pod, name, ident, image):
        """What containerd alone knows of a container that start_container() gave."""
        return {"rootfs": self.bundle(ident) + "/rootfs", "name": name, "image": image,
                "type": "container", "pod": {"name": pod.name, "namespace": pod.namespace,
                                             "uid": pod.uid, "sandboxId": pod.id}}

    def seen(self, pod, name, ident, image):
        """Everything that is true of it."""
        bundle = self.bundle(ident)
        config = json.loads(self._view.path(bundle + "/config.json").read_text())
        return {**observe.container(self._view, "runc", ident, "createRuntime", bundle, config,
                                    self.pid(ident)),
                **self.identity(pod, name, ident, image)}

    def close(self):
        for pod in list(self._pods):
            self.remove_pod(pod)
