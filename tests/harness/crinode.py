# SPDX-License-Identifier: Apache-2.0
"""A node whose pods are run by containerd, as a kubelet asks for them."""

from harness import image, k3s
from harness.cri import Cri
from harness.engines import Containerd
from harness.node import Node

IMAGE = "docker.io/library/kh-tool:4"
PAUSE = "registry.k8s.io/pause:3.6"

# What this machine's kernel and rights allow; the sandbox image is the one loaded below.
CONFIG = f"""# this node's own
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
"""


class CriNode(Node):
    runtime = "containerd"  # as set-up calls it
    state = "/run/containerd"
    pause = PAUSE

    def __init__(self, token, base, scratch):
        super().__init__("machine", token, scratch)
        self._logs = scratch / "containerd"
        self._logs.mkdir()
        self._configure()
        self.containerd = self._start()
        self.cri = Cri(self, self.state)
        self.load_image([IMAGE, self.pause], base / "rootfs")

    def _configure(self):
        self.path("/etc/containerd").mkdir(exist_ok=True)
        self.path("/etc/containerd/config.toml").write_text(CONFIG)

    def _start(self):
        return Containerd(self, self._logs)

    def load_image(self, names, rootfs, **options):
        archive = self.scratch / "image.tar"
        image.write_archive(archive, rootfs, names, **options)
        self.containerd("--namespace", "k8s.io", "images", "import", "--no-unpack", archive)

    def restart_containerd(self):
        self.containerd.close()
        self.containerd = self._start()
        self.cri.wait()

    def pod(self, name, containers=2):
        """A pod and its containers' ids by name."""
        pod = self.cri.run_pod(name, "team-a", cgroup_parent=self.cgroup_parent,
                               labels={"app": name})
        names = [f"{name}-{i}" for i in range(containers)]
        return pod, {n: self.cri.start_container(pod, n, IMAGE) for n in names}

    def close(self):
        self.cri.close()
        self.containerd.close()
        super().close()


class EmbeddedNode(CriNode):
    """One whose containerd comes with KIND, k3s or RKE2."""

    state = k3s.STATE
    pause = k3s.PAUSE

    def __init__(self, kind, *args):
        self.runtime = kind.name
        self._kind = kind
        super().__init__(*args)

    def _configure(self):
        self._embedding = self._kind(self, self._logs)

    def _start(self):
        return self._embedding.start()

    def files(self):
        return {**super().files(), **self._embedding.files()}
