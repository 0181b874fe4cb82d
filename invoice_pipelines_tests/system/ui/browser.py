"""A browser without a window, in which tests click as people do: Chromium, through its DevTools protocol."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from invoice_pipelines_tests.support.desk.visitors import CHROMIUM
from invoice_pipelines_tests.support.waiting import wait_for

PLACE = """(async () => {
    const [css, text] = %s;
    const found = [...document.querySelectorAll(css)].filter(e => !text || e.innerText?.trim() === text).at(-1);
    if (!found || found.closest("button")?.disabled) return null;
    const before = found.getBoundingClientRect();
    await new Promise(done => setTimeout(done, 300));
    const box = found.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
    if (box.x != before.x || box.y != before.y) return null;
    const hit = document.elementFromPoint(x, y);
    return hit && (found.contains(hit) || hit.contains(found)) ? [x, y] : null;
})()"""
"""The middle of the last element with a text, once it does not move and nothing covers it."""


class Page:
    """A page. Whatever is done to it waits until it can be done."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._asked = 0

    def ask(self, method: str, **parameters: Any) -> Any:
        """What the browser answers."""
        self._asked += 1
        self._connection.send(json.dumps({"id": self._asked, "method": method, "params": parameters}))
        while (answer := json.loads(self._connection.recv(timeout=60))).get("id") != self._asked:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def look(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)["result"].get(
            "value"
        )

    def open(self, url: str) -> None:
        self.ask("Page.navigate", url=url)

    def see(self, text: str) -> None:
        """Waits until a text stands on the page."""
        wait_for(f"{text!r} on the page", lambda: self.look(f"document.body?.innerText.includes({json.dumps(text)})"))

    def click(self, text: str = "", *, css: str = "*") -> None:
        """Clicks the last element with a text."""
        expression = PLACE % json.dumps([css, text])
        x, y = wait_for(f"{text or css} to click", lambda: self.look(expression))
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def paste(self, text: str) -> None:
        """Puts a text where the cursor is."""
        self.ask("Input.insertText", text=text)


@contextmanager
def browsing(profile: Path) -> Iterator[Page]:
    """An empty page of a browser that ends with the block."""
    assert CHROMIUM is not None
    options = ["--headless=new", "--no-sandbox", "--remote-debugging-port=0", "--window-size=1400,1400"]
    process = subprocess.Popen(
        [CHROMIUM, *options, f"--user-data-dir={profile}"], stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        file = profile / "DevToolsActivePort"
        port = wait_for("the browser", lambda: file.exists() and file.read_text().split("\n")[0])
        request = urllib.request.Request(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=60) as answer:
            page = json.load(answer)["webSocketDebuggerUrl"]
        with connect(page, max_size=None, open_timeout=60) as connection:
            yield Page(connection)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # Debian's is a script that starts it: both end
        process.wait(30)
