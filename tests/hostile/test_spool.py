# SPDX-License-Identifier: Apache-2.0
"""A spool that cannot be written: a line in the log, and the container starts."""

import os

import pytest


def mounted(subject, options):
    subject.spool.mkdir(mode=0o700)
    subject.wrapper = ["unshare", "--mount", "sh", "-c",
                       f'mount -t tmpfs -o {options} tmpfs {subject.spool} && '
                       f'{{ [ -z "$FILL" ] || dd if=/dev/zero of={subject.spool}/fill bs=4k '
                       f'2>/dev/null; }}; exec "$@"', "sh"]


def test_read_only(subject, state):
    mounted(subject, "ro,mode=700")
    subject.quietly(state())
    assert subject.log()


def test_no_space(subject, state, monkeypatch):
    monkeypatch.setenv("FILL", "1")
    mounted(subject, "size=4k,mode=700")
    subject.quietly(state())
    assert subject.log()


def test_no_inodes(subject, state):
    mounted(subject, "nr_inodes=1,mode=700")
    subject.quietly(state())
    assert subject.log()


def a_file(path):
    path.write_text("")


def a_dangling_link(path):
    path.symlink_to("/no/such/place")


def writable_by_all(path):
    path.mkdir()
    path.chmod(0o777)


def anothers(path):
    path.mkdir(mode=0o700)
    os.chown(path, 1000, 1000)


@pytest.mark.parametrize("what", (a_file, a_dangling_link, writable_by_all, anothers),
                         ids=lambda f: f.__name__)
def test_what_is_no_spool_of_ours(subject, state, what):
    what(subject.spool)
    subject.quietly(state())
    assert subject.log()
    assert not subject.spooled()


def test_off(subject, state):
    subject.spool = ""
    subject.quietly(state())


def test_made_with_its_parent_for_root_alone(subject, state, scratch):
    subject.spool = scratch / "a/spool"
    subject.quietly(state())
    assert len(subject.spooled()) == 1
    assert subject.spool.stat().st_mode & 0o7777 == 0o700


def test_a_log_that_cannot_be_written_stops_nothing(subject, state):
    subject.logfile = "/no/such/directory/log"
    subject.quietly(b"no state")
    subject.quietly(state())
    assert len(subject.spooled()) == 1
