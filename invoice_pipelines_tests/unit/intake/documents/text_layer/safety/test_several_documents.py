"""Several documents in one file, as a pile goes through a scanner or two receipts lie beside each other on a photo, do
not pass as one; an invoice of several pages does.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from random import Random

import pytest

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.aids import NO_AIDS
from invoice_pipelines.intake.documents.text_layer import reading_of
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.intake.reading import DiscrepancyKind
from invoice_pipelines.intake.review.reasons import Judgement
from invoice_pipelines.workshop.misreading import recognized
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import words_of
from invoice_pipelines_tests.support.intake.documents.text_layer.judging import judgement
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.unit.intake.documents.text_layer.random_invoices import Made, invoice, receipt
from invoice_pipelines_tests.unit.intake.documents.text_layer.wordings import WORDINGS


def finds_several(pages: list[Page]) -> bool:
    kinds = {found.kind for found in reading_of(pages, NO_AIDS).discrepancies}
    return DiscrepancyKind.SEVERAL_DOCUMENTS in kinds


def moved(page: Page, right: float, down: float) -> tuple[Word, ...]:
    return tuple(
        replace(word, box=(word.box[0] + right, word.box[1] + down, word.box[2] + right, word.box[3] + down))
        for word in page.words
    )


def beside(left: Page, right: Page) -> Page:
    words = (*left.words, *moved(right, left.width, 0))
    return replace(left, width=left.width + right.width, height=max(left.height, right.height), words=words)


def below(upper: Page, lower: Page) -> Page:
    words = (*upper.words, *moved(lower, 0, upper.height))
    return replace(upper, width=max(upper.width, lower.width), height=upper.height + lower.height, words=words)


def numbered(pages: list[Page]) -> list[Page]:
    return [
        replace(page, number=number, words=tuple(replace(word, page=number) for word in page.words))
        for number, page in enumerate(pages, 1)
    ]


def over_two_pages(page: Page, *, repeats_head: bool) -> list[Page]:
    """A document whose last third, with its totals, stands on a page of its own."""
    tops = sorted({word.box[1] for word in page.words})
    cut = tops[len(tops) * 2 // 3]
    first = replace(page, words=tuple(word for word in page.words if word.box[1] < cut))
    rest = replace(page, words=tuple(word for word in page.words if word.box[1] >= cut))
    head = tuple(word for word in page.words if repeats_head and word.box[1] < tops[2])
    return [first, replace(rest, words=(*head, *moved(rest, 0, 150 - cut)))]


def worn(page: Page, rng: Random) -> Page:
    """The page as it was recognized, perhaps without one or two of its lines."""
    lost = rng.sample(sorted({round(word.box[1]) for word in page.words}), rng.choice([0, 1, 1, 2]))
    kept = replace(page, words=tuple(word for word in page.words if round(word.box[1]) not in lost))
    if rng.random() < 0.3:
        return kept
    slope, glued, misread = rng.uniform(-0.003, 0.003), rng.choice([0, 0.03]), rng.choice([0, 0.02, 0.05])
    return recognized(kept, rng, slope=slope, glued=glued, misread=misread, engine="rapidocr")


def pile(documents: list[Page], how: str, rng: Random) -> list[Page]:
    match how:
        case "each on a page":
            return numbered(documents)
        case "each over two pages":
            parts = [over_two_pages(document, repeats_head=rng.random() < 0.5) for document in documents]
            return numbered([page for pages in parts for page in pages])
        case "side by side":
            return [reduce(beside, documents)]
        case _:
            return [reduce(below, documents)]


def made(rng: Random) -> list[Made]:
    languages = sorted(WORDINGS)
    language, receipts = rng.choice(languages), rng.choice([0.0, 0.0, 0.5, 1.0])
    return [
        receipt(rng.randrange(10**6))
        if rng.random() < receipts
        else invoice(language if rng.random() < 0.8 else rng.choice(languages), rng.randrange(10**6))
        for _ in range(rng.choice([2, 2, 3]))
    ]


@pytest.mark.parametrize("how", ["each on a page", "each over two pages", "side by side", "below each other"])
def test_several_documents_are_not_taken_for_one(how: str) -> None:
    passed = 0
    count = size(40, 400)
    for seed in range(count):
        rng = Random(f"{how}-{seed}")
        documents = [worn(document.pages[0], rng) for document in made(rng)]
        try:
            passed += judgement(reading_of(pile(documents, how, rng), NO_AIDS)) is Judgement.VALID
        except ReadingError:
            continue
    # What has lost the line with its number or date may be the rest of the other one.
    assert passed <= 0.01 * count + 1


@pytest.mark.parametrize("language", WORDINGS)
def test_invoices_that_differ_by_their_number_alone_are_several(language: str) -> None:
    for seed in range(size(2, 50)):
        first = invoice(language, seed)
        page = first.pages[0]
        words = tuple(
            replace(word, text="X1704") if word.text == first.truth["number"] else word for word in page.words
        )
        assert finds_several(numbered([page, replace(page, words=words)])), seed


@pytest.mark.parametrize("language", WORDINGS)
def test_an_invoice_over_two_pages_or_with_a_copy_is_one(language: str) -> None:
    for seed in range(size(3, 100)):
        page = invoice(language, seed).pages[0]
        assert not finds_several(numbered([page, page])), "a copy"
        for repeats_head in (False, True):
            assert not finds_several(numbered(over_two_pages(page, repeats_head=repeats_head))), seed
        alone = reading_of([page], NO_AIDS)
        assert alone.discrepancies == ()


ANNEXES = {
    "a delivery note": [
        "Delivery note",
        "Delivery note no. 4711",
        "Date: 12 February 2024",
        "Cables 300.00",
        "Total 900.00",
    ],
    "a list of calls": [
        "Annex to invoice {number}",
        "2024-02-01 0171 123456 1.20",
        "2024-02-02 0171 1234 0.80",
        "Total 2.00",
    ],
    "hours worked": [
        "Timesheet February 2024",
        "2024-02-01 Installation 8.00",
        "2024-02-02 Travel 7.50",
        "Total 15.50",
    ],
    "terms": ["Terms and conditions", "As of 1 January 2023", "1. The total is due within 14 days."],
}


@pytest.mark.parametrize("annex", ANNEXES)
def test_an_invoice_with_an_annex_is_one(annex: str) -> None:
    for seed in range(size(3, 100)):
        first = invoice("en", seed)
        lines = [line.format(number=first.truth["number"]) for line in ANNEXES[annex]]
        words = [word for row, line in enumerate(lines) for word in words_of(line, 60, 60 + 16 * row)]
        pages = numbered([first.pages[0], replace(first.pages[0], words=tuple(words))])
        reading, alone = reading_of(pages, NO_AIDS), reading_of([first.pages[0]], NO_AIDS)
        assert reading.discrepancies == (), seed
        assert (reading.number, reading.gross_amount) == (alone.number, alone.gross_amount)


def test_the_message_names_both_and_what_to_do() -> None:
    documents = [invoice("en", seed).pages[0] for seed in (1, 2)]
    reading = reading_of(numbered(documents), NO_AIDS)
    (found,) = reading.discrepancies
    for seed in (1, 2):
        truth = invoice("en", seed).truth
        assert f"{truth['number']}, {truth['issue_date']}, {truth['gross_amount']} on page {seed}" in found.message
        assert f"{truth['number']}, {truth['issue_date']:%d.%m.%Y}" in found.message_de
    assert found.message.endswith("Upload each in a file of its own and reject this one.")
    assert judgement(reading) is Judgement.NEEDS_REVIEW
