"""The picture of a page: boxes around what was read, in the right place however the page is turned, and small."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.intake.documents.ocr.engine import EngineSpec, RecognizedPage, RecognizedWord
from invoice_pipelines.intake.documents.ocr.engines import identify
from invoice_pipelines.intake.documents.ocr.kept_pages import keep_page
from invoice_pipelines.intake.documents.ocr.pictures import decode_pictures, page_key
from invoice_pipelines.intake.documents.ocr.rendering import render_pages
from invoice_pipelines.intake.documents.text_layer.page.words import read_pages
from invoice_pipelines.intake.review.pictures import (
    AT_ONCE,
    DOUBTED,
    READ,
    PageNotFound,
    as_png,
    as_small_jpeg,
    marks_on,
    page_picture,
    review_picture,
    with_marks,
)
from invoice_pipelines.intake.stages.stages import validate_invoices
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.integration.intake.review.pages import page_of, turned
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw
from invoice_pipelines_tests.support.intake.reading import read_all
from invoice_pipelines_tests.support.intake.review.lane import correct, look, uploaded

MARGIN = 3


def picture_of(desk: IntakeDesk, data: bytes, number: int | None = None) -> Image.Image:
    invoice = uploaded(desk, data)
    with desk.scope() as connection:
        return review_picture(connection, data, look(desk, invoice), Limits(), number)


def ink_inside(image: Image.Image, box: tuple[float, float, float, float], page_height: float) -> bool:
    """Whether something dark is printed within a box in points."""
    scale = image.height / page_height
    left, top, right, bottom = (round(side * scale) for side in box)
    darkest, _ = image.convert("L").crop((left, top, right, bottom)).getextrema()
    return isinstance(darkest, int) and darkest < 100


@pytest.mark.parametrize("in_content", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_boxes_are_around_what_is_printed_however_the_page_is_turned(
    desk: IntakeDesk, degrees: int, in_content: bool
) -> None:
    data = turned(page_of("HW-77", "1000.00"), degrees, in_content=in_content)
    invoice = uploaded(desk, data)
    review = look(desk, invoice)
    with desk.scope() as connection:
        image = review_picture(connection, data, review, Limits())
    page = review.pages[0]
    marks = marks_on(review, 1)
    assert {mark.text.split()[0] for mark in marks} >= {"issue_date", "gross_amount", "seller.name", "iban"}
    for mark in marks:
        assert ink_inside(image, mark.box, page.height), mark
        scale = image.height / page.height
        corner = round((mark.box[2] + MARGIN) * scale), round((mark.box[3] + MARGIN) * scale)
        around = image.crop((corner[0] - 4, corner[1] - 4, corner[0] + 4, corner[1] + 4))
        assert {READ, DOUBTED} & {colour for _, colour in around.getcolors(1000) or ()}, mark


def test_boxes_are_around_what_an_engine_read_on_a_photo_that_lies_on_its_side(desk: IntakeDesk) -> None:
    document = page_of("HW-77", "1000.00")
    upright = next(render_pages(document, [1], Limits()))
    dpi = upright.dpi or 0.0
    buffer = BytesIO()
    upright.image.rotate(90, expand=True).save(buffer, "PNG", dpi=(dpi, dpi))
    photo = buffer.getvalue()
    spec = EngineSpec("rapidocr")
    words = tuple(
        RecognizedWord(word.text, tuple(side * dpi / 72 for side in word.box), 0.99)
        for word in read_pages(document, Limits())[0].words
    )
    read = RecognizedPage(words, *upright.image.size, quarter_turns=1)
    upload_id = desk.upload(photo, "photo.png")
    with desk.scope() as connection:
        keep_page(connection, page_key(next(decode_pictures(photo, Limits()))), identify(spec), read, "test")
    read_all(desk.intake(ocr=spec))
    validate_invoices(desk.intake())
    invoice = desk.one("select id from intake.received_invoice where upload_id = :id", id=upload_id)
    review = look(desk, invoice)
    assert (review.source, review.format) == ("ocr", "PICTURE")
    with desk.scope() as connection:
        image = review_picture(connection, photo, review, Limits())
    marks = marks_on(review, 1)
    assert {mark.text.split()[0] for mark in marks} >= {"issue_date", "gross_amount"}
    assert all(ink_inside(image, mark.box, review.pages[0].height) for mark in marks)


def test_doubted_values_are_red_and_the_others_are_not(desk: IntakeDesk) -> None:
    data = page_of("HW-77", "1000.00")
    invoice = uploaded(desk, data)
    correct(desk, invoice, number="Rechnung", issue_date="2027-03-05")
    review = look(desk, invoice)
    assert {mark.text.split()[0]: mark.doubted for mark in marks_on(review, 1)}["gross_amount"] is False
    assert [reason.field for reason in review.reasons] == ["issue_date"]


def test_a_scan_of_several_pages_shows_the_one_that_is_asked_for(desk: IntakeDesk) -> None:
    lines = [(50.0, 100.0 + 20 * n, f"Allgemeine Bedingungen Absatz {n}") for n in range(5)]
    first = [(50.0, 210.0, "Rechnung"), (350.0, 500.0, "Nettobetrag"), (450.0, 500.0, "100,00 EUR")]
    data = draw(first, lines)
    assert picture_of(desk, data, 2).tobytes() != picture_of(desk, data, 1).tobytes()


def test_a_page_that_does_not_exist_is_a_reason_and_no_crash(desk: IntakeDesk) -> None:
    for number in (9, -1):
        with pytest.raises(PageNotFound, match=f"no page {number}"):
            picture_of(desk, page_of("HW-77", "1000.00"), number)


def test_the_plain_page_has_the_shape_of_the_boxes_and_none_of_them(desk: IntakeDesk) -> None:
    data = turned(page_of("HW-77", "1000.00"), 90, in_content=True)
    document = look(desk, uploaded(desk, data))
    plain = page_picture(lambda: data, document.pages, 1, Limits(), lambda key: 0)
    (page,) = document.pages
    assert plain.mode == "L"
    assert plain.width / page.width == pytest.approx(plain.height / page.height, rel=0.01)
    assert all(ink_inside(plain, mark.box, page.height) for mark in marks_on(document, 1))
    marked = with_marks(plain, document, 1)
    assert marked.width > plain.width
    assert {READ, DOUBTED} & {colour for _, colour in marked.getcolors(100_000) or ()}


def test_however_many_ask_no_more_processes_draw_than_may(desk: IntakeDesk) -> None:
    data = page_of("HW-77", "1000.00")
    document = look(desk, uploaded(desk, data))
    before = drawing_processes()
    with ThreadPoolExecutor(12) as pool:
        pictures = list(
            pool.map(lambda _: page_picture(lambda: data, document.pages, 1, Limits(), lambda key: 0), range(24))
        )
    assert len({picture.tobytes() for picture in pictures}) == 1
    assert len(drawing_processes() - before) <= AT_ONCE


def drawing_processes() -> set[str]:
    """Ids of those that this process started."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"rendering_process" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.add(child)
    return found


def test_pictures_are_png_or_small_enough_jpeg(desk: IntakeDesk) -> None:
    image = picture_of(desk, page_of("HW-77", "1000.00"))
    assert Image.open(BytesIO(as_png(image))).size == image.size
    jpeg = as_small_jpeg(image, 60_000)
    assert jpeg is not None
    assert len(jpeg) <= 60_000
    assert Image.open(BytesIO(jpeg)).format == "JPEG"
    assert as_small_jpeg(image, 100) is None
