"""The desk as a person sees it: a real Chromium, driven by Playwright, that says what went wrong on a page."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Page,
    Request,
    TimeoutError,
    expect,
    sync_playwright,
)

from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines_tests.support.needs import IN_CI
from invoice_pipelines_tests.support.sizes import AT_FULL_SIZE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
"""The shell, where it is installed, takes half of the time: it makes no windows for nobody to see."""
ONLY_HERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost"
AXE = (Path(__file__).parent / "vendored" / "axe.min.js").read_text("utf-8")
# Each rule has its impact. What is right would be described as well, and more at length; what is preloaded serves rules
# that are not asked for. All of that takes longer than the rules.
EXAMINE = """async () => {
    const minor = axe._audit.rules.filter((rule) => !["serious", "critical"].includes(rule.impact));
    return (await axe.run({
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
        rules: Object.fromEntries(minor.map((rule) => [rule.id, { enabled: false }])),
        resultTypes: ["violations"],
        preload: false,
    })).violations;
}"""
FORGET = "try { localStorage.clear(); sessionStorage.clear(); } catch { /* a page of nowhere keeps nothing */ }"
LAPTOP = 1280
WIDTHS = (360, LAPTOP, 2560)
"""In which pages are looked at: a telephone, a laptop, a large screen."""

PATIENCE = 15_000
"""Milliseconds: for machines that do other things as well; most of it is not waited for."""
expect.set_options(timeout=PATIENCE)

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and not IN_CI,
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
            _left.clear()
            browser.close()


_left: dict[tuple[Browser, str, bool], list[Page]] = {}
"""Pages that visitors of a browser, of a language, with scripts or without, have left. A page takes longer to make than
most of what is done on it, and the next visitor finds style sheets and scripts that are loaded.
"""


class Visitor:
    """A person at the desk. What the browser complains of is kept, and `page` is for whatever they do there."""

    def __init__(self, page: Page, url: str, name: str = "", *, is_examined: bool = True) -> None:
        self.url = url
        self._is_examined = is_examined
        self._name = name
        self.page = page
        self.context: BrowserContext = page.context
        self.complaints: list[str] = []
        self._listeners: list[tuple[Any, Callable[[Any], object]]] = []
        self._examiner: CDPSession | None = None
        self.context.on("request", self._note_elsewhere)
        self.when("console", lambda said: self.complaints.append(f"console: {said.text} {_place(said)}"))
        self.when("pageerror", lambda error: self.complaints.append(f"script: {error}"))

    def when(self, happened: Literal["console", "dialog", "pageerror"], listener: Callable[[Any], object]) -> None:
        """Calls the listener whenever this happens on the page, until the visitor leaves."""
        self._listeners.append((happened, listener))
        self.page.on(happened, listener)

    def leave(self) -> None:
        """Closes the page, as by closing the window, and leaves nothing behind for the next visitor."""
        for tab in self.context.pages:
            if tab is not self.page:
                tab.close()
        self.page.unroute_all()
        self.page.evaluate(FORGET)
        if self._examiner is not None:
            self._examiner.detach()
        self.page.goto("about:blank")
        self.context.clear_cookies()
        self.context.remove_listener("request", self._note_elsewhere)
        for happened, listener in self._listeners:
            self.page.remove_listener(happened, listener)

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
        """Whether a text stands on the page, or on the one that a click leads to."""
        try:
            self.page.get_by_text(text).first.wait_for(timeout=PATIENCE)
        except TimeoutError:
            return False
        return True

    def serious_findings(self) -> list[str]:
        """What axe-core finds on the page that keeps people from using it (WCAG 2.2 AA)."""
        if not self._is_examined:
            return []
        self.page.wait_for_load_state("load")  # a click may have led to a page that has no style yet
        if self._examiner is None:
            self.page.evaluate(AXE)
            self._examiner = self.context.new_cdp_session(self.page)
            self._examiner.send("Page.enable")
            # The pages that follow have it from the start, which takes a tenth of the time.
            self._examiner.send("Page.addScriptToEvaluateOnNewDocument", {"source": AXE})
        found: list[dict[str, Any]] = self.page.evaluate(EXAMINE)
        return [
            f"{wrong['id']}: {node['html'][:200]}: {node['failureSummary'][:300]}"
            for wrong in found
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
    is_new: bool = False,
) -> Iterator[Visitor]:
    """A visitor who is signed in by the secret of a session, and knows nothing of earlier ones. Fails at the end of the
    block if the browser complained of anything. Whoever gives the browser what lasts, such as a permission or a script
    for all pages, has a new one that nobody gets afterwards.

    A test that asks for one width after the other has the pages examined by axe-core in the narrowest, where all
    has to find its place; in the others as well with TESTS_AT_FULL_SIZE.
    """
    is_examined = width in (None, WIDTHS[0]) or AT_FULL_SIZE
    width = width or LAPTOP
    left = _left.setdefault((browser, language, scripts), [])
    page = (
        left.pop()
        if left and not is_new
        else browser.new_context(locale=language, java_script_enabled=scripts, reduced_motion="reduce").new_page()
    )
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    # Chromium takes secure cookies from http://localhost as well, and from no other address without TLS.
    visitor = Visitor(
        page, url.replace("127.0.0.1", "localhost"), f"-{language}-{scheme}-{width}", is_examined=is_examined
    )
    if session is not None:
        visitor.be(session)
    is_left = False
    try:
        yield visitor
        assert visitor.complaints == [], visitor.complaints
        if not is_new:
            visitor.leave()
            left.append(page)
            is_left = True
    finally:
        if not is_left:
            page.context.close()
