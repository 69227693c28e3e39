# SPDX-License-Identifier: Apache-2.0
"""What an administrator asked for: containers that do not start unless the listener knows of them,
or that do not get a runtime's socket; and the node that starts nevertheless."""

import threading

import pytest

from harness.recorder import Recorder
from harness.runtime import RuntimeFailed


def containerd(ident):
    return f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{ident}"


def in_namespace(name):
    return {"io.kubernetes.cri.container-type": "container",
            "io.kubernetes.cri.container-name": "web",
            "io.kubernetes.cri.sandbox-id": "5a" * 32,
            "io.kubernetes.cri.sandbox-name": "pod",
            "io.kubernetes.cri.sandbox-namespace": name}


@pytest.fixture
def pod(make):
    def maker(namespace, *options, **spec):
        ident = "ab" * 32
        return make(["createRuntime"], ident=ident, directory=containerd(ident),
                    annotations=in_namespace(namespace), options=options, **spec)
    return maker


def refused(engine, box):
    with pytest.raises(RuntimeFailed) as failure:
        engine.create(box.id, box.bundle)
    return str(failure.value)


def starts(engine, box):
    engine.create(box.id, box.bundle)
    engine.start(box.id)
    assert engine.state(box.id)["status"] == "running"


def test_fail_closed_refuses_without_a_listener(engine, pod, view):
    words = refused(engine, pod("shop", "--fail-closed"))
    assert engine.name != "runc" or "kubearmor-hook" in words  # crun shows no hook's stderr
    spool = view.path("/run/kubearmor/spool")
    assert not spool.exists() or not [e for e in spool.iterdir() if e.name[0].isdigit()]


def test_fail_closed_lets_through_what_was_delivered(engine, pod, recorder):
    starts(engine, pod("shop", "--fail-closed"))
    assert len(recorder.creates()) == 1


@pytest.mark.parametrize("namespace", ("kube-system", "kubearmor"))
def test_fail_closed_never_stops_the_nodes_own_pods(engine, pod, namespace):
    starts(engine, pod(namespace, "--fail-closed"))


def test_fail_closed_exempts_what_it_is_told_to(engine, pod):
    starts(engine, pod("shop", "--fail-closed", "--exempt-namespace", "other",
                       "--exempt-namespace", "shop"))


def test_fail_closed_never_fails_a_delete(engine, make):
    box = make(["poststop"], options=("--fail-closed",))
    starts(engine, box)
    engine.kill(box.id)
    engine.delete(box.id)


def test_fail_closed_is_open_for_a_mapped_root_at_create_container(engine, make):
    starts(engine, make(["createContainer"], options=("--fail-closed",), user_namespace=True))


def test_the_event_that_nobody_took_is_spooled_and_the_container_starts(engine, make, view):
    box = make(["createRuntime"])
    starts(engine, box)
    [event] = [e for e in view.path("/run/kubearmor/spool").iterdir() if e.name[0].isdigit()]
    assert box.id.encode() in event.read_bytes()
    assert event.parent.stat().st_mode & 0o777 == 0o700


SOCKET = "/run/containerd/containerd.sock"


@pytest.fixture
def socket_mount(view):
    view.path(SOCKET).parent.mkdir(parents=True, exist_ok=True)
    view.path(SOCKET).touch()
    return {"mounts": [{"destination": "/dev/mounted", "type": "bind", "source": SOCKET,
                        "options": ["rbind"]}]}


def test_a_runtime_socket_is_refused_where_that_is_asked_for(engine, pod, recorder, socket_mount):
    words = refused(engine, pod("shop", "--deny-runtime-sockets", **socket_mount))
    assert engine.name != "runc" or SOCKET in words


def test_a_runtime_socket_is_reported_otherwise(engine, pod, recorder, socket_mount):
    starts(engine, pod("shop", **socket_mount))
    [message] = recorder.creates()
    assert message.container["runtimeSockets"] == [SOCKET]


def test_the_nodes_own_pods_may_have_a_runtime_socket(engine, pod, recorder, socket_mount):
    starts(engine, pod("kube-system", "--deny-runtime-sockets", **socket_mount))


def test_nothing_that_a_pod_is_filled_with_hides_its_runtime_socket(engine, make, socket_mount):
    """As many annotations, and as much environment, as its author may have, in their longest form;
    and the command of a listener, which excuses no pod."""
    ident = "ab" * 32
    annotations = {f"a{number}": "" for number in range(1000)}
    box = make(["createRuntime"], ident=ident, directory=containerd(ident),
               annotations={**annotations, **in_namespace("shop")},
               process={"args": ["/KubeArmor/kubearmor"],
                        "env": [f"E{number}=" + "\x01" * 120_000 for number in range(16)]},
               options=("--deny-runtime-sockets",), **socket_mount)
    words = refused(engine, box)
    assert engine.name != "runc" or SOCKET in words


def test_without_a_runtime_socket_nothing_is_refused(engine, pod, recorder):
    starts(engine, pod("shop", "--deny-runtime-sockets"))


def test_an_unknown_option_stops_nothing(engine, make, recorder):
    starts(engine, make(["createRuntime"], options=("--from-the-future", "--more=1")))
    assert len(recorder.creates()) == 1


@pytest.mark.parametrize("options, is_refused", [((), False), (("--fail-closed",), True)])
def test_a_silent_listener(engine, pod, view, options, is_refused):
    """It takes the connection, and never answers."""
    over = threading.Event()
    silent = Recorder(view.path("/run/kubearmor/ka.sock"), before_answer=lambda _: over.wait(60))
    try:
        box = pod("shop", "--timeout", "200ms", *options)
        if is_refused:
            refused(engine, box)
        else:
            starts(engine, box)
    finally:
        over.set()
        silent.close()
