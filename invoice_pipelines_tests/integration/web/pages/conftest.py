"""The desk that the tests of this folder visit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from invoice_pipelines_tests.support.desk.visitors import running_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium."""
    with running_chromium() as browser:
        yield browser
