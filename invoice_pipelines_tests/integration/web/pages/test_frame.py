"""What all pages have in common: their frame, their languages, their colours, and how errors look."""

from __future__ import annotations

from itertools import product

import pytest
from playwright.sync_api import Browser

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.support.desk.pictures import components
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, needs_chromium, visiting
from invoice_pipelines_tests.support.sizes import only_at_full_size
from invoice_pipelines_tests.support.web import Site

pytestmark = needs_chromium


LOOKS = [
    *(("en", "light"), ("de", "dark")),
    *(pytest.param(*look, marks=[pytest.mark.slow, only_at_full_size]) for look in [("en", "dark"), ("de", "light")]),
]
"""Each language and each scheme; all of them together at full size."""


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("language", "scheme"), LOOKS)
def test_the_frame_can_be_used_by_everybody(
    site: Site, browser: Browser, language: str, scheme: str, width: int
) -> None:
    session = site.a.sessions[Role.ADMIN]
    with visiting(browser, site.url, session, language=language, scheme=scheme, width=width) as visitor:
        for address in (f"/desk/{site.a.slug}", "/sign-in", "/invitations/x"):
            visitor.open(address)
            assert visitor.serious_findings() == []
            assert visitor.overflow() == 0, address


@pytest.mark.parametrize(("scheme", "width"), list(product(("light", "dark"), WIDTHS)))
def test_each_component_can_be_used_by_everybody(site: Site, browser: Browser, scheme: str, width: int) -> None:
    with visiting(browser, site.url, scheme=scheme, width=width) as visitor:
        components(visitor)
        assert visitor.serious_findings() == []
        assert visitor.overflow() == 0
