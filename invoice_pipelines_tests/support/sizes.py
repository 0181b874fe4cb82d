"""Holds how large the longest tests are: CI has 20 minutes, a promise about a thousand documents needs more."""

from __future__ import annotations

import os

import pytest

AT_FULL_SIZE = os.environ.get("TESTS_AT_FULL_SIZE", "") not in ("", "0")


only_at_full_size = pytest.mark.skipif(
    not AT_FULL_SIZE, reason="runs with `make test-full`: CI has too little time for it"
)


def size(in_ci: int, full: int) -> int:
    """The full size with TESTS_AT_FULL_SIZE=1 in the environment, as `make test-full` sets it."""
    return full if AT_FULL_SIZE else in_ci
