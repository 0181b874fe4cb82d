"""That pages of a PDF become pictures as they are shown, and what is made to harm is refused with a reason."""

from __future__ import annotations

import ctypes
import signal
import time
from collections.abc import Sequence

import pytest
from PIL import ImageStat

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.intake.documents.ocr.engine import PageImage
from invoice_pipelines.intake.documents.ocr.rendering import begin_apart, read_pages_apart, render_pages
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw
from invoice_pipelines_tests.unit.intake.documents.ocr import hostile

PDF = draw([(72, 100, "Rechnung 1")], [(72, 100, "Seite 2")], [(72, 100, "Seite 3")])


def rendered(data: bytes, numbers: Sequence[int] = (1,), limits: Limits | None = None) -> list[PageImage]:
    return list(render_pages(data, numbers, limits or Limits()))


def refusal(data: bytes, limits: Limits | None = None) -> ReadingError:
    with pytest.raises(ReadingError) as error:
        rendered(data, limits=limits)
    return error.value


def darkness(page: PageImage) -> float:
    return 255 - ImageStat.Stat(page.image).mean[0]


def test_an_a4_page_has_200_dots_per_inch_and_is_grey() -> None:
    (page,) = rendered(PDF)
    assert (page.image.mode, page.image.size, page.dpi) == ("L", (1654, 2339), 200.0)
    assert 0.05 < darkness(page) < 10


def test_the_pages_asked_for_come_in_the_order_asked_for() -> None:
    one, two, three = rendered(PDF, [1, 2, 3])
    again = rendered(PDF, [3, 1])
    assert [page.image.tobytes() for page in again] == [three.image.tobytes(), one.image.tobytes()]
    assert two.image.tobytes() != three.image.tobytes()


def test_a_page_that_is_shown_turned_is_rendered_turned() -> None:
    turned = draw([(72, 100, "Rechnung")], rotation=90)  # a page that lies, and is turned to stand
    (standing,), (lying,) = rendered(turned), rendered(turned.replace(b"/Rotate 90", b"/Rotate 0 "))
    assert standing.image.size == (1654, 2339)
    assert lying.image.size == (2339, 1654)


def test_one_page_is_rendered_at_a_time() -> None:
    pages = render_pages(PDF, [1, 2, 99], Limits())
    next(pages)
    next(pages)
    with pytest.raises(ReadingError, match="Page 99"):
        next(pages)


@pytest.mark.parametrize("size", [(14_400, 14_400), (1_000_000, 10), (200_000_000, 200_000_000)])
def test_a_huge_page_is_rendered_smaller(size: tuple[int, int]) -> None:
    (page,) = rendered(hostile.pdf_page(b"", box=size))
    assert page.image.width * page.image.height <= 16_100_000
    assert page.dpi is not None
    assert page.dpi < 200


@pytest.mark.parametrize("kind", ["picture", "mask", "picture in a form", "inline picture"])
def test_a_huge_picture_is_refused_before_it_is_unpacked(kind: str) -> None:
    side = 30_000 if kind == "inline picture" else 13_000
    began = time.process_time()
    error = refusal(hostile.pdf_with_bomb(kind, side, side))
    # What stands among the drawing itself is only seen once it is being unpacked, in a process with little memory.
    assert error.code == ("PDF_TOO_COMPLEX" if kind == "inline picture" else "PICTURE_TOO_LARGE")
    assert "Page 1" in error.message
    assert time.process_time() - began < 5


def test_a_page_made_to_be_drawn_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invoice_pipelines.intake.documents.ocr.rendering.RENDER_SECONDS", 0.3)
    content = b"/G gs 0 0 595 842 re f " * 40_000
    began = time.monotonic()
    error = refusal(hostile.pdf_page(content, resources=b"/ExtGState<</G<</ca 0.5/BM/Luminosity>>>>"))
    assert error.code == "PDF_TOO_COMPLEX"
    assert time.monotonic() - began < 30


SS_DISABLE = 2


class Interrupted(Exception):
    """Raised by a signal, as Dagster does when a run is ended."""


def test_what_is_asked_after_an_interruption_gets_its_own_answer() -> None:
    def interrupt(*_: object) -> None:
        raise Interrupted

    rendered(PDF)  # a process runs
    # An OCR engine that another test has loaded leaves a signal stack on which no signal has room: the process dies.
    ctypes.CDLL(None).sigaltstack((ctypes.c_size_t * 3)(0, SS_DISABLE, 0), None)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Interrupted), begin_apart(time.sleep, 0.4) as answer:
            answer()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(read_pages_apart(PDF, Limits())) == 3
