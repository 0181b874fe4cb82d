"""Turns pages of a PDF into words and pictures, within bounds of pixels, memory and time.

PDFium works in a process that stays for the next document, and is ended when a document harms it: PDFs can be made to
draw for ever, to fill the memory, or to crash what reads them, and nothing can stop that from within.
"""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ParamSpec, TypeVar

from PIL import Image

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.ocr.engine import PageImage
from invoice_pipelines.intake.documents.text_layer.page.words import Page, read_pages
from invoice_pipelines.processes import end_process, receive, send, start_process

READ_SECONDS = 30.0
"""For the words of all pages. 2,000 pages take 12."""

RENDER_SECONDS = 15.0
"""For drawing the pages asked for, and one more for each of them. A dense page takes 0.1."""

P = ParamSpec("P")
T = TypeVar("T")

_MODULE = "invoice_pipelines.intake.documents.ocr.rendering_process"


def render_pages(data: bytes, numbers: Sequence[int], limits: Limits) -> Iterator[PageImage]:
    """The pages with these numbers (from 1) of a PDF as grey pictures, in the order asked for.

    `dpi` of each is 200, or less where the page is larger than A2. Raises ReadingError: PDF_ENCRYPTED, PDF_DAMAGED,
    PICTURE_TOO_LARGE where pictures on a page are, PDF_TOO_COMPLEX where drawing takes too long or too much memory.
    """
    if not numbers:
        return
    renderer = _take()
    try:
        left = RENDER_SECONDS + len(numbers)
        renderer.ask(("draw", data, limits), "The PDF", READ_SECONDS)
        for number in numbers:
            began = time.monotonic()
            mode, size, pixels, dpi = renderer.ask(number, f"Page {number}", left)
            left = max(left - (time.monotonic() - began), 1.0)
            yield PageImage(Image.frombytes(mode, size, pixels), dpi)
    finally:
        _give_back(renderer)


def read_pages_apart(data: bytes, limits: Limits) -> tuple[Page, ...]:
    """What `read_pages` reads, in another process. Raises ReadingError with its codes, and PDF_TOO_COMPLEX."""
    return call_apart(read_pages, data, limits)


def call_apart(function: Callable[P, T], *arguments: P.args, **none: P.kwargs) -> T:
    """What a function of a module returns that lets PDFium loose on a PDF; called in another process.

    Raises ReadingError: what the function raises, and PDF_TOO_COMPLEX.
    """
    with begin_apart(function, *arguments, **none) as answer:
        return answer()


@contextmanager
def begin_apart(function: Callable[P, T], *arguments: P.args, **none: P.kwargs) -> Iterator[Callable[[], T]]:
    """Like `call_apart`, but it waits only when the answer is asked for, which may be left out."""
    renderer = _take()
    refused: ReadingError | None = None
    waiting = True
    try:
        renderer.tell(("call", function, arguments), "The PDF", READ_SECONDS)
    except ReadingError as error:
        refused = error

    def answer() -> T:
        nonlocal waiting
        waiting = False
        if refused is not None:
            raise refused
        result: T = renderer.answer("The PDF", READ_SECONDS)[0]
        return result

    try:
        yield answer
    finally:
        if waiting:  # or the next one would get it
            with suppress(ReadingError):
                answer()
        _give_back(renderer)


class _Renderer:
    """A process that draws, used by one document at a time."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._running: tuple[subprocess.Popen[bytes], socket.socket] | None = start_process(_MODULE)

    @property
    def is_usable(self) -> bool:
        # A forked process has a copy of this, but the other end talks to its parent.
        return self._running is not None and self.owner == os.getpid() and self._running[0].poll() is None

    def ask(self, order: Any, what: str, seconds: float) -> Any:
        """The answer to an order within that time. Raises ReadingError with the reason why there is none."""
        self.tell(order, what, seconds)
        return self.answer(what, seconds)

    def tell(self, order: Any, what: str, seconds: float) -> None:
        """Raises ReadingError."""
        with self._within(what, seconds) as connection:
            send(connection, order)

    def answer(self, what: str, seconds: float) -> Any:
        """To what it was told. Raises ReadingError."""
        with self._within(what, seconds) as connection:
            answer = receive(connection)
        if isinstance(answer, RuntimeError):
            raise answer
        if isinstance(answer, tuple) and len(answer) == 2:
            raise ReadingError(*answer)
        return answer

    @contextmanager
    def _within(self, what: str, seconds: float) -> Iterator[socket.socket]:
        assert self._running is not None
        connection = self._running[1]
        try:
            connection.settimeout(seconds)
            yield connection
        except TimeoutError:
            self.end()
            raise ReadingError(
                "PDF_TOO_COMPLEX",
                f"{what} takes more than {seconds:.0f} seconds to read. Print it to a new PDF, or send a scan.",
            ) from None
        except (EOFError, OSError):
            self.end()
            raise ReadingError(
                "PDF_TOO_COMPLEX",
                f"{what} cannot be read within the memory it may have. Print it to a new PDF, or send a scan.",
            ) from None

    def end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            end_process(*running)


_idle: queue.SimpleQueue[_Renderer] = queue.SimpleQueue()
"""Renderers of this process that nobody uses: one for each document that was ever rendered at the same time."""


def _take() -> _Renderer:
    while True:
        try:
            renderer = _idle.get_nowait()
        except queue.Empty:
            return _Renderer()
        if renderer.is_usable:
            return renderer
        if renderer.owner == os.getpid():
            renderer.end()


def _give_back(renderer: _Renderer) -> None:
    if renderer.is_usable:
        _idle.put(renderer)
