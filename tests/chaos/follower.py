# SPDX-License-Identifier: Apache-2.0
"""A subscriber through the client library: what it was told of each incarnation, whole."""

import json
import subprocess
import threading

from harness import HANG_S, HOOKCTL

def incarnation(container):
    return container["id"], container["pid"], container["startTime"]


class Follower:
    def __init__(self, view, scratch):
        self.lives = {}  # incarnation: its events
        self.open = {}   # id: the incarnation that is there
        self.wrong = []
        self.instances = 0
        self._errors = open(scratch / "follower.log", "wb")
        self._process = view.popen([HOOKCTL, "list", "--watch", "--output", "jsonl"],
                                   stdout=subprocess.PIPE, stderr=self._errors)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            event = json.loads(line)
            if event["type"] == "synced":
                self.instances += 1
            elif "container" in event:
                self._take(event)

    def _take(self, event):
        key, kind = incarnation(event["container"]), event["type"]
        here = self.open.get(key[0])
        if kind in ("container", "created"):
            if key in self.lives:
                self.wrong.append(("born twice", event))
            elif here:
                self.wrong.append((f"born while {here} is there", event))
            self.open[key[0]] = key
        elif here != key:
            self.wrong.append((f"of another than {here}", event))
        self.lives.setdefault(key, []).append(event)
        if kind == "removed":
            self.open.pop(key[0], None)

    def alive(self):
        return set(self.open.values())

    def close(self):
        self._process.kill()
        self._process.wait(HANG_S)
        self._thread.join(HANG_S)
        self._process.stdout.close()
        self._errors.close()
