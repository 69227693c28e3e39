# SPDX-License-Identifier: Apache-2.0
"""The root of another host below a directory, as a container has its host mounted: with this
machine's programs, and all else of its own."""

import subprocess


class Tree:
    def __init__(self, node, directory):
        self.node = node
        self.directory = directory
        for place in ("usr", "proc", "etc", "run", "var/lib", "opt"):
            (directory / place).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (directory / name).symlink_to("usr/" + name)
        script = ("set -e; mount --bind /usr usr; mount --bind /proc proc;"
                  "for place in usr/local usr/share/containers; do mount -t tmpfs tmpfs $place; done")
        done = node.run(["env", "-C", directory, "sh", "-c", script], stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr.decode()

    def path(self, path):
        """Of a file in it, as the test sees it."""
        return self.node.path(self.directory / path.lstrip("/"))

    def write(self, path, text):
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text)

    def program(self, path, target="/bin/true"):
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).symlink_to(target)

    def hookctl(self, command, *words, **kwargs):
        call = self.node.install if command == "install" else \
            lambda *words, **kwargs: self.node.hookctl(command, *words, **kwargs)
        return call("--host-root", self.directory, *words, **kwargs)

    def files(self):
        """Every file outside of /usr and /proc, but for set-up's lock."""
        found = {}
        for place in ("etc", "opt", "var", "usr/local", "usr/share/containers", "snap"):
            for path in sorted(self.path(place).rglob("*")):
                name = str(path.relative_to(self.path("/")))
                found[name] = path.read_bytes() if path.is_file() else path.is_dir()
        return found

    def close(self):
        self.node.run(["umount", "-R", self.directory / "usr", self.directory / "proc"])
