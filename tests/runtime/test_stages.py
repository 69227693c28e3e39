# SPDX-License-Identifier: Apache-2.0
"""How the hook is registered: every way gives the same one container."""

import json

import pytest

from harness import hook as direct
from harness import observe

ALL_STAGES = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")

# All that the hook may leave out where it cannot tell its container's init for sure.
OF_THE_INIT = ("pid", "startTime", "namespaces", "hostNamespaces", "joinedNamespaces", "cgroup",
               "runtime")


def live(engine, box):
    engine.create(box.id, box.bundle)
    engine.start(box.id)
    engine.kill(box.id)
    engine.delete(box.id)


@pytest.mark.parametrize("stage, args", [
    ("createContainer", "none"), ("createRuntime", "stage"), ("prestart", "stage")])
def test_birth_and_death_are_told_once(engine, make, recorder, stage, args):
    box = make([stage, "poststop"], args=args)
    live(engine, box)
    assert [m.request["operation"] for m in recorder.messages] == [0, 1]
    assert [m.container["id"] for m in recorder.messages] == [box.id, box.id]
    assert [m.container["stage"] for m in recorder.messages] == [stage, "poststop"]


@pytest.mark.parametrize("args", ("none", "stage"))
def test_all_create_stages_at_once_make_one_container(engine, make, daemon, args):
    subscriber = daemon.subscribe()
    box = make(ALL_STAGES, args=args)
    live(engine, box)
    subscriber.wait(box.id, "removed")
    last = make(ALL_STAGES, args=args)
    live(engine, last)
    subscriber.wait(last.id, "removed")  # so that the first one's events are complete
    kinds = [e["type"] for e in subscriber.events(box.id)]
    assert (kinds.count("created"), kinds.count("removed")) == (1, 1)
    assert (kinds[0], kinds[-1]) == ("created", "removed")


@pytest.mark.parametrize("mode", ("own", "host", "user"))
@pytest.mark.parametrize("args", ("", "--stage STAGE"))
@pytest.mark.parametrize("stage", ("prestart", "createRuntime", "createContainer"))
def test_a_shell_between_runtime_and_hook_gives_nothing_wrong(
        engine, make, view, expected, recorder, hook, stage, args, mode):
    script = f"{hook} {args.replace('STAGE', stage)}; true"
    shell = {"path": "/bin/sh", "args": ["sh", "-c", script], "timeout": 10}
    box = make((), hooks={stage: [shell]},
               pid_namespace="host" if mode == "host" else "own", user_namespace=mode == "user")
    if mode == "user":
        view.path("/run/kubearmor/ka.sock").chmod(0o666)
    engine.create(box.id, box.bundle)
    seen = observe.as_told(expected(box, stage), bool(args))
    engine.start(box.id)
    for message in recorder.creates():
        assert message.pidfd_pid in (None, seen["pid"])
        observe.same(message.container, seen, OF_THE_INIT)
    if mode != "user":
        assert len(recorder.creates()) == 1


@pytest.mark.parametrize("args", ("none", "stage"))
def test_a_mapped_root_that_may_connect_tells_the_truth(engine, make, view, expected, recorder,
                                                        args):
    view.path("/run/kubearmor/ka.sock").chmod(0o666)
    box = make(["createContainer"], args=args, user_namespace=True)
    engine.create(box.id, box.bundle)
    seen = expected(box, "createContainer")
    engine.start(box.id)
    for message in recorder.creates():
        assert message.peer_uid == 100000
        assert message.pidfd_pid in (None, seen["pid"])
        observe.same(message.container, seen, OF_THE_INIT)


@pytest.mark.parametrize("args", ("none", "stage"))
def test_a_mapped_root_that_may_not_connect_still_starts(engine, make, recorder, args):
    box = make(["createContainer"], args=args, user_namespace=True)
    engine.create(box.id, box.bundle)
    engine.start(box.id)
    assert engine.state(box.id)["status"] == "running"
    assert not recorder.messages


def test_dry_run_prints_what_would_be_sent(engine, make, recorder, hook, scratch):
    printed = scratch / "printed"
    script = f"exec {hook} --stage createRuntime --dry-run >{printed}"
    shell = {"path": "/bin/sh", "args": ["sh", "-c", script], "timeout": 10}
    box = make(["createRuntime"], hooks={"createRuntime": [shell]},
               annotations={"org.example.text": 'ünïcode "quoted" \\ <&>'})
    engine.create(box.id, box.bundle)
    [message] = recorder.creates()
    sent, shown = message.request, json.loads(printed.read_text(encoding="utf-8"))
    for request in (sent, shown):
        request["oci"].pop("durationUs", None)
    assert shown == sent


@pytest.mark.parametrize("writer", (direct.as_runc, direct.as_crun_1_28))
def test_state_is_read_as_json_however_it_is_written(engine, make, view, expected, recorder, hook,
                                                     writer):
    """crun 1.28 writes over many lines and escapes slashes; runc escapes <, > and &."""
    box = make(())
    engine.create(box.id, box.bundle)
    seen = expected(box, "createRuntime")
    text = writer(direct.state(box.id, box.bundle, seen["pid"], annotations={
        "org.example.trap": '"pid":1,"bundle":"/nowhere" </a>&'}))
    done = direct.run(view, hook, text, "--stage", "createRuntime")
    assert (done.returncode, done.stderr) == (0, b"")
    [message] = recorder.creates()
    told = message.container
    assert (told["pid"], told["bundle"], told["startTime"]) == \
        (seen["pid"], seen["bundle"], seen["startTime"])
    assert told["namespaces"] == seen["namespaces"]


