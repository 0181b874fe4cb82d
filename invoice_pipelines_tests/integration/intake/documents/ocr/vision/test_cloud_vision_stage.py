"""Scans go through the intake by Cloud Vision: paid once, kept at once, and waiting while the service is away."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageDraw
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.intake.documents.ocr.engine import RecognizedPage, RecognizedWord
from invoice_pipelines.intake.documents.ocr.vision.service import VisionSpec
from invoice_pipelines.intake.documents.text_layer.page.words import read_pages
from invoice_pipelines.workshop.sandbox.vision import VisionSandbox
from invoice_pipelines.workshop.sandbox.vision_faults import Fault
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.reading import read_all
from invoice_pipelines_tests.support.waiting import wait_for

EXAMPLES = PROJECT / "examples"
PAPER = EXAMPLES / "nordwind-handel" / "RE-2026-0042 Sonnenkorn.pdf"
A4 = (595, 842)


def text_layer(image: Image.Image) -> RecognizedPage:
    """What a perfect service reads on a scan of the paper: its text layer, in pixels."""
    (page,) = read_pages(PAPER.read_bytes(), Limits())
    scale = image.width / page.width
    words = (
        RecognizedWord(
            word.text, (word.box[0] * scale, word.box[1] * scale, word.box[2] * scale, word.box[3] * scale), 0.98
        )
        for word in page.words
    )
    return RecognizedPage(tuple(words), image.width, image.height)


def one_word(image: Image.Image) -> RecognizedPage:
    return RecognizedPage((RecognizedWord("Anlage", (100, 100, 300, 140), 0.9),), image.width, image.height)


def scan(pages: list[Image.Image], size: tuple[int, int] = (149, 210)) -> bytes:
    """Small pages, unless told otherwise: what is sent is drawn and packed for each."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=size, invariant=1)
    for page in pages:
        canvas.drawImage(ImageReader(page), 0, 0, *size)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def sheets(count: int) -> list[Image.Image]:
    """Small pages, each with another number on it."""
    made = []
    for number in range(count):
        page = Image.new("L", (150, 212), "white")
        ImageDraw.Draw(page).text((20, 20), f"Anlage {number}", fill="black", font_size=20)
        made.append(page)
    return made


