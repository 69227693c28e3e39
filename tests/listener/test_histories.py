# SPDX-License-Identifier: Apache-2.0
"""Random histories of real processes, told to the real listener, against a simple model.

The model is a set of incarnations. Whatever is told, twice, late, out of order or not at all, and
however often the listener is killed: each incarnation has one birth and one death, and once nothing
changes any more the listener knows those that live."""

import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from harness import until
from listener.support import Listener, Processes, create, delete

IDS = st.sampled_from(["a", "b", "c"])
RUNTIMES = ("runc", "/r"), ("crun", "/c")


class Life:
    """One incarnation."""

    def __init__(self, ident, process, runtime, told):
        self.ident, self.process, self.runtime, self.told = ident, process, runtime, told
        self.started = False

    @property
    def key(self):
        return self.ident, self.process.pid, self.process.start_time

    def request(self, **more):
        name, bundle = self.runtime
        return create(self.ident, self.process, runtime=name, bundle=bundle, **more)

    def end(self):
        name, bundle = self.runtime
        return delete(self.ident, runtime=name, bundle=bundle)


def key_of(container):
    return container["id"], container["pid"], container["startTime"]


class Stream:
    """What one client of the events socket gets to know over restarts, as a library would."""

    def __init__(self, listener):
        self.listener = listener
        self.births, self.deaths, self.alive = Counter(), Counter(), {}
        self._subscriber, self._read = None, 0
        self.reconnect()

    def reconnect(self):
        if self._subscriber:
            self.drain()
            self._subscriber.close()
        self._subscriber, self._read = self.listener.subscribe(), 0
        snapshot = {}
        lines = self._subscriber.lines
        for self._read, message in enumerate(lines, 1):
            if message["type"] == "synced":
                break
            snapshot[key_of(message["container"])] = message["container"]
        for key in set(self.alive) - set(snapshot):
            self._die(key)
        for key in set(snapshot) - set(self.alive):
            self._live(key, snapshot[key])

    def _live(self, key, container):
        assert key not in self.alive and not self.births[key], f"{key} is born twice"
        for other in self.alive.values():
            for number in ("pid",), ("namespaces", "mnt"):
                one, two = container, other
                for member in number:
                    one, two = one[member], two[member]
                assert one != two, f"{key} has a number of {key_of(other)}, which is still there"
        self.births[key] += 1
        self.alive[key] = container

    def _die(self, key):
        assert key in self.alive, f"{key} dies without a life"
        self.deaths[key] += 1
        del self.alive[key]

    def drain(self):
        """Takes in what has come; the order within is what _live() and _die() check."""
        assert not self._subscriber.failures, self._subscriber.failures
        for message in self._subscriber.lines[self._read:]:
            self._read += 1
            key = key_of(message["container"]) if "container" in message else None
            if message["type"] == "created":
                self._live(key, message["container"])
            elif message["type"] == "updated":
                assert key in self.alive
                self.alive[key] = message["container"]
            elif message["type"] == "removed":
                self._die(key)
        return set(self.alive)

    def close(self):
        self._subscriber.close()


