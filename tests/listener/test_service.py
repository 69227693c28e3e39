# SPDX-License-Identifier: Apache-2.0
"""The listener as a service: start, restart, stop, its files, its metrics, what it gives up."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from harness import HANG_S, HOOKD, until
from listener.support import Listener, answer, create, delete, send, subscribed


def fails(listener, *more, **options):
    """Standard error of a start that fails, one line."""
    done = subprocess.run([str(word) for word in (*listener.command(), *more)], text=True,
                          stderr=subprocess.PIPE, timeout=HANG_S, check=False, **options)
    lines = done.stderr.strip().splitlines()
    assert done.returncode in (1, 2) and len(lines) == 1, done
    return done.returncode, lines[0]


# --- options

def test_an_unknown_option_is_an_error(tmp_path):
    code, line = fails(Listener(tmp_path), "--no-such-thing")
    assert code == 2 and "--no-such-thing" in line and "--help" in line


@pytest.mark.parametrize("options", [
    ["--socket"], ["--allow-uid", "root"], ["--socket-mode", "rw"], ["--ready-fd", "-1"], ["extra"],
    ["--socket", ""], ["--events", ""], ["--socket", "/same", "--events", "/same"],
])
def test_a_wrong_value_is_an_error(tmp_path, options):
    assert fails(Listener(tmp_path), *options)[0] == 2


def test_help_and_version():
    for option in "--help", "--version":
        done = subprocess.run([HOOKD, option], stdout=subprocess.PIPE, text=True, check=True)
        assert "kubearmor-hookd" in done.stdout


# --- bad environments

def test_a_second_listener_is_refused(listener):
    code, line = fails(listener)
    assert code == 1 and "another listener" in line and str(listener.hook) in line
    assert listener.tell(create("a")) == b"ok"


def test_anothers_socket_is_not_taken(tmp_path):
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "run/ka.sock"))
        other.listen()
        assert "KubeArmor" in fails(Listener(tmp_path))[1]
        assert (tmp_path / "run/ka.sock").exists()


def test_a_stale_socket_is_replaced(tmp_path):
    with Listener(tmp_path) as listener:
        listener.restart(signal.SIGKILL)
        assert listener.hook.exists()
        assert listener.tell(create("a")) == b"ok"


@pytest.mark.parametrize("option", ["--socket", "--events", "--state", "--spool"])
def test_a_directory_that_cannot_be_made(tmp_path, option):
    (tmp_path / "run").mkdir()
    (tmp_path / "file").touch()
    line = fails(Listener(tmp_path), option, tmp_path / "file/x/y")[1]
    assert str(tmp_path / "file") in line
    assert not (tmp_path / "run/ka.sock").exists()


def test_without_rights(tmp_path):
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(0o755)
    listener = Listener(tmp_path, prefix=["setpriv", "--reuid", "65534", "--clear-groups"])
    assert "root" in fails(listener)[1] or "create" in fails(listener)[1]


def test_a_path_that_is_too_long(tmp_path):
    assert "too long" in fails(Listener(tmp_path), "--socket", "/tmp/" + "x" * 120)[1]


def test_the_directories_it_makes(tmp_path):
    listener = Listener(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run").rmdir()
    with subprocess.Popen([str(word) for word in listener.command()], stderr=subprocess.DEVNULL,
                          umask=0o077) as process:
        until(listener.events.exists, "it listens")
        modes = {name: (tmp_path / name).stat().st_mode & 0o777
                 for name in ("run", "run/events", "run/spool", "run/state")}
        process.terminate()
    assert modes == {"run": 0o711, "run/events": 0o755, "run/spool": 0o700, "run/state": 0o700}


# --- the end

def test_sigterm_answers_what_has_come_and_tells_subscribers(listener):
    events = listener.subscribe()
    with listener.connect() as connection:
        listener.process.send_signal(signal.SIGSTOP)
        send(connection, create("late"))
        listener.process.send_signal(signal.SIGTERM)
        listener.process.send_signal(signal.SIGCONT)
        assert answer(connection) == b"ok"
    assert listener.process.wait(HANG_S) == 0
    listener.process = None
    until(lambda: events.lines[-1]["type"] == "error", "the last line")
    assert events.lines[-1]["error"] == "shutdown"
    assert events.events("late", "created")
    events.close()
    assert not listener.hook.exists() and not listener.events.exists()


def test_its_own_socket_alone_is_removed(tmp_path):
    listener = Listener(tmp_path).start()
    listener.hook.rename(tmp_path / "stolen")
    listener.hook.touch()
    assert listener.stop() == 0
    assert listener.hook.exists()


def test_sighup_changes_nothing(listener):
    listener.process.send_signal(signal.SIGHUP)
    assert listener.tell(create("a")) == b"ok"
    until(lambda: "SIGHUP" in listener.log(), "it is logged")


# --- restarts

def test_a_killed_listener_begins_where_it_ended(listener, processes):
    alive, dead, exited = processes.make(), processes.make(), processes.make(own_pid_ns=False)
    listener.tell(create("alive", alive, name="web", annotations={"k": "v\n\"x\""}), [alive.pidfd])
    listener.tell(create("dead", dead), [dead.pidfd])
    listener.tell(create("exited", exited, hostNamespaces=["pid"], cgroup={"path": "/"}),
                  [exited.pidfd])
    listener.tell(create("gone"))
    listener.tell(delete("gone"))
    alive.start()
    exited.die()
    until(lambda: listener.containers(state="exited") and listener.containers(state="running"),
          "their states are known")
    before = listener.containers(id="alive")
    listener.stop(signal.SIGKILL)
    dead.die()
    listener.start()
    assert listener.containers(id="alive") == before
    assert listener.ids() == ["alive", "exited"]
    with subscribed(listener) as events:
        alive.die()  # it is watched again
        events.wait("alive", "removed")


def test_a_restart_makes_no_false_events(listener, processes):
    process = processes.make()
    listener.tell(create("a", process), [process.pidfd])
    listener.restart()
    with subscribed(listener) as events:
        assert listener.tell(create("a", process), [process.pidfd]) == b"ok"
        assert listener.tell(create("end")) == b"ok"
        events.wait("end", "created")
        assert [e["type"] for e in events.events("a")] == ["container"]


def test_a_torn_journal(listener):
    for ident in "abc":
        listener.tell(create(ident))
    listener.stop(signal.SIGKILL)
    journal = listener.state / "journal"
    journal.write_bytes(journal.read_bytes()[:-7])
    listener.start()
    assert listener.ids() == ["a", "b"]


@pytest.mark.parametrize("text", [b"", b"\x00" * 100, b"{}\n", b'{"journal":1,"boot":"other"}\n',
                                  b'{"journal":99}\n{"n":1}\n'])
def test_a_journal_that_is_none(listener, text):
    listener.tell(create("a"))
    listener.stop(signal.SIGKILL)
    (listener.state / "journal").write_bytes(text)
    listener.start()
    assert listener.ids() == []


def test_a_journal_of_another_boot_is_not_believed(listener):
    listener.tell(create("a"))
    listener.stop(signal.SIGKILL)
    journal = listener.state / "journal"
    header, _, rest = journal.read_text().partition("\n")
    journal.write_text(json.dumps({**json.loads(header), "boot": "0"}) + "\n" + rest)
    listener.start()
    assert listener.ids() == []


def test_the_journal_is_rewritten(listener):
    annotations = {"x": "y" * 100000}
    for number in range(150):
        listener.tell(create(f"c{number}", annotations=annotations))
        listener.tell(delete(f"c{number}"))
    listener.tell(create("kept"))
    assert (listener.state / "journal").stat().st_size < 6 * 2 ** 20
    listener.restart()
    assert listener.ids() == ["kept"]


def test_without_room_for_the_journal_hooks_are_served(tmp_path):
    (tmp_path / "small").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", tmp_path / "small"], check=True)
    try:
        with Listener(tmp_path, "--state", tmp_path / "small/state") as listener:
            listener.tell(create("a"))
            listener.tell(create("large", annotations={"x": "y" * 200000}))
            assert listener.ids() == ["a", "large"]
            assert "journal" in listener.log()
            listener.tell(delete("large"))
            listener.tell(create("b"))
            until(lambda: b'"b"' in (tmp_path / "small/state/journal").read_bytes(),
                  "a rewrite has mended it")
            listener.restart()
            assert listener.ids() == ["a", "b"]
    finally:
        subprocess.run(["umount", tmp_path / "small"], check=True)


# --- the spool

def spool(listener, name, request):
    listener.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = request if isinstance(request, bytes) else json.dumps(request).encode()
    (listener.spool / "temporary").write_bytes(text)
    (listener.spool / "temporary").rename(listener.spool / name)


def test_what_was_spooled_is_taken_in_at_the_start_in_order(listener, processes):
    listener.stop()
    process, dead = processes.make(), processes.make()
    dead.die()
    spool(listener, "9-1-0", create("a", process))
    spool(listener, "10-1-0", create("b"))
    spool(listener, "11-1-0", delete("b"))
    spool(listener, "12-1-0", create("dead", dead))
    spool(listener, "13-1-0", b"garbage")
    (listener.spool / "dropped").write_bytes(b"...")
    listener.start()
    assert listener.ids() == ["a"]
    assert listener.containers()[0]["source"] == "spool"
    assert listener.status()["spool"] == {"directory": str(listener.spool), "files": 0, "bytes": 0,
                                          "taken": 4, "dropped": 3}
    assert os.listdir(listener.spool) == []


def test_what_cannot_be_removed_from_the_spool_holds_nobody_up(listener, processes):
    """More of it than is taken in at once, and older than what can be."""
    listener.stop()
    for number in range(300):
        (listener.spool / f"{number + 1}-1-0").mkdir()
    spool(listener, "1000-1-0", create("a", processes.make()))
    listener.start()
    assert listener.ids() == ["a"]


def test_what_is_spooled_later_is_taken_in(listener, processes):
    process = processes.make()
    with subscribed(listener) as events:
        spool(listener, "1-1-0", create("a", process))
        assert events.wait("a", "created")["source"] == "spool"
        process.die()
        events.wait("a", "removed")


def test_a_spooled_event_goes_before_a_live_one_of_the_same_id(listener, processes):
    """A create that timed out, then the delete: the listener finds both when it wakes."""
    process = processes.make()
    with subscribed(listener) as events, listener.connect() as connection:
        listener.process.send_signal(signal.SIGSTOP)
        spool(listener, "1-1-0", create("a", hostNamespaces=["pid"]))
        send(connection, delete("a"))
        listener.process.send_signal(signal.SIGCONT)
        assert answer(connection) == b"ok"
        events.wait("a", "removed")
        assert [e["type"] for e in events.events("a")] == ["created", "removed"]
        listener.tell(create("end", process))


def test_without_a_spool(tmp_path):
    with Listener(tmp_path, "--spool", "") as listener:
        assert "spool" not in listener.status()
        assert not listener.spool.exists()


# --- what systemd expects

def test_sd_notify(tmp_path):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(HANG_S)
        listener = Listener(tmp_path, environment={
            "NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "200000"}).start()
        messages = {notify.recv(100) for _ in range(4)}
        assert messages == {b"READY=1", b"WATCHDOG=1"}
        assert listener.stop() == 0
        until(lambda: notify.recv(100) == b"STOPPING=1", "it says that it ends")


def test_sockets_that_are_handed_over(tmp_path):
    (tmp_path / "run/events").mkdir(parents=True)
    listener = Listener(tmp_path)
    handed = []
    for path in listener.hook, listener.events:
        handed.append(socket.socket(socket.AF_UNIX))
        handed[-1].bind(str(path))
        handed[-1].listen()
    script = 'exec 3<&"$1" 4<&"$2"; shift 2; LISTEN_PID=$$ exec "$@"'
    with listener.connect() as early:  # waits in the backlog until it is there
        send(early, create("early"))
        process = subprocess.Popen(
            ["bash", "-c", script, "sh", *(str(one.fileno()) for one in handed),
             *map(str, listener.command())], stderr=subprocess.DEVNULL,
            pass_fds=[one.fileno() for one in handed],
            env={**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "hook:events"})
        assert answer(early) == b"ok"
        assert listener.ids() == ["early"]
        process.terminate()
        assert process.wait(HANG_S) == 0
    assert listener.hook.exists() and listener.events.exists()  # the manager's, not ours
    for one in handed:
        one.close()


# --- what it gives up

def test_what_it_gives_up(listener):
    with open(f"/proc/{listener.process.pid}/status", encoding="ascii") as lines:
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert status["NoNewPrivs"].strip() == "1"
    assert int(status["CapEff"], 16) & ~(1 << 19) == 0  # CAP_SYS_PTRACE, to see its peers
    assert int(status["CapBnd"], 16) == 0
    if b"__asan_init" not in HOOKD.read_bytes():
        assert status["Seccomp"].strip() == "2"


def test_log_lines_have_levels_in_the_journal(tmp_path):
    with Listener(tmp_path, environment={"JOURNAL_STREAM": "1:2"}) as listener:
        listener.tell(create("a", name='x" \x1b[31m'))
        until(lambda: "container created" in listener.log(), "it is logged")
        line = next(line for line in listener.log().splitlines() if "created" in line)
        assert line.startswith("<6>container created id=a name=\"x\\x22 \\x1b[31m\"")


# --- metrics

def check_openmetrics(text):
    lines = text.splitlines()
    assert lines[-1] == "# EOF" and text.endswith("\n")
    families, seen = {}, set()
    for line in lines[:-1]:
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in families
            families[name] = kind
        elif line.startswith("# UNIT "):
            _, _, name, unit = line.split(" ")
            assert name.endswith("_" + unit)
        elif not line.startswith("# HELP "):
            sample, value = line.rsplit(" ", 1)
            float(value)
            assert sample not in seen
            seen.add(sample)
            name = sample.partition("{")[0]
            family = max((f for f in families if name.startswith(f)), key=len)
            suffix = name[len(family):]
            assert suffix in {"counter": ["_total"], "gauge": [""], "info": ["_info"],
                              "histogram": ["_bucket", "_sum", "_count"]}[families[family]]
    return seen


def test_metrics_on_the_events_socket(listener):
    listener.tell(create("a", runtime='ru"nc', durationUs=700))
    text = listener.ask_text(b'{"request":"metrics"}\n').decode()
    samples = check_openmetrics(text)
    assert 'kubearmor_hookd_containers{runtime="ru\\"nc",state="created"}' in samples
    assert 'kubearmor_hookd_events_total{type="created",source="hook"} 1\n' in text
    assert 'kubearmor_hookd_hook_duration_seconds_bucket{le="0.001"} 1\n' in text


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_metrics_over_http(tmp_path, host):
    if host == "[::1]" and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    where = f"{host}:{free_port()}"
    with Listener(tmp_path, "--metrics", where):
        with urllib.request.urlopen(f"http://{where}/metrics", timeout=HANG_S) as response:
            assert response.headers["Content-Type"].startswith("application/openmetrics-text")
            check_openmetrics(response.read().decode())
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"http://{where}/", timeout=HANG_S)
        assert error.value.code == 404
        error.value.close()


def http(path, text):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(HANG_S)
        connection.connect(str(path))
        connection.sendall(text)
        with connection.makefile("rb") as answered:
            return answered.read()


def test_metrics_over_http_on_a_unix_socket(tmp_path):
    path = tmp_path / "metrics.sock"
    with Listener(tmp_path, "--metrics", path):
        head, _, body = http(path, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        check_openmetrics(body.decode())
        assert http(path, b"POST /metrics HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 405 ")
        assert http(path, (b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 1000)[:4096]).startswith(
            b"HTTP/1.1 431 ")
        assert http(path, b"GET /metrics HTTP/1.1\r\n") == b""  # it is not waited for for ever
    assert not path.exists()


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return sum(map(int, stat.read().rpartition(")")[2].split()[11:13]))


def test_metrics_without_a_descriptor_left(tmp_path):
    """The listener waits for one; it does not turn on the spot."""
    path = tmp_path / "metrics.sock"
    with Listener(tmp_path, "--metrics", path) as listener:
        limits = resource.prlimit(listener.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(listener.process.pid, resource.RLIMIT_NOFILE, (1, limits[1]))
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(HANG_S)
            client.connect(str(path))
            client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")

            def rests():
                before = cpu_ticks(listener.process.pid)
                time.sleep(0.3)
                return cpu_ticks(listener.process.pid) == before

            until(rests, "it rests while nothing can be done", 10)
            resource.prlimit(listener.process.pid, resource.RLIMIT_NOFILE, limits)
            assert client.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("where", ["0.0.0.0:9000", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999",
                                   "localhost:9000", "metrics.sock"])
def test_metrics_are_served_nowhere_else(tmp_path, where):
    code, line = fails(Listener(tmp_path), "--metrics", where)
    assert code == 2 and "--metrics takes" in line


# --- questions

def test_lookups(listener, processes):
    process = processes.make()
    listener.tell(create("abcdef", process, cgroup={"id": 77, "path": "/x"}), [process.pidfd])
    listener.tell(create("abcxyz"))

    def looked_up(**key):
        return [m.get("container", {}).get("id", m.get("error", m["type"]))
                for m in listener.ask(request="lookup", **key)]

    found = ["abcdef", "synced"]
    assert looked_up(id="abcdef") == looked_up(id="abcd") == found
    assert looked_up(pid=process.pid) == looked_up(cgroupId=77) == found
    for kind in "mnt", "pid", "net":
        assert looked_up(namespace={"type": kind, "inode": process.namespaces[kind]}) == found
    assert looked_up(id="abc") == ["ambiguous"]
    assert looked_up(id="nobody") == looked_up(pid=1) == ["synced"]
    assert looked_up() == looked_up(id="a", pid=1) == ["bad-request"]


def test_filters(listener):
    listener.tell(create("a", name="web", runtime="runc", type="sandbox",
                         pod={"name": "p", "namespace": "n"}))
    listener.tell(create("b", name="web", runtime="crun"))
    for filters, ids in (({"name": "web"}, "ab"), ({"name": "web", "runtime": "crun"}, "b"),
                         ({"type": "sandbox"}, "a"), ({"namespace": "n", "pod": "p"}, "a"),
                         ({"state": "created"}, "ab"), ({"id": "b"}, "b"), ({"name": "w"}, "")):
        assert [c["id"] for c in listener.containers(**filters)] == list(ids), filters


@pytest.mark.parametrize("text", [
    b"garbage\n", b"{}\n", b'{"request":"dance"}\n', b'{"request":"list","filter":{"nmae":"x"}}\n',
    b'{"request":"list","filter":{"name":1}}\n', b'{"request":"list","filter":[]}\n',
    b'{"request":"lookup","namespace":{"type":"x","inode":1}}\n', b"[" * 5000,
])
def test_bad_requests_are_told(listener, text):
    message = json.loads(listener.ask_text(text))
    assert message["error"] == "bad-request" and message["message"]


def test_a_request_may_come_in_pieces_and_end_with_the_stream(listener):
    listener.tell(create("a"))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(listener.events))
        for byte in b'{"request":"list"}':
            client.send(bytes([byte]))
        client.shutdown(socket.SHUT_WR)
        assert b"synced" in client.makefile("rb").read()


def test_a_client_that_asks_nothing_is_told_so(listener):
    assert json.loads(listener.ask_text(b""))["error"] == "bad-request"


def test_nothing_is_left_behind(tmp_path):
    with Listener(tmp_path) as listener:
        listener.tell(create("a"))
    left = sorted(p.name for p in (tmp_path / "run").rglob("*"))
    assert left == ["events", "events.sock.lock", "journal", "ka.sock.lock", "spool", "state"]
    shutil.rmtree(tmp_path / "run")
