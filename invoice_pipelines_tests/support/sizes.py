"""How large the longest tests are, and how many examples a property is tried on: what a minute at a desk, CI, and a
promise about a thousand documents allow.
"""

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


PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "full" if AT_FULL_SIZE else "dev")
"""dev at a desk, ci in `.ci/run`, full with `make test-full`."""


def example_count(usual: int) -> int:
    """How many examples a property is tried on that deserves so many where there is time: a quarter in CI."""
    return {"dev": max(usual // 10, 3), "ci": max(usual // 4, 5), "full": 10 * usual}[PROFILE]
