# SPDX-License-Identifier: Apache-2.0
"""The table that bench/run prints."""

import os
import platform
from dataclasses import dataclass


@dataclass
class Row:
    name: str
    value: str
    floor: str = ""
    ratio: float = None
    goal: object = None  # a number bounds the ratio; a text is one, with MET beside it
    met: bool = None
    note: str = ""

    def cells(self):
        met, goal = self.met, self.goal or ""
        if isinstance(self.goal, float):
            met, goal = self.ratio <= self.goal, f"{self.goal:.2f} x"
        return (self.name, self.value, self.floor,
                "" if self.ratio is None else f"{self.ratio:.2f} x", goal,
                "" if met is None else "met" if met else "NOT MET", self.note)


def print_machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":")[1].strip() for line in info
                      if line.startswith("model name")), platform.machine())
    with open("/proc/loadavg") as load:
        average = load.read().split()[0]
    print(f"{model}, {len(os.sched_getaffinity(0))} CPUs, Linux {platform.release()}, "
          f"load {average}\n", flush=True)


def print_table(rows):
    head = "what", "value", "beside", "ratio", "goal", "", ""
    cells = [head, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
