"""A scan goes through: its pages are recognized once, kept, and parsed from what was kept, now and ever after."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pypdfium2
import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.intake.documents.ocr import recognizer, rendering
from invoice_pipelines.intake.documents.ocr.engine import (
    EngineSpec,
    EngineUnavailable,
    PageError,
    PageImage,
    RecognizedPage,
    RecognizedWord,
)
from invoice_pipelines.intake.documents.ocr.rendering import render_pages
from invoice_pipelines.intake.documents.text_layer.page.words import read_pages
from invoice_pipelines.intake.received_invoices import retry_failed
from invoice_pipelines.intake.stages.asked_uploads import process_uploads
from invoice_pipelines.intake.stages.stages import parse_uploads, recognize_pages
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.reading import read_all

EXAMPLES = PROJECT / "examples"
PAPER = EXAMPLES / "nordwind-handel" / "RE-2026-0042 Sonnenkorn.pdf"
RAPIDOCR = EngineSpec("rapidocr", threads=2)
A4 = (595, 842)


def picture_of(pdf: Path, dpi: int = 150) -> Image.Image:
    with pypdfium2.PdfDocument(pdf.read_bytes()) as document:
        return document[0].render(scale=dpi / 72, grayscale=True).to_pil()


def as_jpeg(image: Image.Image, dpi: int = 150) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80, dpi=(dpi, dpi))
    return buffer.getvalue()


def as_scan(*pages: Image.Image | str) -> bytes:
    """A PDF whose pages are pictures, or text where a text is given."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1)
    for page in pages:
        if isinstance(page, str):
            canvas.drawString(70, 700, page)
        else:
            canvas.drawImage(ImageReader(page), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def kept_pages(desk: IntakeDesk) -> int:
    return int(desk.one("select count(*) from intake.ocr_page"))


def status(desk: IntakeDesk, upload_id: UUID) -> str:
    return str(desk.one("select status from intake.received_invoice where upload_id = :id", id=upload_id))


@pytest.fixture(scope="module")
def paper() -> Image.Image:
    return picture_of(PAPER)


@pytest.fixture(scope="module")
def as_recognized(paper: Image.Image) -> RecognizedPage:
    """What a perfect engine reads on the paper: its text layer, in pixels."""
    (page,) = read_pages(PAPER.read_bytes(), Limits())
    scale = paper.width / page.width
    words = (RecognizedWord(word.text, tuple(side * scale for side in word.box), 1.0) for word in page.words)
    return RecognizedPage(tuple(words), paper.width, paper.height)


class CountingEngine:
    """Stands where the engine stands, and does as it is told; everything around it is real."""

    def __init__(self, results: list[RecognizedPage | PageError | Exception]) -> None:
        self.results = results
        self.asked = 0

    def recognize(self, images: Iterator[object]) -> Iterator[RecognizedPage | PageError]:
        for _ in images:
            self.asked += 1
            result = self.results[min(self.asked, len(self.results)) - 1]
            if isinstance(result, Exception):
                raise result
            yield result


@pytest.fixture
def engine_that_gives(monkeypatch: pytest.MonkeyPatch):
    def install(*results: RecognizedPage | PageError | Exception) -> CountingEngine:
        from contextlib import contextmanager

        engine = CountingEngine(list(results))

        @contextmanager
        def opened(spec: EngineSpec, processes: int) -> Iterator[CountingEngine]:
            yield engine

        monkeypatch.setattr(recognizer, "open_recognizer", opened)
        return engine

    return install


def assert_the_paper_was_read(desk: IntakeDesk, form: str) -> None:
    (row,) = desk.rows("select status, source, format, invoice_number, gross_amount from intake.received_invoice")
    assert tuple(row) == ("PARSED", "ocr", form, "2026-0042", Decimal("669.21"))


@pytest.mark.parametrize("engine", ["tesseract", pytest.param("rapidocr", marks=pytest.mark.slow)])
def test_a_scan_with_a_page_of_text_becomes_an_invoice(desk: IntakeDesk, paper: Image.Image, engine: str) -> None:
    desk.upload(as_scan(paper, "Anlage: Stundennachweis, geprüft und unterschrieben"), "scan.pdf")
    report = read_all(desk.intake(ocr=EngineSpec(engine, threads=2)))
    assert (report.succeeded, report.skipped, report.failed) == (1, 0, 0)
    assert_the_paper_was_read(desk, "PDF")
    pages = desk.one("select raw_json from intake.received_invoice")["pages"]
    assert pages[0]["engine"].startswith(engine)
    assert pages[1]["engine"] is None, "a page with a text layer is never sent to OCR"
    assert report.recognition is not None
    assert report.recognition.recognized == kept_pages(desk) == 1
    assert (
        desk.rows(
            "select 1 from work.batch_item where status in ('pending', 'processing') and kind <> 'validate_invoice'"
        )
        == []
    )


def test_reading_again_costs_no_ocr(
    desk: IntakeDesk, paper: Image.Image, as_recognized: RecognizedPage, engine_that_gives
) -> None:
    upload_id = desk.upload(as_jpeg(paper), "IMG_1.JPG")
    engine_that_gives(as_recognized)
    read_all(desk.intake(ocr=RAPIDOCR))
    assert kept_pages(desk) == 1
    assert_the_paper_was_read(desk, "PICTURE")
    desk.behind("update intake.received_invoice set status = 'FAILED' where organization_id = :organization")
    with desk.scope() as connection:
        retry_failed(connection)
    engine = engine_that_gives(EngineUnavailable("must not be asked"))
    report = read_all(desk.intake(ocr=RAPIDOCR))
    assert (engine.asked, status(desk, upload_id), report.recognition) == (0, "PARSED", None)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of pages of PDFs as they are drawn."""
    numbers: list[int] = []

    def draw(data: bytes, wanted: Sequence[int], limits: Limits) -> Iterator[PageImage]:
        for number, image in zip(wanted, render_pages(data, wanted, limits), strict=True):
            numbers.append(number)
            yield image

    monkeypatch.setattr(rendering, "render_pages", draw)
    return numbers


def test_a_page_is_drawn_once_from_upload_to_invoice(
    desk: IntakeDesk, paper: Image.Image, as_recognized: RecognizedPage, engine_that_gives, drawn: list[int]
) -> None:
    upload_id = desk.upload(as_scan(paper, paper.rotate(180)), "scan.pdf")
    engine_that_gives(as_recognized)
    read_all(desk.intake(ocr=RAPIDOCR))
    assert (status(desk, upload_id), drawn) == ("PARSED", [1, 2])


def test_a_scan_is_parsed_without_its_pages_being_drawn_again_whoever_parses_it(
    desk: IntakeDesk, paper: Image.Image, as_recognized: RecognizedPage, engine_that_gives, drawn: list[int]
) -> None:
    upload_id = desk.upload(as_scan(paper), "scan.pdf")
    engine_that_gives(as_recognized)
    parse_uploads(desk.intake(ocr=RAPIDOCR))
    recognize_pages(desk.intake(ocr=RAPIDOCR))
    drawn.clear()
    desk.behind("update intake.received_invoice set status = 'FAILED' where organization_id = :organization")
    with desk.scope() as connection:
        retry_failed(connection)
    parse_uploads(desk.intake(ocr=RAPIDOCR))
    assert (status(desk, upload_id), drawn) == ("PARSED", [])


def test_scans_that_wait_for_an_engine_that_is_switched_off_fail_as_those_that_come_then(
    desk: IntakeDesk, paper: Image.Image
) -> None:
    upload_id = desk.upload(as_scan(paper), "scan.pdf")
    parse_uploads(desk.intake(ocr=RAPIDOCR))
    assert status(desk, upload_id) == "UPLOADED"
    read_all(desk.intake(ocr=None))
    assert desk.rows("select code from intake.processing_error") == [("PDF_NO_TEXT_LAYER",)]
    assert desk.one("select count(*) from work.batch_item where status in ('pending', 'processing')") == 0


def test_a_new_document_whose_page_was_read_in_another_costs_no_ocr(
    desk: IntakeDesk, paper: Image.Image, as_recognized: RecognizedPage, engine_that_gives
) -> None:
    desk.upload(as_jpeg(paper), "IMG_1.JPG")
    engine_that_gives(as_recognized)
    read_all(desk.intake(ocr=RAPIDOCR))
    again = desk.upload(as_jpeg(paper, dpi=151), "IMG_2.JPG")
    engine = engine_that_gives(EngineUnavailable("must not be asked"))
    report = read_all(desk.intake(ocr=RAPIDOCR))
    assert (engine.asked, status(desk, again), kept_pages(desk)) == (0, "PARSED", 1)
    assert report.recognition is not None
    assert (report.recognition.recognized, report.recognition.known) == (0, 1)


def test_a_document_that_fails_on_the_way_counts_once(
    desk: IntakeDesk, paper: Image.Image, as_recognized: RecognizedPage, engine_that_gives
) -> None:
    damaged = desk.upload(as_jpeg(paper)[:2000], "cut off.jpg")
    unreadable = desk.upload(as_scan(paper), "scan.pdf")
    engine_that_gives(PageError("BAD_PICTURE", "The picture is damaged.", retry=False))
    report = read_all(desk.intake(ocr=RAPIDOCR))
    assert (report.succeeded, report.skipped, report.failed) == (0, 0, 2)
    assert (status(desk, damaged), status(desk, unreadable)) == ("FAILED", "FAILED")
    assert set(desk.rows("select code from intake.processing_error")) == {("PICTURE_DAMAGED",), ("BAD_PICTURE",)}


def test_while_the_engine_is_away_scans_wait_and_all_else_goes_on(
    desk: IntakeDesk, paper: Image.Image, engine_that_gives
) -> None:
    scan = desk.upload(as_jpeg(paper), "IMG_1.JPG")
    text = desk.upload(PAPER.read_bytes(), "paper.pdf")
    engine_that_gives(EngineUnavailable("The service is down; try later."))
    report = read_all(desk.intake(ocr=RAPIDOCR, max_attempts=1))
    assert report.recognition is not None
    assert report.recognition.unavailable == "The service is down; try later."
    assert (status(desk, scan), status(desk, text)) == ("UPLOADED", "PARSED")
    assert desk.one("select status from work.batch_item where kind = 'recognize_upload'") == "pending"


def test_a_page_that_cannot_be_read_fails_its_document_by_number(
    desk: IntakeDesk, paper: Image.Image, engine_that_gives
) -> None:
    upload_id = desk.upload(as_scan(paper, paper.rotate(180)), "scan.pdf")
    good = PageError("BAD_PICTURE", "The picture is damaged.", retry=False)
    engine_that_gives(good)
    read_all(desk.intake(ocr=RAPIDOCR))
    assert status(desk, upload_id) == "FAILED"
    assert desk.one("select message from intake.processing_error") == "Page 1: The picture is damaged."


def test_a_page_that_may_be_read_later_is_tried_so_often_and_then_fails(
    desk: IntakeDesk, paper: Image.Image, engine_that_gives
) -> None:
    upload_id = desk.upload(as_jpeg(paper), "IMG_1.JPG")
    engine_that_gives(PageError("OCR_DIED", "The process died.", retry=True))
    for attempt in (1, 2):
        read_all(desk.intake(ocr=RAPIDOCR, max_attempts=2))
        assert status(desk, upload_id) == ("UPLOADED" if attempt == 1 else "FAILED")
        desk.let_pauses_pass()


def test_without_an_engine_a_picture_says_so(desk: IntakeDesk, paper: Image.Image) -> None:
    desk.upload(as_jpeg(paper), "IMG_1.JPG")
    desk.upload(as_scan(paper), "scan.pdf")
    parse_uploads(desk.intake())
    assert set(desk.rows("select code from intake.processing_error")) == {("NO_OCR_ENGINE",), ("PDF_NO_TEXT_LAYER",)}


def test_a_blank_page_is_no_reason_for_ocr(desk: IntakeDesk, engine_that_gives) -> None:
    engine = engine_that_gives(EngineUnavailable("must not be asked"))
    reader = pypdfium2.PdfDocument(PAPER.read_bytes())
    reader.new_page(*A4)
    buffer = io.BytesIO()
    reader.save(buffer)
    upload_id = desk.upload(buffer.getvalue(), "with a blank page.pdf")
    read_all(desk.intake(ocr=RAPIDOCR))
    assert (engine.asked, status(desk, upload_id)) == (0, "PARSED")


def test_uploads_that_are_asked_for_by_hand_are_recognized_first(
    desk: IntakeDesk, paper: Image.Image, as_recognized: RecognizedPage, engine_that_gives
) -> None:
    engine_that_gives(as_recognized)
    upload_id = desk.upload(as_jpeg(paper), "IMG_1.JPG")
    _, report = process_uploads(desk.intake(ocr=RAPIDOCR), [upload_id])
    assert report.done == 1
    assert status(desk, upload_id) not in ("UPLOADED", "FAILED")
    assert kept_pages(desk) == 1


def test_two_organizations_do_not_share_what_was_read(
    desk: IntakeDesk, other_desk: IntakeDesk, paper: Image.Image, as_recognized: RecognizedPage, engine_that_gives
) -> None:
    engine_that_gives(as_recognized)
    desk.upload(as_jpeg(paper), "IMG_1.JPG")
    read_all(desk.intake(ocr=RAPIDOCR))
    assert (kept_pages(desk), kept_pages(other_desk)) == (1, 0)
