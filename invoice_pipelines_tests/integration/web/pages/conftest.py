"""The desk that the tests of this folder visit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from invoice_pipelines_tests.integration.web.intake.conftest import intake_folder, intake_site, office
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, running_chromium
from invoice_pipelines_tests.support.sizes import only_at_full_size

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where a page is looked at in one width after the other, CI has time for the narrowest, in which all has to find
    its place, and for the day of an accountant in German, where texts may be missing; the others are looked at by
    `make test-full`.
    """
    for item in items:
        given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if HERE in item.path.parents and (given.get("width") in WIDTHS[1:] or given.get("whole_day") == "en"):
            item.add_marker(only_at_full_size)
            item.add_marker(pytest.mark.slow)


__all__ = ["intake_folder", "intake_site", "office"]  # the organizations of the intake's tests are visited here, too


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A Chromium."""
    with running_chromium() as browser:
        yield browser
