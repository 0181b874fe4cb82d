"""Keeps unit tests what they are: none of them can have a PostgreSQL."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def server() -> None:
    pytest.fail("a unit test has no server: what needs one belongs to integration/")