@pytest.mark.parametrize("stage", ("createRuntime", "createContainer"))
def test_without_a_cgroup_namespace(engine, make, expected, recorder, stage):
    box = make([stage], cgroup_namespace=False)
    engine.create(box.id, box.bundle)
    [message] = recorder.creates()
    observe.same(message.container, expected(box, stage), ("cgroup.path", "cgroup.id"))
    assert stage == "createContainer" or message.container["cgroup"]["path"]


@pytest.mark.parametrize("path", ("kubepods.slice:cri-containerd:abc", "relative/path", None))
def test_the_cgroup_as_the_spec_names_it(engine, make, view, hook, path):
    """By --dry-run: systemd's form needs systemd to run the container."""
    def edit(config):
        config["linux"]["cgroupsPath"] = path
        if path is None:
            del config["linux"]["cgroupsPath"]
    box = make(())
    engine.create(box.id, box.bundle)
    other = make((), ident=box.id, edit=edit)
    text = direct.as_runc(direct.state(box.id, other.bundle, engine.pid(box.id)))
    done = direct.run(view, hook, text, "--stage", "createRuntime", "--dry-run")
    assert json.loads(done.stdout)["oci"]["cgroup"].get("specPath") == path


@pytest.mark.parametrize("engine", ["crun-machine"], indirect=True)
def test_crun_on_the_machines_own_cgroup_layout(engine, make, expected, recorder):
    box = make(["createRuntime"])
    code, text = engine.create(box.id, box.bundle, check=False)
    if code and "hybrid" in text:
        pytest.skip("crun refuses this machine's hybrid cgroup layout")
    [message] = recorder.creates()
    observe.same(message.container, expected(box, "createRuntime"))


def test_process_user_and_command(engine, make, expected, recorder):
    box = make(["createRuntime"], args="stage", process={"user": {"uid": 1000, "gid": 1001}},
               annotations={})
    engine.create(box.id, box.bundle)
    [message] = recorder.creates()
    observe.same(message.container, expected(box, "createRuntime"))
    assert message.container["process"] == {"command": "sleep", "uid": 1000, "gid": 1001}


@pytest.mark.parametrize("privileged", (False, True))
def test_privileged(engine, make, expected, recorder, privileged):
    box = make(["createRuntime"], privileged=privileged)
    try:
        engine.create(box.id, box.bundle)
    except AssertionError as refused:
        if privileged and "cap" in str(refused) and "permitted" in str(refused):
            pytest.skip("this machine's root lacks a capability that a privileged container has")
        raise
    [message] = recorder.creates()
    observe.same(message.container, expected(box, "createRuntime"))
    assert message.request["container"].get("privileged", False) is privileged
    assert message.container["privileged"] is privileged


def test_privileged_as_the_spec_sets_it(engine, make, view, hook):
    """By --dry-run: not every machine's root has every capability to give."""
    box = make(())
    engine.create(box.id, box.bundle)
    other = make((), ident=box.id, privileged=True)
    text = direct.as_runc(direct.state(box.id, other.bundle, engine.pid(box.id)))
    done = direct.run(view, hook, text, "--stage", "createRuntime", "--dry-run")
    request = json.loads(done.stdout)
    assert request["container"]["privileged"] is request["oci"]["privileged"] is True


def test_seccomp(engine, make, expected, recorder):
    rules = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
             "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]}
    box = make(["createRuntime"], seccomp=rules)
    engine.create(box.id, box.bundle)
    [message] = recorder.creates()
    observe.same(message.container, expected(box, "createRuntime"))
    assert message.container["seccomp"] is True


def test_the_apparmor_profile_is_what_the_spec_sets(engine, make, recorder):
    """The runtime refuses a profile that is not loaded, or any where there is no AppArmor, but only
    after its hooks."""
    box = make(["createRuntime"], process={"apparmorProfile": "kh-no-such-profile"})
    code, _ = engine.create(box.id, box.bundle, check=False)
    assert code != 0
    [message] = recorder.creates()
    assert message.stream["container"]["apparmorProfile"] == "kh-no-such-profile"


def test_the_selinux_label_is_what_the_spec_sets(engine, make, view, hook):
    """By --dry-run: where there is no SELinux, a runtime refuses the label before its hooks."""
    label = "system_u:system_r:container_t:s0:c1,c2"
    box = make(())
    engine.create(box.id, box.bundle)
    labelled = make((), ident=box.id, process={"selinuxLabel": label})
    text = direct.as_runc(direct.state(box.id, labelled.bundle, engine.pid(box.id)))
    done = direct.run(view, hook, text, "--stage", "createRuntime", "--dry-run")
    assert json.loads(done.stdout)["oci"]["selinuxLabel"] == label


@pytest.mark.parametrize("count, size", [(60, 1000), (300, 1000), (2, 150_000)])
def test_annotations_of_any_size_arrive_whole(engine, make, expected, recorder, count, size):
    wanted = {f"org.example.{i}": "x" * size for i in range(count)}
    box = make(["createRuntime"], annotations=wanted)
    engine.create(box.id, box.bundle)
    [message] = recorder.creates()
    assert len(message.raw) <= 4096
    assert message.attached is not None
    assert message.stream["container"]["containerID"] == box.id
    assert message.pidfd_pid == engine.pid(box.id)
    observe.same(message.container, expected(box, "createRuntime"))


def test_annotations_of_any_characters_arrive_unchanged(engine, make, expected, recorder):
    wanted = {"ключ/имя": "значение", "emoji": "\U0001f980", "quote\"back\\slash": "tab\tnew\nline",
              "html": "<a href='x'>&</a>", "looks.like": '{"pid":1,"id":"other"}', "empty": ""}
    box = make(["createRuntime"], annotations=wanted)
    engine.create(box.id, box.bundle)
    [message] = recorder.creates()
    assert message.container["annotations"] == wanted
    observe.same(message.container, expected(box, "createRuntime"))
