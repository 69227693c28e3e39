# SPDX-License-Identifier: Apache-2.0
"""The hook called by the test itself, with a state of the test's own making."""

import json
import subprocess

from harness import HANG_S


def state(ident, bundle, pid, status="creating", annotations=None):
    """What runc 1.1 writes to a hook."""
    document = {"ociVersion": "1.0.2-dev", "id": ident, "status": status}
    if pid is not None:
        document["pid"] = pid
    document["bundle"] = str(bundle)
    if annotations:
        document["annotations"] = annotations
    return document


def as_runc(document):
    """Compact, with Go's escapes of what HTML might take amiss."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def as_crun_1_28(document):
    """Pretty-printed, with each slash escaped."""
    return json.dumps(document, indent=2, ensure_ascii=False).replace("/", "\\/").encode()


def run(view, program, text, *options):
    return view.run([program, *options], input=text, stdin=None, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, timeout=HANG_S)