class Histories(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="kubearmor-hookd-"))
        self.processes = Processes()
        self.listener = Listener(self.directory).start()
        self.stream = Stream(self.listener)
        self.lives, self.spooled = [], 0
        self.owed = set()  # (id, runtime) of lives that ended without a delete, as the listener knows

    def teardown(self):
        try:
            self.converge()
            for life in self.lives:
                life.process.die()
            self.converge()
            births = Counter({life.key: 1 for life in self.lives if life.told})
            missed = births - self.stream.births
            assert self.stream.births <= births and self.stream.births == self.stream.deaths
            assert not missed - Counter({life.key: 1 for life in self.lives if life.told == "late"})
        finally:
            self.stream.close()
            self.listener.stop()
            for one in self.lives:
                one.process.close()
            shutil.rmtree(self.directory)

    def alive(self):
        return {life.key for life in self.lives if life.told and life.process.alive}

    def converge(self):
        until(lambda: self.stream.drain() == self.alive() and not self.waiting(),
              "the stream tells of those that live")
        assert {key_of(c) for c in self.listener.containers()} == self.alive()

    def waiting(self):
        return self.listener.spool.exists() and any(self.listener.spool.iterdir())

    def tell(self, request, fds=()):
        assert self.listener.tell(request, fds) == b"ok"

    def there(self, ident, runtime):
        """The runtime knows this container still: it would not make another of the id."""
        return any(life.ident == ident and life.runtime == runtime and life.process.alive
                   for life in self.lives)

    @rule(ident=IDS, runtime=st.sampled_from(RUNTIMES), pidfd=st.booleans(), own=st.booleans())
    def a_container_is_created(self, ident, runtime, pidfd, own):
        if self.there(ident, runtime):
            return
        process = self.processes.make(own_pid_ns=own)
        life = Life(ident, process, runtime, "live")
        self.lives.append(life)
        # A pid namespace that is the host's, said or not: its init is all there is of it.
        request = life.request(**({} if own else {"cgroup": {"path": "/kubearmor-no-such-group"},
                                                  "hostNamespaces": ["pid"]}))
        self.tell(request, [process.pidfd] if pidfd else [])
        until(lambda: life.key in self.stream.drain(), "its birth")

    @rule(ident=IDS, runtime=st.sampled_from(RUNTIMES))
    def a_hook_finds_no_listener(self, ident, runtime):
        if self.there(ident, runtime):
            return
        life = Life(ident, self.processes.make(), runtime, "late")
        self.lives.append(life)
        self.spool(life.request())

    @precondition(lambda self: self.lives)
    @rule(data=st.data(), pidfd=st.booleans())
    def a_create_is_told_again(self, data, pidfd):
        life = data.draw(st.sampled_from(self.lives))
        if life.told == "late" and self.waiting():
            return
        self.tell(life.request(name="again"), [life.process.pidfd] if pidfd else [])

    @precondition(lambda self: self.lives)
    @rule(data=st.data())
    def it_starts(self, data):
        life = data.draw(st.sampled_from(self.lives))
        if life.process.alive and not life.started:
            life.process.start()
            life.started = True

    @precondition(lambda self: self.lives)
    @rule(data=st.data(), told=st.booleans())
    def it_dies(self, data, told):
        life = data.draw(st.sampled_from(self.lives))
        was_alive = life.process.alive
        if was_alive and life.told == "live" and not told:
            self.owed.add((life.ident, life.runtime))
        life.process.die()
        if told and was_alive:
            self.tell(life.end())
        elif told:
            self.a_delete_comes(life.ident, life.runtime)

    @rule(ident=IDS, runtime=st.sampled_from([*RUNTIMES, None]))
    def a_delete_comes_late_or_for_nobody(self, ident, runtime):
        self.a_delete_comes(ident, runtime)

    def a_delete_comes(self, ident, runtime):
        # One that says nothing else means the only container of that id, so it ends that one's life.
        lives = any(life.ident == ident and life.process.alive for life in self.lives)
        if lives and (ident, runtime) not in self.owed:
            return
        self.settle(ident, runtime)
        more = {"runtime": runtime[0], "bundle": runtime[1]} if runtime else {}
        self.tell(delete(ident, **more))

    @rule(ident=IDS)
    def a_delete_is_spooled(self, ident):
        self.settle(ident)
        self.spool(delete(ident))

    @rule()
    def the_listener_is_killed(self):
        self.stream.drain()
        self.owed.clear()
        self.listener.restart()
        self.stream.reconnect()

    @rule(data=st.data())
    def it_is_down_while_others_die(self, data):
        self.stream.drain()
        self.owed.clear()
        self.listener.stop()
        if self.lives:
            data.draw(st.sampled_from(self.lives)).process.die()
        self.listener.start()
        self.stream.reconnect()

    @rule()
    def it_settles(self):
        self.converge()

    def settle(self, ident, runtime=None):
        """A delete is for a life that ended, if one had none yet; without a runtime for any."""
        self.owed = {owed for owed in self.owed
                     if owed[0] != ident or (runtime and owed[1] != runtime)}

    def spool(self, request):
        self.spooled += 1
        temporary = self.listener.spool / "temporary"
        temporary.write_text(json.dumps(request))
        temporary.rename(self.listener.spool / f"{self.spooled}-1-0")


def test_histories():
    run_state_machine_as_test(Histories, settings=settings(
        max_examples=25, stateful_step_count=25, deadline=None, database=None,
        suppress_health_check=list(HealthCheck)))
