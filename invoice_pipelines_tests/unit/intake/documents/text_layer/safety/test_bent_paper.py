"""Paper that bends: what is read of it is what is read of it when flat, and nothing of it is sure and wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from random import Random

import numpy as np
import pytest
from PIL import Image

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.aids import NO_AIDS
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.ocr.engine import EngineSpec, PageImage, RecognizedPage
from invoice_pipelines.intake.documents.ocr.rapidocr import RapidOcrEngine
from invoice_pipelines.intake.documents.ocr.rendering import render_pages
from invoice_pipelines.intake.documents.text_layer import find_fields_with
from invoice_pipelines.intake.documents.text_layer.page.layout import is_bent, read_lines
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.review.fields import place_of, value_of
from invoice_pipelines.intake.review.reasons import THRESHOLDS
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw, words_of
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.unit.intake.documents.text_layer.random_invoices import Made, invoice, receipt

Curve = Callable[[float, float], float]
"""How far the paper falls at a place, in points: by shares of its width and height."""

FIELDS = ("number", "issue_date", "net_amount", "tax_amount", "gross_amount")
ENGINE = "rapidocr 3"


def arc(rng: Random, points: float) -> Curve:
    """A roll of paper that falls so far, from a ridge somewhere, and more at one end than at the other."""
    ridge, more, way = rng.uniform(0.3, 0.7), rng.uniform(-0.5, 0.5), rng.choice([-points, points])
    return lambda x, y: way * (1 + more * (2 * y - 1)) * (1 - ((x - ridge) / max(ridge, 1 - ridge)) ** 2)


def bent(page: Page, curve: Curve) -> Page:
    def moved(word: Word) -> Word:
        left, top, right, bottom = word.box
        down = [curve(x / page.width, (top + bottom) / 2 / page.height) for x in (left, right)]
        middle, taller = sum(down) / 2, abs(down[1] - down[0]) / 2
        return replace(word, box=(left, top + middle - taller, right, bottom + middle + taller))

    return replace(page, words=tuple(map(moved, page.words)))


def recognized(made: Made) -> list[Page]:
    return [replace(page, engine=ENGINE) for page in made.pages]


def document(seed: int) -> Made:
    language = ["de", "en", "fr", "nl", "receipt", "receipt"][seed % 6]
    return receipt(seed) if language == "receipt" else invoice(language, seed)


def sure_and_wrong(reading: Reading, made: Made) -> list[str]:
    return [
        field
        for field, name in THRESHOLDS.items()
        if field in FIELDS
        and field in made.truth
        and value_of(reading, field) not in (None, made.truth[field])
        and reading.provenance[place_of(field)].confidence >= getattr(ReviewThresholds(), name)
    ]


def test_a_page_that_bends_by_half_a_letter_is_read_as_if_it_were_flat() -> None:
    same, count = 0, size(36, 600)
    for seed in range(count):
        pages = recognized(document(seed))
        curve = arc(Random(f"gentle-{seed}"), 5)
        flat, curled = (find_fields_with(of, NO_AIDS) for of in (pages, [bent(page, curve) for page in pages]))
        same += all(value_of(flat, field) == value_of(curled, field) for field in FIELDS)
    assert same >= 0.97 * count


def test_rows_of_a_page_that_bends_by_more_than_their_distance_stay_together() -> None:
    words = words_of("Rechnung an die Beispiel GmbH in 10115 Berlin, Bitte mit Rechnungsnummer zahlen", 40, 60)
    for row in range(12):
        words += words_of(f"Artikel Nummer {row} von unserem Lager in Potsdam", 40, 90.0 + 14 * row)
        words += words_of(f"{row + 1},50 EUR", 480, 90.0 + 14 * row)
    page = Page(1, 595, 842, tuple(words), engine=ENGINE)
    curled = bent(page, lambda x, _: 28 * (x - 0.2) ** 2 / 0.64)
    assert [line.text for line in read_lines([curled])] == [line.text for line in read_lines([page])]


@pytest.mark.parametrize("letters", [0.5, 1, 1.5, 2, 3, 4])
def test_nothing_that_is_read_of_bent_paper_is_sure_and_wrong(letters: float) -> None:
    wrong = []
    for seed in range(size(30, 300)):
        made = document(seed)
        curve = arc(Random(f"bent-{seed}-{letters}"), 10 * letters)
        try:
            reading = find_fields_with([bent(page, curve) for page in recognized(made)], NO_AIDS)
        except ReadingError:
            continue
        wrong += [(made.sort, seed, field) for field in sure_and_wrong(reading, made)]
    assert wrong == []


def test_amounts_that_all_stand_one_line_too_high_make_no_sure_total() -> None:
    names = [
        "Corner Books Ltd",
        "12 High Street",
        "Date: 05-11-2017 18:06",
        "",
        "TEH TARIK",
        "WATER",
        "BATTERY",
        "PAPER",
    ]
    amounts = ["", "", "", "24.30", "18.19", "78.32", "21.27"]
    names += ["", "TOTAL", "CASH", "CHANGE"]
    amounts += ["", "RM142.08", "RM147.08", "RM5.00", ""]
    words = []
    for row, (name, amount) in enumerate(zip(names, amounts, strict=True)):
        words += words_of(name, 20, 20.0 + 16 * row) + words_of(amount, 260 - 5 * len(amount), 20.0 + 16 * row)
    reading = find_fields_with([Page(1, 280, 400, tuple(words), engine=ENGINE)], NO_AIDS)
    place = reading.provenance.get("gross_amount")
    assert place is None or place.confidence < ReviewThresholds().gross_amount


def test_a_page_that_is_bent_says_so_and_waits_for_a_person() -> None:
    (page,) = recognized(invoice("de", 1))
    curled = bent(page, arc(Random("roll"), 25))
    reading = find_fields_with([curled], NO_AIDS)
    assert is_bent(curled)
    assert not is_bent(page)
    assert max(place.confidence for place in reading.provenance.values()) <= 0.5
    assert "The paper is bent, so that values may be those of another line: page 1." in reading.warnings


def test_the_picture_of_a_bent_page_is_read_as_that_of_a_flat_one() -> None:
    rows = ["Rechnung", "Rechnungsnummer: R-4711", "Rechnungsdatum: 05.06.2024"]
    texts = [(50.0, 80.0 + 22 * number, text) for number, text in enumerate(rows)]
    for number in range(8):
        cells = (f"Artikel Nummer {number}", "vom Lager in Kiel", "frei Haus geliefert", "ohne Aufpreis")
        texts += [(50.0 + 125 * column, 160.0 + 22 * number, cell) for column, cell in enumerate(cells)]
    for number, (name, amount) in enumerate((("Nettobetrag", "100,00"), ("MwSt. 19 %", "19,00"), ("Summe", "119,00"))):
        texts += [(50.0, 344.0 + 22 * number, name), (-540.0, 344.0 + 22 * number, amount)]
    (picture,) = render_pages(draw(texts, size=12), range(1, 2), Limits())
    flat = np.asarray(picture.image.convert("L"))
    height, width = flat.shape
    fall = 22 / 842 * height * (1 - (2 * np.arange(width) / width - 1) ** 2)
    from_row = (np.arange(height)[:, None] - np.round(fall).astype(int)[None, :]) % height
    picture_of_roll = Image.fromarray(flat[from_row, np.arange(width)[None, :]]).convert("RGB")
    (read,) = RapidOcrEngine(EngineSpec("rapidocr")).recognize([PageImage(picture_of_roll)])
    assert isinstance(read, RecognizedPage)
    points = 595 / read.width
    words = []
    for word in read.words:
        left, top, right, bottom = (side * points for side in word.box)
        words.append(Word(word.text, (left, top, right, bottom), 1, word.confidence))
    page = Page(1, 595, 842, tuple(words), engine=ENGINE)
    reading = find_fields_with([page], NO_AIDS)
    assert reading.number == "R-4711"
    assert (reading.net_amount, reading.tax_amount, reading.gross_amount) == (Decimal(100), Decimal(19), Decimal(119))
