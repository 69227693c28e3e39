# SPDX-License-Identifier: Apache-2.0
"""A node to set up: a view in which /etc, /opt, /usr/local and /usr/share/containers can be written
to as well, and what set-up may leave or not leave there is listed."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from harness import HANG_S, HOOK, HOOKCTL, WRAPPER
from harness.view import View

_WRITABLE = ("/etc", "/opt", "/usr/local", "/usr/share/containers")
_LISTED = (*_WRITABLE, "/var/lib/kubearmor")

# Where set-up edits files of others; elsewhere it makes its own only, and there is much to be read.
_COMPARED = ("/etc", "/usr/share/containers")

_OVERLAY = """
set -e
mkdir /run/overlay
mount -t tmpfs tmpfs /run/overlay
for place in "$@"; do
        name=/run/overlay/$(echo "$place" | tr / _)
        mkdir "$name" "$name/upper" "$name/work"
        mount -t overlay -o "lowerdir=$place,upperdir=$name/upper,workdir=$name/work" overlay "$place"
done
"""


class SetUp:
    """What set-up does to a machine, whose programs are in self.sources."""

    def hookctl(self, *words, check=True, env=()):
        """Exit code, standard output and standard error."""
        done = self.run(["env", *env, HOOKCTL, *words], stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, timeout=HANG_S)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert not check or done.returncode == 0, out + err
        return done.returncode, out, err

    def install(self, *words, **kwargs):
        return self.hookctl("install", "--source-dir", self.sources, *words, **kwargs)

    def states(self, **kwargs):
        """What detect says of each runtime."""
        _, out, _ = self.hookctl("detect", "-o", "json", **kwargs)
        return {r["runtime"]: r["state"] for r in json.loads(out)}

    def files(self):
        """Every file, with what is in it, and every directory of the node's that set-up may touch."""
        listed = {}
        for place in _LISTED:
            for directory, _, files in os.walk(self.path(place)):
                listed[directory] = "directory"
                for name in files:
                    path = Path(directory, name)
                    content = None
                    if place in _COMPARED and not path.is_symlink():
                        content = hashlib.sha256(path.read_bytes()).hexdigest()
                    listed[str(path)] = path.lstat().st_mode, content
        return {str(path).removeprefix(str(self.root)): what for path, what in listed.items()}


class Node(SetUp, View):
    def __init__(self, layout, token, scratch):
        super().__init__(layout, token)
        self.scratch = scratch
        self.sources = scratch / "programs"
        self.sources.mkdir()
        for program in (HOOK, WRAPPER):
            (self.sources / program.name).write_bytes(program.read_bytes())
            (self.sources / program.name).chmod(0o755)
        done = self.run(["sh", "-c", _OVERLAY, "overlay", *_WRITABLE], stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr.decode()

    def place_wrapper(self):
        """Where the wrapper is, as somebody puts it there who does without set-up."""
        wrapper = Path("/usr/local/lib/wrapper", WRAPPER.name)
        self.path(wrapper.parent).mkdir()
        shutil.copy(WRAPPER, self.path(wrapper))
        hook = {"path": str(self.sources / HOOK.name), "args": [HOOK.name], "timeout": 3}
        self.path(f"{wrapper}.json").write_text(json.dumps(
            {"runtime": shutil.which("runc"),
             "hooks": {"createRuntime": [hook], "poststop": [hook]}}))
        return wrapper
