"""Turns pages of a PDF into words and pictures, within bounds of pixels, memory and time.

PDFium works in a process that stays for the next document, and is ended when a document harms it: PDFs can be made to
draw for ever, to fill the memory, or to crash what reads them, and nothing can stop that from within.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ParamSpec, TypeVar

from PIL import Image

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.ocr.engine import PageImage
from invoice_pipelines.intake.documents.text_layer.page.words import Page, read_pages
from invoice_pipelines.processes import Child, ChildEnded

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
    from invoice_pipelines.intake.documents.ocr.drawing import draw_pages  # loads pypdf

    with _process() as process:
        left = RENDER_SECONDS + len(numbers)
        _tell(process, (draw_pages, (data, tuple(numbers), limits)), READ_SECONDS)
        _answer(process, "The PDF", READ_SECONDS)
        for number in numbers:
            began = time.monotonic()
            _tell(process, None, left)
            mode, size, pixels, dpi = _answer(process, f"Page {number}", left)
            left = max(left - (time.monotonic() - began), 1.0)
            yield PageImage(Image.frombytes(mode, size, pixels), dpi)


def read_pages_apart(data: bytes, limits: Limits) -> tuple[Page, ...]:
    """Calls `read_pages` in another process. Raises ReadingError with its codes, and PDF_TOO_COMPLEX."""
    with begin_apart(read_pages, data, limits) as answer:
        return answer()


@contextmanager
def begin_apart(function: Callable[P, T], *arguments: P.args, **none: P.kwargs) -> Iterator[Callable[[], T]]:
    """Has a function of a module, which lets PDFium loose on a PDF, called in another process.

    Gives what waits for its answer, which may be left out. That raises ReadingError: what the function raises, and
    PDF_TOO_COMPLEX.
    """
    with _process() as process:
        _tell(process, (function, arguments), READ_SECONDS)
        waiting = True

        def answer() -> T:
            nonlocal waiting
            waiting = False
            result: T = _answer(process, "The PDF", READ_SECONDS)
            return result

        try:
            yield answer
        finally:
            if waiting:  # or the next one would get it
                with suppress(ReadingError):
                    answer()


def _tell(process: Child, order: Any, seconds: float) -> None:
    with suppress(ChildEnded):  # asking for the answer says so
        process.tell(order, seconds)


def _answer(process: Child, what: str, seconds: float) -> Any:
    """Raises ReadingError with the reason why there is none."""
    try:
        result, refusal = process.answer(seconds)
    except ChildEnded as ended:
        reason = (
            f"takes more than {seconds:.0f} seconds to read"
            if ended.too_slow
            else "cannot be read within the memory it may have"
        )
        raise ReadingError("PDF_TOO_COMPLEX", f"{what} {reason}. Print it to a new PDF, or send a scan.") from None
    if isinstance(refusal, str):
        raise RuntimeError(refusal)
    if refusal is not None:
        raise ReadingError(*refusal)
    return result


_idle: queue.SimpleQueue[Child] = queue.SimpleQueue()
"""Processes that nobody uses: one for each document that was ever rendered at the same time."""


@contextmanager
def _process() -> Iterator[Child]:
    """A process for one document."""
    process = _idle_process() or Child(_MODULE)
    try:
        yield process
    finally:
        if process.is_usable:
            _idle.put(process)
        else:
            process.end()


def _idle_process() -> Child | None:
    with suppress(queue.Empty):
        while True:
            process = _idle.get_nowait()
            if process.is_usable:
                return process
            process.end()
    return None
