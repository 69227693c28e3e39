# SPDX-License-Identifier: Apache-2.0
"""What is true of a container, found out without the product: from the container's own /proc
entries, the cgroup's directory, and the config.json that the test wrote.

The result has the shape of docs/protocol.md, "The container object".
"""

import os

from harness.bundle import ALL_CAPABILITIES

NAMESPACES = ("pid", "mnt", "net", "ipc", "uts", "user", "cgroup", "time")
_SPEC_NAME = {"mnt": "mount", "net": "network"}


def start_time(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[19])  # field 22


def namespaces(pid):
    return {name: os.stat(f"/proc/{pid}/ns/{name}").st_ino for name in NAMESPACES}


def host_namespaces(view):
    """Those of whoever calls the runtime."""
    return {**namespaces(os.getpid()), "mnt": view.mount_namespace}


def cgroup(view, pid):
    """Path and id in the unified hierarchy; nothing where the view has none."""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
        unified = [line[3:].rstrip("\n") for line in file if line.startswith("0::")]
    if not unified or view.v2_mount is None:
        return {}
    directory = view.v2_mount / unified[0].lstrip("/")
    return {"path": unified[0], "id": os.stat(directory).st_ino}


def from_spec(config):
    """The facts that the spec alone decides."""
    process, linux = config["process"], config["linux"]
    capabilities = process.get("capabilities", {}).get("bounding", [])
    facts = {
        "rootfs": config["root"]["path"],
        "process": {"command": process["args"][0], "uid": process["user"]["uid"],
                    "gid": process["user"]["gid"]},
        "privileged": set(ALL_CAPABILITIES) <= set(capabilities) and
            not linux.get("maskedPaths") and not linux.get("readonlyPaths"),
        "seccomp": "seccomp" in linux,
        "apparmorProfile": process.get("apparmorProfile"),
        "selinuxLabel": process.get("selinuxLabel"),
        "annotations": config.get("annotations") or None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def container(view, runtime, ident, stage, bundle, config, pid):
    """Everything about the container with init PID."""
    own, host = namespaces(pid), host_namespaces(view)
    by_path = {n["type"] for n in config["linux"]["namespaces"] if "path" in n}
    at_host = sorted(n for n in NAMESPACES if own[n] == host[n])
    joined = sorted(n for n in NAMESPACES
                    if _SPEC_NAME.get(n, n) in by_path and n not in at_host)
    facts = {
        "id": ident, "runtime": runtime, "stage": stage, "bundle": str(bundle), "pid": pid,
        "startTime": start_time(pid), "namespaces": own,
        "cgroup": {**cgroup(view, pid), "specPath": config["linux"]["cgroupsPath"]},
        **from_spec(config),
    }
    if at_host:
        facts["hostNamespaces"] = at_host
    if joined:
        facts["joinedNamespaces"] = joined
    return facts


def as_told(facts, with_stage):
    """Without --stage, the two stages that a runtime runs at one moment are one to the hook."""
    if not with_stage and facts["stage"] == "prestart":
        return {**facts, "stage": "createRuntime"}
    return facts


def same(reported, expected, may_lack=()):
    """Asserts that REPORTED is EXPECTED, member by member, and says all that differs.

    A member named in MAY_LACK ("cgroup.path") may be absent, but never wrong.
    """
    wrong = []
    left, right = dict(flat(reported)), dict(flat(expected))
    for name in sorted({*left, *right}):
        if name not in left:
            if not any(name == m or name.startswith(m + ".") for m in may_lack):
                wrong.append(f"{name}: absent, is {right[name]!r}")
        elif name not in right:
            wrong.append(f"{name}: {left[name]!r} reported, is nothing")
        elif left[name] != right[name]:
            wrong.append(f"{name}: {left[name]!r} reported, is {right[name]!r}")
    assert not wrong, "reported and observed differ:\n  " + "\n  ".join(wrong)


def flat(value, prefix=""):
    """(dotted name, scalar) of a nested object; lists are sets here, so they are sorted."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from flat(member, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list):
        yield prefix, sorted(value)
    else:
        yield prefix, value
