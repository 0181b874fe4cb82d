"""A printed total that does not tie is never let pass: generated invoices that are right, and the same with one wrong.

Each has what tempts a reader: articles whose amounts make the wrong total tie, bases of several rates, sums carried
from page to page, terms such as "Net 30", taxes of several names, totals of parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from invoice_pipelines.einvoice.rules.verdict import Severity
from invoice_pipelines.intake.documents.text_layer import find_fields, read_text_layer
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw, rows, words_of
from invoice_pipelines_tests.support.intake.validation.specimens import violations_of
from invoice_pipelines_tests.support.sizes import example_count
from invoice_pipelines_tests.unit.intake.documents.text_layer.wordings import WORDINGS, Wording

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Block:
    """How a language names what stands in the block of totals, besides what is in its wording."""

    language: str
    decimal: str
    date: str
    head: tuple[tuple[str, str], ...]
    subtotal: tuple[str, ...]
    tax_on: tuple[str, ...]
    charge: tuple[str, ...]
    allowance: tuple[str, ...]
    carried: tuple[str, ...]
    terms: tuple[str, ...]

    @property
    def names(self) -> Wording:
        return WORDINGS[self.language]


ENGLISH = Block(
    "en",
    ".",
    "%Y-%m-%d",
    (("Currency:", "GBP"), ("Seller:", "Northern Tools Ltd.")),
    ("Subtotal", "Sub-total", "Items total"),
    ("VAT {}% on {}", "{}% VAT on {}", "VAT ({}%) of {}"),
    ("Shipping", "Freight", "Delivery charge"),
    ("Discount", "Less discount"),
    ("Carried forward", "Brought forward"),
    ("Net 30", "Net 30 days", "Terms: net 14", "Payment within 30 days net, 2% discount 14 days"),
)
GERMAN = Block(
    "de",
    ",",
    "%d.%m.%Y",
    (("Währung:", "EUR"), ("Verkäufer:", "Muster GmbH")),
    ("Zwischensumme", "Warenwert", "Summe der Positionen"),
    ("MwSt. {} % auf {}", "{}% USt von {}", "Umsatzsteuer {}% auf {}"),
    ("Versandkosten", "Fracht", "Verpackung"),
    ("Rabatt", "abzgl. Rabatt", "Nachlass"),
    ("Übertrag", "Summe Übertrag"),
    ("30 Tage netto", "Netto 30 Tage", "Zahlbar in 14 Tagen netto", "14 Tage 2% Skonto, 30 Tage netto"),
)

DECOYS = (("Kundennummer:", "4711"), ("Customer No.", "99812"), ("Tel.", "030 1234567"), ("PO number:", "778"))

amounts = st.decimals(min_value="5.00", max_value="9999.99", places=2)


@dataclass(frozen=True)
class PrintedInvoice:
    """What is printed: articles, and the block of totals row by row. `net_row` is the index of the row that is called
    net amount or subtotal, the last row is the total."""

    wording: Block
    number: str
    issued: date
    head: tuple[tuple[str, str], ...]
    articles: tuple[Decimal, ...]
    block: tuple[tuple[str, Decimal], ...]
    net_row: int
    net: Decimal
    tax: Decimal
    before: tuple[tuple[str, Decimal], ...]
    terms: str
    two_pages: bool

    @property
    def gross(self) -> Decimal:
        return self.block[-1][1]

    def with_row(self, index: int, value: Decimal) -> PrintedInvoice:
        rows = list(self.block)
        rows[index] = (rows[index][0], value)
        return replace(self, block=tuple(rows))

    def pages(self) -> list[Page]:
        pages: list[list[Word]] = [[]]
        top = 50.0

        def row(label: str, value: str, right: float = 540) -> None:
            nonlocal top
            page = len(pages)
            pages[-1] += words_of(label, 60, top, page) + words_of(value, right - 5 * len(value), top, page)
            top += 14

        row(self.wording.names.title[0], "")
        top += 40
        for label, value in self.head:
            row(label, value, 300)
        top += 40
        for number, article in enumerate(self.articles):
            row(f"Artikel Nr {'abcdefghij'[number]}", written(article, self.wording))
        if self.before:
            top += 20
        for label, amount in self.before:
            row(label, written(amount, self.wording))
        if self.two_pages:
            pages.append([])
            top = 60
        top += 30
        for label, amount in self.block:
            row(label, written(amount, self.wording))
        top += 30
        row(self.terms, "")
        return [Page(number, 595, 842, tuple(words)) for number, words in enumerate(pages, start=1)]


def written(value: Decimal, wording: Block) -> str:
    text = f"{value:,.2f}"
    return text if wording.decimal == "." else text.translate(str.maketrans(",.", ".,"))


def tax_of(base: Decimal, rate: Decimal) -> Decimal:
    return (base * rate / 100).quantize(CENT, ROUND_HALF_UP)


@st.composite
def invoices(pick: st.DrawFn) -> PrintedInvoice:
    """An invoice whose totals tie."""
    wording = pick(st.sampled_from([ENGLISH, GERMAN]))
    rates = pick(st.lists(st.sampled_from(["5", "7", "13.5", "19", "20", "23"]), min_size=1, max_size=3, unique=True))
    bases = [pick(amounts) for _ in rates]
    articles = list(bases)
    block: list[tuple[str, Decimal]] = []
    adjustment = pick(st.sampled_from(["none", "charge", "allowance"])) if len(rates) == 1 else "none"
    net = sum(bases, Decimal(0))
    if adjustment == "none":
        block.append((pick(st.sampled_from([*wording.names.net, *wording.subtotal])), net))
    else:
        share = (net * pick(st.integers(1, 20)) / 100).quantize(CENT) + CENT
        block.append((pick(st.sampled_from(wording.subtotal)), net))
        block.append((pick(st.sampled_from(getattr(wording, adjustment))), share if adjustment == "charge" else -share))
        net += block[-1][1]
        bases = [net]
    net_row = 0
    if adjustment != "none" and pick(st.booleans()):
        net_row = len(block)
        block.append((pick(st.sampled_from(wording.names.net)), net))
    regional = wording is ENGLISH and len(rates) == 1 and pick(st.booleans())
    if regional:
        taxes = [tax_of(net, Decimal(5)), tax_of(net, Decimal("9.975"))]
        names = pick(st.sampled_from([("GST (5%)", "QST (9.975%)"), ("TPS", "TVQ"), ("GST", "PST")]))
        block += zip(names, taxes, strict=True)
    else:
        taxes = [tax_of(base, Decimal(rate)) for base, rate in zip(bases, rates, strict=True)]
        on = pick(st.booleans())
        for rate, base, tax in zip(rates, bases, taxes, strict=True):
            shown = rate if wording.decimal == "." else rate.replace(".", ",")
            form = pick(st.sampled_from(wording.tax_on if on else wording.names.tax))
            block.append((form.format(shown, written(base, wording)), tax))
    tax = sum(taxes, Decimal(0))
    block.append((pick(st.sampled_from(wording.names.gross)), net + tax))
    carried = ((pick(st.sampled_from(wording.carried)), articles[0]),) if pick(st.booleans()) else ()
    number = pick(st.from_regex(r"(RE-|INV-|A)?20[0-9]{2}-[0-9]{3,5}", fullmatch=True))
    issued = pick(st.dates(min_value=date(2015, 1, 1), max_value=date(2024, 1, 1)))
    named = [
        (pick(st.sampled_from(wording.names.number)), number),
        (pick(st.sampled_from(wording.names.issued)), f"{issued:{wording.date}}"),
    ]
    head = (*pick(st.permutations(named)), *pick(st.lists(st.sampled_from(DECOYS), max_size=2)), *wording.head)
    terms = pick(st.sampled_from(wording.terms))
    two_pages = pick(st.booleans())
    return PrintedInvoice(
        wording, number, issued, head, tuple(articles), tuple(block), net_row, net, tax, carried, terms, two_pages
    )


def fatal(reading: Reading) -> set[str]:
    return {rule for rule, violation in violations_of(reading).items() if violation.severity is Severity.FATAL}


def is_refused(reading: Reading) -> bool:
    """Whether validation fails the invoice for its total (wrong, or not found), or a person has to look at it."""
    total = reading.provenance.get("gross_amount")
    unsure = total is not None and total.confidence < 0.95
    return unsure or bool(fatal(reading) & {"IP-TOTAL-01", "IP-TOTAL-04", "IP-REQ-05"})


@settings(max_examples=example_count(250))
@given(invoices())
def test_an_invoice_whose_total_ties_is_read_right_in_any_style_and_let_pass(invoice: PrintedInvoice) -> None:
    reading = find_fields(invoice.pages())
    found = (reading.number, reading.issue_date, reading.net_amount, reading.tax_amount, reading.gross_amount)
    assert found == (invoice.number, invoice.issued, invoice.net, invoice.tax, invoice.gross)
    assert fatal(reading) == set()


@settings(max_examples=example_count(400))
@given(invoices(), st.data())
def test_a_total_that_does_not_tie_is_never_let_pass(invoice: PrintedInvoice, data: st.DataObject) -> None:
    wrong = data.draw(
        st.one_of(
            st.sampled_from([invoice.gross - value for _, value in invoice.block[:-1]]),  # something left out
            st.sampled_from([invoice.gross + value for _, value in invoice.block[:-1]]),  # something counted twice
            st.sampled_from([invoice.net, *invoice.articles]),
            st.sampled_from([CENT, -CENT, Decimal(9), Decimal("-0.90"), Decimal(90)]).map(
                lambda by: invoice.gross + by
            ),
            amounts,
        ),
        label="wrong total",
    )
    assume(wrong > 0 and wrong != invoice.gross)
    spoiled = invoice.with_row(-1, wrong)
    # Articles by which the wrong total ties with one of the amounts that are printed.
    tempting = [value for value in (wrong - invoice.net, wrong - invoice.tax, invoice.gross, wrong) if value > 0]
    if data.draw(st.booleans(), label="tempting"):
        spoiled = replace(spoiled, articles=(*spoiled.articles, *tempting))
    reading = find_fields(spoiled.pages())
    assert is_refused(reading), (reading.net_amount, reading.tax_amount, reading.gross_amount)


@settings(max_examples=example_count(300))
@given(invoices(), st.data())
def test_a_net_amount_tax_charge_or_discount_that_does_not_tie_is_never_let_pass(
    invoice: PrintedInvoice, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(invoice.block) - 2), label="row")
    by = data.draw(st.sampled_from([CENT, Decimal("0.90"), Decimal(-9), Decimal(90)]) | amounts, label="by")
    value = invoice.block[index][1] + by
    assume(value != 0 and (value > 0) == (invoice.block[index][1] > 0))
    # Where the net amount is printed, what stands above it may be wrong without any harm to the total.
    assume(index >= invoice.net_row)
    spoiled = invoice.with_row(index, value)
    if data.draw(st.booleans(), label="tempting"):
        spoiled = replace(spoiled, articles=(*spoiled.articles, invoice.block[index][1], invoice.net, invoice.tax))
    reading = find_fields(spoiled.pages())
    assert is_refused(reading), (reading.net_amount, reading.tax_amount, reading.gross_amount)


def drawn(block: str) -> Reading:
    """An invoice with this block of amounts, labels on the left and amounts flush right, as a PDF."""
    head = "Invoice number: | A-7; Invoice date: | 2024-05-02; Currency: | EUR; Seller: | Northern Tools Ltd."
    return read_text_layer(draw([*rows(100, (60, 200), head), *rows(300, (60, -540), block)]))


WRONG = {
    "the base of one rate and that of the other add up to the net amount": (
        "Net total | 3,072.10; VAT 13.5% on 2,239.60 | 302.35; VAT 23% on 832.50 | 191.48; Total | 3,655.93"
    ),
    "the tax stands in the same row as base and rate, without a word between": (
        "Net total | 300.00; VAT 20%   200.00 | 40.00; VAT 10%   100.00 | 10.00; Total | 330.00"
    ),
    "one of two deliveries ties, the grand total does not": (
        "Delivery A, net amount | 100.00; VAT 19% | 19.00; Sum A | 119.00; Delivery B, net amount | 300.00; "
        "VAT 19% | 57.00; Sum B | 357.00; Total net | 400.00; Total VAT | 76.00; Grand total | 486.00"
    ),
    "a credit in the invoice makes the grand total smaller than that of a part": (
        "Net amount | 100.00; VAT 19% | 19.00; Total | 119.00; Net amount of returned goods | -50.00; VAT 19% | -9.50; "
        "Total | -59.50; Grand total | 60.50"
    ),
    "one of two taxes was left out": "Subtotal | 7,618.50; GST (5%) | 380.93; QST (9.975%) | 759.95; Total | 8,378.45",
    "the sum below a charge is misprinted": (
        "Subtotal | 5.00; Shipping | 0.06; Subtotal | 5.07; VAT 5% | 0.25; Total | 5.31"
    ),
    "the charge was left out": "Subtotal | 100.00; Shipping | 10.00; VAT 20% | 20.00; Total | 120.00",
    "the tax is printed twice and was added twice": (
        "Net amount | 100.00; VAT 19% | 19.00; Total VAT | 19.00; Total | 138.00"
    ),
    "the net amount is not that on which the tax is reckoned": (
        "Net amount | 400.00; VAT 19% on 350.00 | 66.50; Total | 416.50"
    ),
    "an article costs what the tax should be": "Cable | 20.00; Net amount | 100.00; VAT 20% | 25.00; Total | 120.00",
    "no word says that the first sum is net": "Sum | 100.00; VAT 19% | 19.00; Total | 120.00",
    "there is no net amount at all": "Consulting | 100.00; VAT 19% | 19.00; Total | 120.00",
    "no tax is named": "Subtotal | 7,206.00; Total | 7,260.00; Net 30",
    "a page carry ties with the tax": "Carried forward | 200.00; Net amount | 300.00; VAT 19% | 57.00; Total | 257.00",
    "a cash discount ties": (
        "Net amount | 100.00; VAT 19% | 19.00; Total | 120.00; Cash discount 2%, to pay by 10 May | 119.00"
    ),
    "the amount due is wrong": (
        "Net amount | 100.00; VAT 19% | 19.00; Total | 119.00; Deposit paid | -50.00; Amount due | 79.00"
    ),
    "only the amount due is printed": "Net amount | 100.00; VAT 19% | 19.00; Amount due | 109.00",
    "an unlabelled amount is the right total": "Net amount | 100.00; VAT 19% | 19.00; | 119.00; Total | 191.00",
    "two totals are printed": "Net amount | 100.00; VAT 19% | 19.00; Total | 119.00; Total | 191.00",
    "the tax withheld passes for the tax": (
        "Net amount | 100.00; VAT 22% | 22.00; Withholding tax 20% | 20.00; Total | 120.00"
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_ties_elsewhere_does_not_outvote_the_printed_total(case: str) -> None:
    reading = drawn(WRONG[case])
    found = (reading.net_amount, reading.tax_amount, reading.gross_amount, reading.payable_amount)
    assert is_refused(reading), found


RIGHT = {
    "two taxes of different names are one tax": (
        "Subtotal | 7,618.50; GST (5%) | 380.93; QST (9.975%) | 759.95; Total | 8,759.38",
        ("7618.50", "1140.88", "8759.38"),
    ),
    "two taxes of the same rate are one tax": (
        "Subtotal | 1,000.00; CGST 9% | 90.00; SGST 9% | 90.00; Total | 1,180.00",
        ("1000.00", "180.00", "1180.00"),
    ),
    "terms of payment are no net amount": (
        "Subtotal | 7,206.00; Total | 7,206.00; Net 30",
        ("7206.00", "None", "7206.00"),
    ),
    "a page carry is no sum of lines": (
        "Carried forward | 250.00; Net amount | 500.00; VAT 7% | 35.00; Total | 535.00",
        ("500.00", "35.00", "535.00"),
    ),
    "charges and discounts after the subtotal make the net amount": (
        "Subtotal | 100.00; Discount | -5.00; Shipping | 10.00; VAT 20% | 21.00; Total | 126.00",
        ("105.00", "21.00", "126.00"),
    ),
    "the base of the only rate is the net amount": (
        "Cable | 100.00; VAT 19% on 100.00 | 19.00; Total | 119.00",
        ("100.00", "19.00", "119.00"),
    ),
    "what was paid before does not change the total": (
        "Net | 100.00; VAT 19% | 19.00; Total | 119.00; Paid | -50.00; Amount due | 69.00",
        ("100.00", "19.00", "119.00"),
    ),
    "a total in the wording of another sum is not needed": (
        "Total hours | 37.50; Net | 100.00; VAT 19% | 19.00; Total | 119.00",
        ("100.00", "19.00", "119.00"),
    ),
}


@pytest.mark.parametrize("case", RIGHT)
def test_a_block_of_totals_that_ties_is_read_and_let_pass(case: str) -> None:
    block, expected = RIGHT[case]
    reading = drawn(block)
    assert (str(reading.net_amount), str(reading.tax_amount), str(reading.gross_amount)) == expected
    assert set(violations_of(reading)) & {"IP-TOTAL-01", "IP-TOTAL-03", "IP-TOTAL-04", "IP-TAX-02"} == set()
    assert fatal(reading) == set()
