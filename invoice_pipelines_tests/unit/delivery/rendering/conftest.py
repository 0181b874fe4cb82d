"""A renderer for all tests of a process: warm, as documents are made in bulk."""

from __future__ import annotations

import pytest

from invoice_pipelines.delivery.rendering.bundle import bundle_of
from invoice_pipelines.delivery.rendering.renderer import Look, Renderer
from invoice_pipelines_tests.support.delivery.rendering.looking import SETTINGS


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    return Renderer(bundle_of({}), Look(SETTINGS, "de"))
