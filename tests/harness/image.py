# SPDX-License-Identifier: Apache-2.0
"""An image that containerd, Docker and Podman can load without a registry."""

import hashlib
import io
import json
import tarfile

_CONFIG = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sleep", "infinity"],
                                                              "Env": ["PATH=/bin"]}}


def _add(archive, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def write_archive(path, rootfs, names, directories=("bin", "tmp", "etc")):
    """A docker-archive at PATH, of one layer, DIRECTORIES of ROOTFS, that has all of NAMES."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as files:
        for directory in directories:
            files.add(rootfs / directory, directory)
    layer = layer.getvalue()
    config = json.dumps({**_CONFIG, "rootfs": {"type": "layers", "diff_ids": [
        "sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    with tarfile.open(path, "w") as archive:
        _add(archive, "layer.tar", layer)
        _add(archive, config_name, config)
        _add(archive, "manifest.json", json.dumps([
            {"Config": config_name, "RepoTags": list(names), "Layers": ["layer.tar"]}]).encode())
