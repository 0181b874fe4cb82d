"""The desk as a person sees it: a real Chromium, driven by Playwright, that says what went wrong on a page."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines_tests.support.sizes import AT_FULL_SIZE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
"""The shell, where it is installed, takes half of the time: it makes no windows for nobody to see."""
ONLY_HERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost"
AXE = Path(__file__).parent / "vendored" / "axe.min.js"
LAPTOP = 1280
WIDTHS = (360, LAPTOP, 2560)
"""In which pages are looked at: a telephone, a laptop, a large screen."""

expect.set_options(timeout=15_000)  # for machines that do other things as well; most of it is not waited for

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and os.environ.get("CI") != "true",
    reason="needs Chromium; on Debian: apt install chromium-headless-shell",
)
"""For tests with a browser; CI, which installs one, fails without it."""


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A browser without a window, for as long as the block lasts."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", ONLY_HERE])
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """A person at the desk. What the browser complains of is kept, and `page` is for whatever they do there."""

    def __init__(self, context: BrowserContext, url: str, name: str = "", *, is_examined: bool = True) -> None:
        self.url = url
        self._is_examined = is_examined
        self._name = name
        self.context = context
        self.complaints: list[str] = []
        context.on("request", self._note_elsewhere)
        self.page: Page = context.new_page()
        self.page.on("console", lambda said: self.complaints.append(f"console: {said.text} {_place(said)}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))

    def open(self, address: str) -> None:
        """Goes to a page of the desk."""
        self.page.goto(self.url + address)
        if folder := os.environ.get("DESK_PICTURES"):
            self.picture(Path(folder) / f"{re.sub('[^a-z]+', '-', address)[-60:]}{self._name}.png")

    def picture(self, file: Path) -> None:
        """Takes a picture of the whole page. With DESK_PICTURES=FOLDER, of each page that is opened."""
        self.page.screenshot(path=file, full_page=True)

    def be(self, session: str) -> None:
        """Gets the cookie of a session, as from a page where somebody signed in."""
        self.context.add_cookies(
            [
                {
                    "name": SESSION_COOKIE,
                    "value": session,
                    "domain": "localhost",
                    "path": "/",
                    "secure": True,
                    "httpOnly": True,
                    "sameSite": "Lax",
                }
            ]
        )

    def sees(self, text: str) -> bool:
        """Whether a text stands on the page."""
        return self.page.get_by_text(text).first.is_visible()

    def serious_findings(self) -> list[str]:
        """What axe-core finds on the page that keeps people from using it (WCAG 2.2 AA)."""
        if not self._is_examined:
            return []
        self.page.wait_for_load_state("load")  # a click may have led to a page that has no style yet
        self.page.evaluate(AXE.read_text("utf-8"))
        # What is right, which axe would describe as well, and more at length, takes six times as long to tell.
        found: list[dict[str, Any]] = self.page.evaluate(
            """async () => (await axe.run({
                runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
                resultTypes: ["violations"],
            })).violations"""
        )
        return [
            f"{wrong['id']}: {node['html'][:200]}: {node['failureSummary'][:300]}"
            for wrong in found
            if wrong["impact"] in ("serious", "critical")
            for node in wrong["nodes"][:3]
        ]

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        found: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return found

    def _note_elsewhere(self, request: Request) -> None:
        if urlsplit(request.url).netloc not in ("", urlsplit(self.url).netloc):  # none: data of the page itself
            self.complaints.append(f"went elsewhere: {request.url}")


def _place(said: ConsoleMessage) -> str:
    """Of which file the console says something."""
    return str(said.location.get("url", ""))


@contextmanager
def visiting(
    browser: Browser,
    url: str,
    session: str | None = None,
    *,
    language: str = "en",
    scheme: str = "light",
    width: int | None = None,
    scripts: bool = True,
) -> Iterator[Visitor]:
    """A visitor with a browser of their own, who is signed in by the secret of a session. Fails at the end of the block
    if the browser complained of anything.

    A test that asks for one width after the other has the pages examined by axe-core in the narrowest, where all
    has to find its place; in the others as well with TESTS_AT_FULL_SIZE.
    """
    is_examined = width in (None, WIDTHS[0]) or AT_FULL_SIZE
    width = width or LAPTOP
    context = browser.new_context(
        locale=language,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 900},
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )
    # Chromium takes secure cookies from http://localhost as well, and from no other address without TLS.
    visitor = Visitor(
        context, url.replace("127.0.0.1", "localhost"), f"-{language}-{scheme}-{width}", is_examined=is_examined
    )
    if session is not None:
        visitor.be(session)
    try:
        yield visitor
        assert visitor.complaints == [], visitor.complaints
    finally:
        context.close()
