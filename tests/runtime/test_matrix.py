# SPDX-License-Identifier: Apache-2.0
"""Every field, in every cell of runtime x stage x pid namespace x arguments, is what the test
itself observes of the same container."""


import pytest

from harness import observe

CREATE_STAGES = ("prestart", "createRuntime", "createContainer", "poststart")
NAMESPACE_MODES = ("own", "host", "joined", "user")

# What a hook inside the container's namespaces cannot know, and so must leave out.
LACKS = {"createContainer": ("cgroup.path", "cgroup.id")}

# Of a peer in a container's namespaces the listener believes only what the kernel confirms.
UNCONFIRMED = {"createContainer": LACKS["createContainer"] + ("hostNamespaces", "joinedNamespaces")}


@pytest.fixture(params=("none", "stage"))
def args(request):
    return request.param


@pytest.fixture(params=NAMESPACE_MODES)
def namespaces(request, engine, make):
    """Keyword arguments for make(), and for "joined" a running container to join."""
    if request.param == "joined":
        other = make(())
        engine.create(other.id, other.bundle)
        engine.start(other.id)
        pid = engine.pid(other.id)
        return {"pid_namespace": f"/proc/{pid}/ns/pid",
                "joined": {"network": f"/proc/{pid}/ns/net", "ipc": f"/proc/{pid}/ns/ipc"}}
    if request.param == "host":
        return {"pid_namespace": "host", "host": ("network", "uts")}
    return {"user_namespace": request.param == "user"}


def is_mapped(namespaces, stage):
    return stage == "createContainer" and namespaces.get("user_namespace")


@pytest.mark.parametrize("stage", CREATE_STAGES)
def test_the_message_is_what_is_observed(engine, make, expected, recorder, stage, namespaces, args):
    box = make([stage], args=args, annotations={"org.example.key": "value"}, **namespaces)
    engine.create(box.id, box.bundle)
    seen = expected(box, stage)
    engine.start(box.id)
    if is_mapped(namespaces, stage):
        # The 0600 socket of another user namespace's root refuses it: nothing rather than wrong.
        assert not recorder.creates()
        return
    [message] = recorder.creates()
    assert message.peer_uid == 0
    assert message.request["detached"] is False
    assert len(message.raw) <= 4096
    observe.same(message.container, observe.as_told(seen, args == "stage"), LACKS.get(stage, ()))
    assert message.pidfd_pid == seen["pid"]


@pytest.mark.parametrize("stage", CREATE_STAGES)
def test_a_subscriber_sees_what_is_observed(engine, make, expected, daemon, stage, namespaces,
                                            args):
    subscriber = daemon.subscribe()
    box = make([stage], args=args, annotations={"org.example.key": "value"}, **namespaces)
    engine.create(box.id, box.bundle)
    seen = expected(box, stage)
    engine.start(box.id)
    if is_mapped(namespaces, stage):
        assert not subscriber.events(box.id)
        return
    event = subscriber.wait(box.id, "created")
    told = dict(event["container"])
    assert told.pop("createdAt")
    assert told.pop("state") in ("created", "running")
    assert told.pop("source") == event["source"] == "hook"
    observe.same(told, observe.as_told(seen, args == "stage"), UNCONFIRMED.get(stage, ()))


def test_poststop_names_the_container(engine, make, recorder, namespaces, args):
    box = make(["poststop"], args=args, **namespaces)
    engine.create(box.id, box.bundle)
    engine.start(box.id)
    engine.kill(box.id)
    assert not recorder.messages
    engine.delete(box.id)
    [message] = recorder.messages
    assert not message.is_create
    assert message.pidfd_pid is None
    told = message.container
    assert (told["id"], told["bundle"]) == (box.id, str(box.bundle))
    assert not {"runtime", "pid", "startTime", "namespaces", "cgroup"} & set(told)


def test_start_container_ends_at_once_and_tells_nothing(engine, make, recorder, namespaces, args):
    box = make(["startContainer"], args=args, **namespaces)
    engine.create(box.id, box.bundle)
    engine.start(box.id)
    assert engine.state(box.id)["status"] == "running"
    engine.delete(box.id)
    assert not recorder.messages
