"""What the light engine reads, and that it says what is missing."""

from __future__ import annotations

import sys

import pytest
from PIL import Image

from invoice_pipelines.intake.documents.ocr.engine import (
    EngineSpec,
    EngineUnavailable,
    PageError,
    PageImage,
    RecognizedPage,
)
from invoice_pipelines.intake.documents.ocr.engines import identify
from invoice_pipelines.intake.documents.ocr.self_check import check_reading, share_read
from invoice_pipelines.intake.documents.ocr.tesseract import TesseractEngine
from invoice_pipelines_tests.support.intake.documents.ocr import drawn

pytest.importorskip("tesserocr", reason="the extra `tesseract` is not installed")


@pytest.fixture(scope="module")
def engine() -> TesseractEngine:
    return TesseractEngine(EngineSpec("tesseract"))


def read(engine: TesseractEngine, image: Image.Image) -> RecognizedPage:
    (page,) = engine.recognize([PageImage(image, dpi=200.0)])
    assert not isinstance(page, PageError)
    return page


def test_the_self_check_reads_its_picture(engine: TesseractEngine) -> None:
    check_reading(engine)


def test_german_text_and_digits_are_read(engine: TesseractEngine) -> None:
    picture = drawn.lines_picture(drawn.INVOICE)
    page = read(engine, picture)
    text = drawn.squeezed(word.text for word in page.words)
    assert share_read(text, drawn.squeezed(drawn.INVOICE)) >= 0.95
    assert "Müßiggang" in text
    assert all(0 <= word.box[0] < word.box[2] <= picture.width for word in page.words)
    assert all(0 <= word.box[1] < word.box[3] <= picture.height for word in page.words)
    assert all(0 <= word.confidence <= 1 for word in page.words)


@pytest.mark.parametrize(
    ("turn", "back"), [(Image.Transpose.ROTATE_270, 3), (Image.Transpose.ROTATE_180, 2), (Image.Transpose.ROTATE_90, 1)]
)
def test_a_turned_page_is_read_upright(engine: TesseractEngine, turn: Image.Transpose, back: int) -> None:
    upright = drawn.lines_picture(drawn.SHORT, width=560)
    page = read(engine, upright.transpose(turn))
    assert page.quarter_turns == back
    assert (page.width, page.height) == upright.size
    assert "Gesamtbetrag" in {word.text for word in page.words}


def test_a_blank_page_has_no_words(engine: TesseractEngine) -> None:
    assert read(engine, Image.new("L", (800, 1000), 255)).words == ()


def test_languages_are_part_of_what_a_page_is_known_by() -> None:
    german, both = (identify(EngineSpec("tesseract", languages)) for languages in (("de",), ("de", "en", "fr")))
    assert german != both
    assert identify(EngineSpec("tesseract")) == german


def test_threads_are_not() -> None:
    assert identify(EngineSpec("rapidocr", threads=1)) == identify(EngineSpec("rapidocr", threads=2))


def test_an_engine_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tesserocr", None)
    with pytest.raises(EngineUnavailable, match=r"invoice-pipelines\[tesseract\]"):
        TesseractEngine(EngineSpec("tesseract")).recognize([])
