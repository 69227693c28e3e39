# SPDX-License-Identifier: Apache-2.0
import pytest

pytest.register_assert_rewrite("machine", "harness.observe")

from machine import Guest  # noqa: E402


@pytest.fixture(scope="session")
def guest():
    return Guest()