@pytest.fixture
def vision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., VisionSandbox]]:
    """Starts servers; rate limits are those of the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    started: list[VisionSandbox] = []

    def start(read: Callable[[Image.Image], RecognizedPage]) -> VisionSandbox:
        started.append(VisionSandbox(read).__enter__())
        return started[-1]

    yield start
    for sandbox in started:
        sandbox.__exit__(None, None, None)


def spec_for(sandbox: VisionSandbox) -> VisionSpec:
    return VisionSpec("cloud_vision", ("de", "en"), endpoint=sandbox.endpoint, requests_per_minute=100_000)


def status(desk: IntakeDesk) -> str:
    return str(desk.one("select status from intake.received_invoice"))


def test_a_scan_becomes_an_invoice_and_its_price_is_kept(
    desk: IntakeDesk, vision: Callable[..., VisionSandbox]
) -> None:
    sandbox = vision(text_layer)
    with pypdfium2.PdfDocument(PAPER.read_bytes()) as document:
        picture = document[0].render(scale=150 / 72, grayscale=True).to_pil()
    desk.upload(scan([picture], A4), "scan.pdf")
    report = read_all(desk.intake(ocr=spec_for(sandbox)))
    (row,) = desk.rows("select status, source, invoice_number, gross_amount, raw_json from intake.received_invoice")
    assert (row.status, row.source, row.invoice_number, row.gross_amount) == (
        *("PARSED", "ocr"),
        *("2026-0042", Decimal("669.21")),
    )
    assert row.raw_json["pages"][0]["engine"] == "cloud_vision v1"
    assert desk.one("select cost_usd from intake.ocr_page") == Decimal("0.0015")
    assert report.recognition is not None
    assert report.recognition.cost_usd == Decimal("0.0015")
    assert Counter(sandbox.billed.values()) == {1: 1}


def test_a_service_that_refuses_half_way_costs_no_page_twice(
    desk: IntakeDesk, vision: Callable[..., VisionSandbox]
) -> None:
    sandbox = vision(one_word)
    desk.upload(scan(sheets(20)), "scan.pdf")
    intake = desk.intake(ocr=spec_for(sandbox), max_attempts=1)
    sandbox.fail(Fault.NO_CONFIDENCE)  # sixteen pages are answered
    sandbox.fail(Fault.UNAUTHENTICATED, 100)
    report = read_all(intake)
    assert report.recognition is not None
    assert report.recognition.unavailable is not None
    assert Fault.UNAUTHENTICATED in report.recognition.unavailable
    assert (status(desk), desk.one("select count(*) from intake.ocr_page")) == ("UPLOADED", 16)
    sandbox.heal()
    sandbox.requests.clear()
    desk.let_pauses_pass()
    read_all(intake)
    assert [request.pictures for request in sandbox.requests] == [4]
    assert desk.one("select count(*) from intake.ocr_page") == 20
    assert Counter(sandbox.billed.values()) == {1: 20}
    assert desk.one("select sum(cost_usd) from intake.ocr_page") == Decimal("0.0300")


def test_while_the_service_refuses_scans_wait_and_none_fails(
    desk: IntakeDesk, vision: Callable[..., VisionSandbox]
) -> None:
    sandbox = vision(one_word)
    sandbox.fail(Fault.PERMISSION_DENIED, 100)
    desk.upload(scan(sheets(2)), "scan.pdf")
    for _ in range(3):
        report = read_all(desk.intake(ocr=spec_for(sandbox), max_attempts=1))
        assert report.recognition is not None
        assert "enable the Cloud Vision API" in str(report.recognition.unavailable)
        assert status(desk) == "UPLOADED"
        desk.let_pauses_pass()
    assert not sandbox.billed


def test_a_page_that_the_service_refuses_fails_its_document_by_number(
    desk: IntakeDesk, vision: Callable[..., VisionSandbox]
) -> None:
    sandbox = vision(one_word)
    sandbox.fail(Fault.HALF_BAD, 100)
    desk.upload(scan(sheets(2)), "scan.pdf")
    read_all(desk.intake(ocr=spec_for(sandbox)))
    assert status(desk) == "FAILED"
    assert desk.one("select message from intake.processing_error") == (
        "Page 1: The page was refused. Google Cloud Vision: Bad image data."
    )


WORKER = """
import sys
from pathlib import Path
from invoice_pipelines.database import create_app_engine
from invoice_pipelines.intake.stages.stages import intake_of, parse_uploads, recognize_pages
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
url, slug = sys.argv[1:]
engine = create_app_engine(url)
intake = intake_of(OrganizationContext.of(engine, slug, load_settings(), "worker"))
parse_uploads(intake)
recognize_pages(intake)
"""


@pytest.mark.slow
def test_a_run_that_is_killed_between_two_requests_loses_no_page_that_was_paid(
    desk: IntakeDesk, vision: Callable[..., VisionSandbox], tmp_path: Path
) -> None:
    sandbox = vision(one_word)
    sandbox.slow_seconds = 30
    sandbox.fail(Fault.NO_CONFIDENCE)  # sixteen pages are answered
    sandbox.fail(Fault.SLOW)
    desk.upload(scan(sheets(20)), "scan.pdf")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("INVOICE_PIPELINES_")}
    environment |= {
        "DAGSTER_HOME": str(tmp_path),
        "INVOICE_PIPELINES_ORIGINALS": str(desk.originals),
        "INVOICE_PIPELINES_OCR_ENGINE": "cloud_vision",
        "INVOICE_PIPELINES_VISION_ENDPOINT": sandbox.endpoint,
    }
    url = desk.database.app_url.render_as_string(hide_password=False)
    with subprocess.Popen([sys.executable, "-c", WORKER, url, desk.slug], env=environment) as worker:
        wait_for("two requests", lambda: len(sandbox.requests) >= 2 or worker.poll() is not None)
        assert worker.poll() is None
        worker.kill()
    assert desk.one("select count(*) from intake.ocr_page") == 16
    desk.let_leases_expire()
    read_all(desk.intake(ocr=replace(spec_for(sandbox), languages=())))
    assert desk.one("select count(*) from intake.ocr_page") == 20
    assert [request.pictures for request in sandbox.requests] == [16, 4, 4]
    assert Counter(sandbox.billed.values()) == {1: 20}
