"""What tests need of the machine. Where it is missing they are skipped, but fail in CI, which has to have all of it."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, NoReturn

import pytest

from invoice_pipelines_tests.support.server import REDIS

IN_CI = os.environ.get("CI") == "true"
needs_redis = pytest.mark.skipif(
    REDIS is None and not IN_CI, reason="redis-server is not installed; on Debian: apt install redis-server"
)


def need(module: str, *, reason: str) -> Any:
    """Imports a module. Tests end that miss it."""
    return import_module(module) if IN_CI else pytest.importorskip(module, reason=reason)


def lack(reason: str) -> NoReturn:
    """Ends a test that misses something."""
    if IN_CI:
        pytest.fail(f"CI has to have what its tests need: {reason}")
    pytest.skip(reason)
