# SPDX-License-Identifier: Apache-2.0
"""A pid on stdin that is not the container's: a stranger is never reported."""

import os
import subprocess
import threading

import pytest

from harness import HANG_S

OF_A_PROCESS = ("pid", "pidns", "mntns")


def told(subject):
    [event] = subject.spooled()
    assert event["container"]["containerID"] == "c-1"
    return event


def names_nobody(event):
    assert not set(OF_A_PROCESS) & set(event["container"])
    assert not {"startTime", "namespaces", "cgroup"} & set(event["oci"]) - {"cgroup"}
    assert "id" not in event["oci"].get("cgroup", {})


@pytest.mark.parametrize("pid", (0, -1, 2 ** 31, 2 ** 32 + 1, 2 ** 64, 1.5, "1", None, True, ...),
                         ids=str)
def test_a_pid_that_is_none(subject, state, pid):
    subject.quietly(state(pid=pid))
    names_nobody(told(subject))


def test_a_pid_beyond_the_kernels_range(subject, state):
    subject.quietly(state(pid=2 ** 22 + 1))
    names_nobody(told(subject))


def test_a_dead_process(subject, state):
    with subprocess.Popen(["true"]) as process:
        process.wait(HANG_S)
    subject.quietly(state(pid=process.pid))
    names_nobody(told(subject))


def test_a_zombie(subject, state):
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        subject.quietly(state(pid=process.pid))
    event = told(subject)
    assert event["container"].get("pid") in (None, process.pid)


def test_a_thread_is_no_process(subject, state):
    ready, over, ids = threading.Event(), threading.Event(), []

    def body():
        ids.append(threading.get_native_id())
        ready.set()
        over.wait(HANG_S)

    thread = threading.Thread(target=body)
    thread.start()
    try:
        assert ready.wait(HANG_S)
        subject.quietly(state(pid=ids[0]))
    finally:
        over.set()
        thread.join()
    names_nobody(told(subject))


def test_pid_1_does_no_harm(subject, state):
    """The host's init, which createContainer's 1 would name, were it taken as a host pid."""
    subject.quietly(state(pid=1))
    told(subject)


@pytest.mark.parametrize("stage", ("createRuntime", "createContainer", "poststop"))
def test_without_proc(subject, state, stage):
    subject.wrapper = ["unshare", "--mount", "sh", "-c", 'umount -R -l /proc; exec "$@"', "sh"]
    subject.quietly(state(), stage=stage)
    names_nobody(told(subject))


@pytest.mark.parametrize("stage", ("startContainer", "no-such-stage", ""))
def test_stages_of_no_interest(subject, state, stage):
    subject.quietly(state(), stage=stage)


def test_no_environment_no_argv_and_another_directory(subject, state):
    """crun with "args": [] gives an argv[0] of nothing at all."""
    script = ("import ctypes, os, sys; os.chdir('/proc/self'); "
              "argv = [a.encode() for a in ['', *sys.argv[2:]]]; "
              "pointers = (ctypes.c_char_p * (len(argv) + 1))(*argv, None); "
              "ctypes.CDLL(None).execve(sys.argv[1].encode(), pointers, None)")
    subject.wrapper = ["/usr/bin/python3", "-c", script]
    subject.quietly(state())
    told(subject)
