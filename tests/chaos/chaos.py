# SPDX-License-Identifier: Apache-2.0
"""Rounds in which containers and the listener are treated badly, and what must be true after each.

A seed gives the same steps again, though not the same moments.
"""

import os
import signal
import threading
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from random import Random

from chaos import kernel
from chaos.drivers import ABSENT, CREATED, OVER, RUNNING
from chaos.follower import incarnation
from harness import observe, until

ROUND_S = 6
# How long an engine may take to notice that its runtime was killed.
GIVE_UP_S = 2

# More than the listener takes to look at everything should nothing tell it of a change.
CONVERGE_S = 40

# What may be done to a container in a state, and how often.
STEPS = {
    ABSENT: {"make": 7, "make_and_kill_runtime": 3},
    CREATED: {"start": 6, "kill_init": 2, "delete": 2},
    RUNNING: {"leave": 3, "kill_init": 3, "stop": 2, "delete": 2, "again": 3, "kill_monitor": 1,
              "kill_sandbox": 1},
    OVER: {"delete": 6, "again": 2},
}

Birth = namedtuple("Birth", "slot begun seen hooked disturbed")


class Chaos:
    def __init__(self, seed, view, daemon, follower, slots, threads):
        self.seed, self.view, self.daemon = seed, view, daemon
        self.follower = follower
        self.kernel = kernel.Kernel(view)
        self._slots, self._threads = slots, threads
        self.births = {}     # by incarnation
        self._killed_at = [] # (begin, end) of the times in which nobody listened or followed
        self._history = []
        self.converged_s = []

    # What is done.

    def round(self, number):
        end = time.monotonic() + ROUND_S
        workers = [self._slots[i::self._threads] for i in range(self._threads)]
        with ThreadPoolExecutor(self._threads + 1) as pool:
            jobs = [pool.submit(self._work, slots, Random(f"{self.seed}/{number}/{i}"), end)
                    for i, slots in enumerate(workers)]
            jobs.append(pool.submit(self._disturb, Random(f"{self.seed}/{number}/listener"), end))
            for job in jobs:
                job.result()

    def _work(self, slots, random, end):
        while time.monotonic() < end:
            slot = random.choice(slots)
            lacking = {"kill_monitor": not slot.driver.monitor, "kill_sandbox": not slot.sandbox}
            steps = {step: weight for step, weight in STEPS[slot.state].items()
                     if not lacking.get(step)}
            [step] = random.choices(list(steps), steps.values())
            self._note(slot.name, step, slot.ident)
            try:
                getattr(self, "_" + step)(slot, random)
            except AssertionError as error:
                raise AssertionError(f"{step} of {slot.name} ({slot.ident}): {error}\n"
                                     + self.story(slot.ids)) from error
            time.sleep(random.choice((0, 0, 0.01, 0.1)))

    def _disturb(self, random, end):
        while time.monotonic() < end:
            time.sleep(random.uniform(0.1, 1.5))
            if random.random() < 0.2:
                self._stall(random.choice((0.05, 1.3)))
            else:
                self._restart(random.choice((0, 0.05, 0.5)))

    def _stall(self, seconds):
        """A listener that hangs: for some time, or for longer than a hook waits."""
        self._note("listener", f"stalls for {seconds} s")
        begin = time.monotonic()
        self.daemon.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.daemon.send_signal(signal.SIGCONT)
        self._killed_at.append((begin, time.monotonic()))

    def _restart(self, seconds):
        self._note("listener", f"killed, back in {seconds} s")
        begin, before = time.monotonic(), self.follower.instances
        self.daemon.stop(signal.SIGKILL)
        time.sleep(seconds)
        self.daemon.start()
        until(lambda: self.follower.instances > before, "the follower is back")
        self._killed_at.append((begin, time.monotonic()))
        self._note("listener", "is back")

    def _leave(self, slot, random):
        pass

    def _make(self, slot, random):
        slot.driver.prepare(slot, random)
        begun = time.monotonic()
        slot.driver.create(slot)
        slot.state = CREATED if slot.driver.has_create else RUNNING
        self._book(slot, begun)

    def _make_and_kill_runtime(self, slot, random):
        slot.driver.prepare(slot, random)
        begun = time.monotonic()
        slot.state = OVER
        maker = threading.Thread(target=slot.driver.create, args=(slot, False))
        maker.start()
        while maker.is_alive():
            runtimes = list(kernel.find("create", slot.ident))
            if runtimes:
                time.sleep(random.uniform(0, 0.04))
                _kill(*runtimes)
                break
        maker.join(GIVE_UP_S)
        if maker.is_alive():  # Podman 4.3 waits for ever
            _kill(*kernel.find("start", slot.ident), *slot.driver.monitor(slot))
            maker.join()
        slot.spoilt += 1
        if slot.driver.has_create and not slot.hooked and not slot.driver.knows(slot):
            # An init that its runtime has no record of waits for ever, and nobody was told of it.
            _kill(*(p.pid for p in self.kernel.containers().get(slot.ident, ())))
        self._book(slot, begun, disturbed=True)

    def _start(self, slot, random):
        slot.driver.start(slot)
        slot.state = RUNNING

    def _kill_init(self, slot, random):
        self._kill_first(slot.ident)
        slot.state = OVER

    def _kill_sandbox(self, slot, random):
        """Its pod is not to be used again, whether the container lives on or not."""
        self._kill_first(slot.sandbox)
        slot.state = OVER

    def _kill_first(self, ident):
        init = self.kernel.init(ident)
        if init:
            _kill(init.pid)

    def _stop(self, slot, random):
        slot.driver.stop(slot)
        slot.state = OVER

    def _delete(self, slot, random):
        slot.driver.delete(slot)
        slot.state = ABSENT

    def _again(self, slot, random):
        """The same id, at once."""
        if slot.driver.has_create or slot.state == OVER:
            slot.driver.delete(slot)
            self._make(slot, random)
            return
        begun = time.monotonic()
        slot.driver.again(slot)
        self._book(slot, begun)

    def _kill_monitor(self, slot, random):
        _kill(*slot.driver.monitor(slot))
        slot.state = OVER
        slot.spoilt += 1

    def _book(self, slot, begun, disturbed=False):
        self._book_one(slot, slot.ident, begun, slot.hooked, disturbed)
        if slot.sandbox:
            self._book_one(slot, slot.sandbox, begun, False, disturbed)

    def _book_one(self, slot, ident, begun, hooked, disturbed):
        init = self.kernel.init(ident)
        assert init or disturbed, "its engine says that it runs, and there is no process"
        if init:
            self.births[ident, init.pid, init.start] = Birth(
                slot, begun, time.monotonic(), hooked, disturbed)
            self._note(slot.name, "is there", ident, init.pid, init.start)

    def _note(self, *words):
        self._history.append((time.time(), " ".join(map(str, words))))

    # What must be true.

    def settle(self):
        """Once nothing changes any more, all are of one mind."""
        differs = []

        def agree():
            differs[:] = self._differences()
            return not differs
        begin = time.monotonic()
        try:
            until(agree, "agreement", CONVERGE_S)
        except AssertionError:
            raise AssertionError(
                "\n".join(differs) + "\n" + self.story(d.split(":")[0] for d in differs)) from None
        self.converged_s.append(time.monotonic() - begin)
        self._check_lives()

    def _differences(self):
        true = self.kernel.containers()
        listed = {c["id"]: c for c in self.daemon.ask(request="list")}
        followed = {key[0]: key for key in self.follower.alive()}
        for ident in sorted({*true, *listed, *followed}):
            processes, told = true.get(ident), listed.get(ident)
            if not told and ident not in followed and self._is_left_over(ident, processes):
                continue
            if not processes or not told or ident not in followed:
                yield (f"{ident}: processes {processes}, in the inventory {bool(told)}, "
                       f"by the follower {ident in followed}")
            elif incarnation(told) != followed[ident]:
                yield f"{ident}: inventory {incarnation(told)}, follower {followed[ident]}"
            elif kernel.first(processes).alone:
                yield from self._wrong_facts(ident, kernel.first(processes), told)
        for slot in self._slots:
            state = listed.get(slot.ident, {}).get("state")
            if slot.state in (CREATED, RUNNING) and state != slot.state:
                yield f"{slot.ident}: {slot.state}, and told to be {state}"

    def _is_left_over(self, ident, processes):
        """Its init had died before anybody could be told of it."""
        return not any(p.alone or (ident, p.pid, p.start) in self.births for p in processes)

    def _wrong_facts(self, ident, init, told):
        if incarnation(told) != (ident, init.pid, init.start):
            yield f"{ident}: {init}, and told to be {incarnation(told)}"
            return
        try:
            namespaces = observe.namespaces(init.pid)
        except OSError:
            yield f"{ident}: {init} has died"
            return
        if told["namespaces"] != namespaces:
            yield f"{ident}: namespaces {namespaces}, and told to be {told['namespaces']}"

    def _check_lives(self):
        follower, wrong = self.follower, []
        wrong += [f"{event['container']['id']}: {what}" for what, event in follower.wrong]
        alive = follower.alive()
        for key, birth in self.births.items():
            events = follower.lives.get(key, [])
            if not events and (key in alive or self._must_be_told(birth)):
                wrong.append(f"{key[0]}: {key} was never told of")
            if events and birth.hooked and not birth.disturbed and \
                    events[0]["container"]["source"] == "discovery":
                wrong.append(f"{key[0]}: {key} has a hook, and was discovered")
        disturbed = {key[0] for key, birth in self.births.items() if birth.disturbed} | {
            i for s in self._slots if s.spoilt for i in s.ids}
        for key, events in follower.lives.items():
            kinds = [e["type"] for e in events if e["type"] != "updated"]
            if kinds not in (["created"], ["created", "removed"]) or \
                    (key in alive) != (kinds == ["created"]):
                wrong.append(f"{key[0]}: {key} was told of as {[e['type'] for e in events]}")
            if key not in self.births and key[0] not in disturbed:
                wrong.append(f"{key[0]}: {key} was never there")
        assert not wrong, "\n".join(wrong) + "\n" + self.story(w.split(":")[0] for w in wrong)

    def _must_be_told(self, birth):
        """Its hook ran while somebody listened and somebody followed."""
        return birth.hooked and not birth.disturbed and not any(
            begin <= birth.seen and birth.begun <= end for begin, end in self._killed_at)

    def end(self):
        """Nothing runs any more."""
        for slot in self._slots:
            if slot.ident:
                slot.driver.delete(slot)
                slot.state = ABSENT

        def empty():
            """Engines have lost sight of some."""
            left = self.kernel.containers()
            _kill(*(p.pid for processes in left.values() for p in processes))
            return not left
        until(empty, "nothing runs")

    def story(self, idents):
        """All that is known of these containers."""
        idents = set(idents)
        lines = list(self._history)
        for events in self.follower.lives.values():
            for event in filter(lambda e: e["container"]["id"] in idents, events):
                c = event["container"]
                lines.append((_seconds(event["time"]), "  told: {} {} {} {} {} {} {} {}".format(
                    event["type"], c["id"], c["pid"], c["startTime"], c.get("state"),
                    event["source"], event.get("reason"), "derived" if event.get("derived") else "")))
        lines += [(_seconds(text.split()[0]), "  log: " + text) for text in
                  self.daemon.log().splitlines() if any(i in text for i in idents)]
        return f"seed {self.seed}\n" + "\n".join(
            f"{when:.3f} {text}" for when, text in sorted(lines)
            if text.startswith(("  ", "listener")) or any(i in text for i in idents))


def _seconds(text):
    from datetime import datetime

    try:
        return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp()
    except ValueError:
        return 0


def _kill(*pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
