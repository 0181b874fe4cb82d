"""Documents that are made to trick the reader: whatever is wrong with them, nothing wrong passes without a person.

Right invoices of many layouts are altered: columns of a second currency, columns of discounts, taxes of nothing, rows
that are gone or named otherwise.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from random import Random

import pytest

from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.review.reasons import Judgement, judge
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.validate import validate
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import words_of
from invoice_pipelines_tests.support.sizes import size

Cells = list[tuple[float, str]]
CENT = Decimal("0.01")
HEAD = (
    "Northern Tools Ltd.|",
    "Invoice|",
    "Invoice number:|A-2024-17",
    "Invoice date:|2024-05-02",
    "Seller:|Northern Tools Ltd.",
)


def passes(reading: Reading) -> bool:
    verdict = validate(reading, Expectations(date(2024, 6, 1)))
    return judge(reading, verdict, ReviewThresholds())[0] is Judgement.VALID


def page_of(head: tuple[str, ...], rows: list[Cells]) -> list[Page]:
    """A page with what stands at the top, as "label|value", and rows of texts that end where they are said to."""
    words: list[Word] = []
    top = 40.0
    for line in head:
        for left, text in zip((60.0, 200.0), line.split("|"), strict=True):
            words += words_of(text, left, top)
        top += 16
    top += 40
    for row in rows:
        for right, text in row:
            words += words_of(text, right - 5 * len(text) if right else 60, top)
        top += 14
    return [Page(1, 595, 842, tuple(words))]


def two_currencies(rng: Random) -> tuple[list[Cells], dict[str, tuple[Decimal, ...]]]:
    """A block of totals with a column in each of two currencies, and the amounts of each."""
    names = rng.sample(["EUR", "CHF", "USD", "GBP", "SEK"], 2)
    rate = Decimal(rng.choice(["0.92", "1.0841", "11.38", "1.17"]))
    net = Decimal(rng.randrange(1000, 500_000)) * CENT
    tax_rate = rng.choice([0, 0, 7, 19, 20, 25])
    tax = (net * tax_rate / 100).quantize(CENT)
    other = [(value * rate).quantize(CENT) for value in (net, tax)]
    columns: dict[str, tuple[Decimal, ...]] = {
        names[0]: (net, tax, net + tax),
        names[1]: (other[0], other[1], sum(other, Decimal(0))),
    }
    rights = (430, 530)
    labels = rng.choice(
        [
            ("Net amount", f"VAT {tax_rate} %", "Total"),
            ("Subtotal", "Tax", "Total amount"),
            ("", "VAT", "Total"),
            ("", "", "Total"),
        ]
    )
    rows: list[Cells] = []
    layout = rng.choice(["headed", "named", "total only", "below each other"])
    if layout == "headed":
        rows.append([(right, rng.choice([name, f"Amount {name}"])) for right, name in zip(rights, names, strict=True)])
    for index, label in enumerate(labels):
        cells: Cells = [(0, label)]
        for right, name in zip(rights, names, strict=True):
            if name != names[0] and layout == "total only" and index < 2:
                continue
            value = f"{columns[name][index]:,.2f}"
            if layout == "below each other":
                rows.append([(0, f"{label} {name}"), (530, value)])
            else:
                cells.append((right, value if layout == "headed" else f"{value} {name}"))
        if label and layout != "below each other":
            rows.append(cells)
    if rng.random() < 0.5:
        rows.append([(0, "VAT exempt, reverse charge")])
    return rows, columns


@pytest.mark.parametrize("seed", range(size(150, 1000)))
def test_of_two_currencies_no_amount_passes_under_the_name_of_the_other(seed: int) -> None:
    rng = Random(f"currencies-{seed}")
    rows, columns = two_currencies(rng)
    head = (*HEAD, f"Currency:|{rng.choice(list(columns))}") if rng.random() < 0.5 else HEAD
    reading = find_fields(page_of(head, rows))
    if passes(reading):
        assert reading.currency in columns
        net, tax, gross = columns[reading.currency]
        assert reading.gross_amount == gross
        assert reading.net_amount in (net, None)
        assert reading.tax_amount in (tax, None)


def spoiled_zero_tax(rng: Random) -> tuple[list[Cells], Decimal]:
    """A document that says 0.00 somewhere, where its total is not the first amount that is called one."""
    net = Decimal(rng.randrange(1000, 500_000)) * CENT
    tax = (net * rng.choice([7, 19, 20]) / 100).quantize(CENT)
    gross = net + tax
    article: Cells = [(0, "Cable"), (300, "1.00"), (380, f"{net:,.2f}"), (460, "0.00"), (540, f"{net:,.2f}")]
    heading: Cells = [
        (0, "Description"),
        (300, "Quantity"),
        (380, "Price"),
        (460, rng.choice(["Discount", "Disc.", "Tax", "Rebate"])),
        (540, rng.choice(["Amount", "Total"])),
    ]
    first = rng.choice(["Total", "Subtotal", "Sum", "Net amount", "Total amount"])
    # What is added, in words that no reader knows.
    added = rng.choice(["Statutory contribution", "Levy", "Zuzahlung", "Eco fee", "TVSH"])
    last = rng.choice(["Grand sum of all", "All in all", "Zusammen", "Final", "To settle"])
    rows: list[Cells] = [
        heading,
        article,
        [(0, first), (540, f"{net:,.2f}")],
        [(0, added), (540, f"{tax:,.2f}")],
        [(0, last), (540, f"{gross:,.2f}")],
    ]
    if rng.random() < 0.5:
        rows.insert(2, [(0, "Zero rated 0 %"), (460, "0.00")])
    return rows, gross


@pytest.mark.parametrize("seed", range(size(150, 1000)))
def test_nothing_added_to_an_amount_is_no_proof_of_a_total(seed: int) -> None:
    rng = Random(f"zero-{seed}")
    rows, gross = spoiled_zero_tax(rng)
    reading = find_fields(page_of((*HEAD, "Currency:|EUR"), rows))
    assert not passes(reading) or reading.gross_amount == gross, (reading.net_amount, reading.gross_amount)
