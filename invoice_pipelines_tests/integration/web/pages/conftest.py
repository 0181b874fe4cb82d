"""The desk that the tests of this folder visit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from invoice_pipelines_tests.integration.web.intake.conftest import intake_folder, intake_site, office
from invoice_pipelines_tests.support.desk.visitors import running_chromium

__all__ = ["intake_folder", "intake_site", "office"]  # the organizations of the intake's tests are visited here, too


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium."""
    with running_chromium() as browser:
        yield browser
