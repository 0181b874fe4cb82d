"""A printed total that does not tie is never let pass: generated invoices that are right, and the same with one wrong.

Each has what tempts a reader: articles whose amounts make the wrong total tie, bases of several rates, sums carried
from page to page, terms such as "Net 30", taxes of several names, totals of parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from invoice_pipelines.intake.readers.text_layer import find_fields
from invoice_pipelines.intake.readers.text_layer.words import Page, Word
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation import Severity
from invoice_pipelines_tests.intake.readers.text_layer.test_generated import words_of
from invoice_pipelines_tests.intake.validation.specimens import violations_of

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Wording:
    """How a language names what stands in the block of totals."""

    decimal: str
    head: tuple[tuple[str, str], ...]
    net: tuple[str, ...]
    subtotal: tuple[str, ...]
    tax: tuple[str, ...]
    tax_on: tuple[str, ...]
    charge: tuple[str, ...]
    allowance: tuple[str, ...]
    gross: tuple[str, ...]
    carried: tuple[str, ...]
    terms: tuple[str, ...]


ENGLISH = Wording(
    ".",
    (("Invoice number:", "A-100"), ("Invoice date:", "2024-05-02"), ("Currency:", "GBP"), ("Seller:", "Northern Tools Ltd.")),
    ("Net total", "Net amount", "Total excl. VAT", "Total net"),
    ("Subtotal", "Sub-total", "Items total"),
    ("VAT {}%", "VAT @ {} %", "plus {}% VAT", "Sales tax {}%"),
    ("VAT {}% on {}", "{}% VAT on {}", "VAT ({}%) of {}"),
    ("Shipping", "Freight", "Delivery charge"),
    ("Discount", "Less discount"),
    ("Total", "Grand total", "Total incl. VAT", "Invoice total", "Gross amount", "Amount due"),
    ("Carried forward", "Brought forward"),
    ("Net 30", "Net 30 days", "Terms: net 14", "Payment within 30 days net, 2% discount 14 days"),
)
GERMAN = Wording(
    ",",
    (("Rechnungsnummer:", "A-100"), ("Rechnungsdatum:", "02.05.2024"), ("Währung:", "EUR"), ("Verkäufer:", "Muster GmbH")),
    ("Nettobetrag", "Summe netto", "Gesamt (netto)", "Rechnungssumme ohne USt."),
    ("Zwischensumme", "Warenwert", "Summe der Positionen"),
    ("MwSt. {} %", "zzgl. {}% USt", "Umsatzsteuer {} %"),
    ("MwSt. {} % auf {}", "{}% USt von {}", "Umsatzsteuer {}% auf {}"),
    ("Versandkosten", "Fracht", "Verpackung"),
    ("Rabatt", "abzgl. Rabatt", "Nachlass"),
    ("Gesamtbetrag", "Rechnungsbetrag", "Bruttosumme", "Summe inkl. MwSt.", "Endbetrag", "Zu zahlen"),
    ("Übertrag", "Summe Übertrag"),
    ("30 Tage netto", "Netto 30 Tage", "Zahlbar in 14 Tagen netto", "14 Tage 2% Skonto, 30 Tage netto"),
)

amounts = st.decimals(min_value="5.00", max_value="9999.99", places=2)


@dataclass(frozen=True)
class Invoice:
    """What is printed: articles, and the block of totals row by row. `net_row` is the index of the row that is called
    net amount or subtotal, the last row is the total."""

    wording: Wording
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

    def with_row(self, index: int, value: Decimal) -> Invoice:
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

        row("Rechnung" if self.wording is GERMAN else "Invoice", "")
        top += 40
        for label, value in self.wording.head:
            row(label, value, 300)
        top += 40
        for number, article in enumerate(self.articles):
            row(f"Artikel Nr {'abcdefghij'[number]}", self.text(article))
        if self.before:
            top += 20
        for label, amount in self.before:
            row(label, self.text(amount))
        if self.two_pages:
            pages.append([])
            top = 60
        top += 30
        for label, amount in self.block:
            row(label, self.text(amount))
        top += 30
        row(self.terms, "")
        return [Page(number, 595, 842, tuple(words)) for number, words in enumerate(pages, start=1)]

    def text(self, value: Decimal) -> str:
        text = f"{value:,.2f}"
        return text if self.wording.decimal == "." else text.translate(str.maketrans(",.", ".,"))


def tax_of(base: Decimal, rate: Decimal) -> Decimal:
    return (base * rate / 100).quantize(CENT, ROUND_HALF_UP)


@st.composite
def invoices(draw: st.DrawFn) -> Invoice:
    """An invoice whose totals tie."""
    wording = draw(st.sampled_from([ENGLISH, GERMAN]))
    rates = draw(st.lists(st.sampled_from(["5", "7", "13.5", "19", "20", "23"]), min_size=1, max_size=3, unique=True))
    bases = [draw(amounts) for _ in rates]
    articles = list(bases)
    block: list[tuple[str, Decimal]] = []
    adjustment = draw(st.sampled_from(["none", "charge", "allowance"])) if len(rates) == 1 else "none"
    net = sum(bases, Decimal(0))
    if adjustment == "none":
        block.append((draw(st.sampled_from([*wording.net, *wording.subtotal])), net))
    else:
        share = (net * draw(st.integers(1, 20)) / 100).quantize(CENT) + CENT
        block.append((draw(st.sampled_from(wording.subtotal)), net))
        block.append((draw(st.sampled_from(getattr(wording, adjustment))), share if adjustment == "charge" else -share))
        net += block[-1][1]
        bases = [net]
    net_row = 0
    if adjustment != "none" and draw(st.booleans()):
        net_row = len(block)
        block.append((draw(st.sampled_from(wording.net)), net))
    regional = wording is ENGLISH and len(rates) == 1 and draw(st.booleans())
    if regional:
        taxes = [tax_of(net, Decimal(5)), tax_of(net, Decimal("9.975"))]
        names = draw(st.sampled_from([("GST (5%)", "QST (9.975%)"), ("TPS", "TVQ"), ("GST", "PST")]))
        block += zip(names, taxes, strict=True)
    else:
        taxes = [tax_of(base, Decimal(rate)) for base, rate in zip(bases, rates, strict=True)]
        on = draw(st.booleans())
        for rate, base, tax in zip(rates, bases, taxes, strict=True):
            shown = rate if wording.decimal == "." else rate.replace(".", ",")
            form = draw(st.sampled_from(wording.tax_on if on else wording.tax))
            printed = f"{base:,.2f}"
            if wording.decimal == ",":
                printed = printed.translate(str.maketrans(",.", ".,"))
            block.append((form.format(shown, printed), tax))
    tax = sum(taxes, Decimal(0))
    block.append((draw(st.sampled_from(wording.gross)), net + tax))
    before: list[tuple[str, Decimal]] = []
    if draw(st.booleans()):
        before.append((draw(st.sampled_from(wording.carried)), articles[0]))
    return Invoice(
        wording,
        tuple(articles),
        tuple(block),
        net_row,
        net,
        tax,
        tuple(before),
        draw(st.sampled_from(wording.terms)),
        draw(st.booleans()),
    )


def fatal(reading: Reading) -> set[str]:
    return {rule for rule, violation in violations_of(reading).items() if violation.severity is Severity.FATAL}


def is_refused(reading: Reading) -> bool:
    """Whether validation fails the invoice for its total: wrong, or not found at all."""
    return bool(fatal(reading) & {"IP-TOTAL-01", "IP-TOTAL-04", "IP-REQ-05"})


@settings(max_examples=300, deadline=None)
@given(invoices())
def test_a_total_that_ties_is_read_and_let_pass(invoice: Invoice) -> None:
    reading = find_fields(invoice.pages())
    found = (reading.net_amount, reading.tax_amount, reading.gross_amount)
    assert found == (invoice.net, invoice.tax, invoice.gross)
    assert fatal(reading) == set()


@settings(max_examples=600, deadline=None)
@given(invoices(), st.data())
def test_a_total_that_does_not_tie_is_never_let_pass(invoice: Invoice, data: st.DataObject) -> None:
    wrong = data.draw(
        st.one_of(
            st.sampled_from([invoice.gross - value for _, value in invoice.block[:-1]]),  # something left out
            st.sampled_from([invoice.gross + value for _, value in invoice.block[:-1]]),  # something counted twice
            st.sampled_from([invoice.net, *invoice.articles]),
            st.sampled_from([CENT, -CENT, Decimal(9), Decimal("-0.90"), Decimal(90)]).map(lambda by: invoice.gross + by),
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


@settings(max_examples=400, deadline=None)
@given(invoices(), st.data())
def test_a_net_amount_tax_charge_or_discount_that_does_not_tie_is_never_let_pass(
    invoice: Invoice, data: st.DataObject
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
