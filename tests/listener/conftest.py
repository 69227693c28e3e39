# SPDX-License-Identifier: Apache-2.0
"""A listener in a directory of its own, and processes that stand for containers."""

import pytest

from listener.support import Listener, Processes


@pytest.fixture
def processes():
    with Processes() as made:
        yield made


@pytest.fixture
def listener(tmp_path):
    with Listener(tmp_path) as started:
        yield started
