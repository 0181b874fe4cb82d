"""Rules that hold for any invoice, tried on generated ones; and for any words at all."""

from __future__ import annotations

import contextlib
import re
import time
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines_tests.support.sizes import example_count

GERMAN = {
    "number": ["Rechnungsnummer:", "Rechnungs-Nr.", "Rechnung Nr.", "Beleg-Nr.:", "RechnungsNr:"],
    "date": ["Rechnungsdatum:", "Belegdatum", "Datum:", "Ausstellungsdatum"],
    "net": ["Nettobetrag", "Summe netto", "Gesamt (netto)", "Rechnungssumme ohne USt.", "Nettosumme:"],
    "tax": ["MwSt. {} %", "zzgl. {}% USt", "Umsatzsteuer {} %", "{} % Mehrwertsteuer", "+ MwSt ({}%)"],
    "gross": ["Gesamtbetrag", "Rechnungsbetrag", "Bruttosumme", "Summe inkl. MwSt.", "Endbetrag EUR", "Gesamt brutto:"],
}
ENGLISH = {
    "number": ["Invoice number:", "Invoice No.", "Invoice #", "INVOICE NO", "Bill number"],
    "date": ["Invoice date:", "Date of issue", "Date:", "Issue date"],
    "net": ["Net amount", "Subtotal", "Total excl. VAT", "Net total:", "Total net"],
    "tax": ["VAT {}%", "VAT @ {} %", "Tax ({}%)", "plus {}% VAT", "Sales tax {}%"],
    "gross": ["Total", "Grand total", "Total incl. VAT", "Invoice total:", "Gross amount", "Total amount"],
}
DECOYS = ["Kundennummer: 4711", "Customer No. 99812", "Tel. 030 1234567", "PO number: 778", "Lieferschein-Nr. 5544"]


def words_of(text: str, left: float, top: float, page: int = 1) -> list[Word]:
    words = []
    for part in text.split():
        words.append(Word(part, (left, top, left + 5 * len(part), top + 10), page))
        left += 5 * len(part) + 3
    return words


@st.composite
def invoices(draw: st.DrawFn) -> tuple[Page, dict[str, object]]:
    """A page with an invoice whose labels, styles and places vary, and what it says."""
    labels = draw(st.sampled_from([GERMAN, ENGLISH]))
    decimal, group = draw(st.sampled_from([(",", "."), (",", "")] if labels is GERMAN else [(".", ","), (".", "")]))
    rate = draw(st.sampled_from([5, 7, 19, 20, 21, 25]))
    net = draw(st.decimals(min_value=Decimal("1.00"), max_value=Decimal("999999.99"), places=2))
    tax = (net * rate / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)
    number = draw(st.from_regex(r"(RE-|INV-|A)?20[0-9]{2}-[0-9]{3,5}", fullmatch=True))
    issued = draw(st.dates(min_value=date(2015, 1, 1), max_value=date(2030, 1, 1)))
    value_left = draw(st.sampled_from([160, 220, 300]))
    amount_right = draw(st.sampled_from([400, 480, 550]))
    step = draw(st.sampled_from([12, 14, 20]))

    def amount(value: Decimal) -> str:
        return f"{value:,.2f}".replace(",", "G").replace(".", decimal).replace("G", group)

    date_text = f"{issued:%d.%m.%Y}" if labels is GERMAN else issued.isoformat()
    head = [(draw(st.sampled_from(labels["number"])), number), (draw(st.sampled_from(labels["date"])), date_text)]
    words = words_of("Rechnung" if labels is GERMAN else "Invoice", 60, 50)
    top = 100.0
    for label, value in draw(st.permutations(head)):
        words += words_of(label, 60, top) + words_of(value, value_left, top)
        top += step
    for decoy in draw(st.lists(st.sampled_from(DECOYS), max_size=3, unique=True)):
        words += words_of(decoy, 60, top)
        top += step
    top += 60
    totals = {"net": net, "tax": tax, "gross": net + tax}
    for role, value in totals.items():  # type: ignore[assignment]
        text = amount(value)
        words += words_of(draw(st.sampled_from(labels[role])).format(rate), 60, top)
        words += words_of(text, amount_right - 5 * len(text), top)
        top += step
    return Page(1, 595, 842, tuple(words)), {"number": number, "issue_date": issued, **totals}


@settings(max_examples=example_count(200))
@given(invoices())
def test_a_plain_invoice_is_read_right_in_any_style(invoice: tuple[Page, dict[str, object]]) -> None:
    page, expected = invoice
    reading = find_fields([page])
    assert {
        "number": reading.number,
        "issue_date": reading.issue_date,
        "net": reading.net_amount,
        "tax": reading.tax_amount,
        "gross": reading.gross_amount,
    } == expected


@settings(max_examples=example_count(100))
@given(invoices(), st.integers(min_value=0, max_value=2), st.integers(min_value=1, max_value=9))
def test_totals_that_do_not_tie_are_never_given_with_confidence(
    invoice: tuple[Page, dict[str, object]], which: int, shift: int
) -> None:
    page, expected = invoice
    # One digit before the decimals of one total is misread.
    amounts = [index for index, word in enumerate(page.words) if re.search(r"\d[,.]\d\d$", word.text)]
    index = amounts[which - 3]
    word = page.words[index]
    digit = str((int(word.text[-4]) + shift) % 10)
    spoiled = Word(word.text[:-4] + digit + word.text[-3:], word.box, word.page)
    reading = find_fields([Page(1, 595, 842, (*page.words[:index], spoiled, *page.words[index + 1 :]))])
    for name, field in (("net", "net_amount"), ("tax", "tax_amount"), ("gross", "gross_amount")):
        if field in reading.provenance and getattr(reading, field) != expected[name]:
            assert reading.provenance[field].confidence < 0.95


fragments = st.one_of(
    st.text(min_size=1, max_size=12).filter(lambda text: bool(text.split())),
    st.sampled_from([label for group in (*GERMAN.values(), *ENGLISH.values()) for label in group]),
    st.sampled_from(
        ["19 %", "1.234,56", "100.00", "DE136695976", "IBAN", "€", "05.06.2018", "Summe", ":", "#", "-", "("]
    ),
)
places = st.floats(min_value=-50, max_value=900, allow_nan=False)


@settings(max_examples=example_count(200))
@given(st.lists(st.tuples(fragments, places, places, st.integers(1, 3)), max_size=60))
def test_no_words_make_the_reader_fail(content: list[tuple[str, float, float, int]]) -> None:
    words = [word for text, left, top, page in content for word in words_of(text, left, top, page)]
    pages = [Page(number, 595, 842, tuple(word for word in words if word.page == number)) for number in (1, 2, 3)]
    # A page of nonsense may be refused, but in no other way than by a ReadingError.
    with contextlib.suppress(ReadingError):
        reading = find_fields(pages)
        assert all(0 <= found.confidence <= 1 for found in reading.provenance.values())


def test_the_cost_grows_with_the_number_of_pages_and_no_faster() -> None:
    def page(number: int) -> Page:
        words = words_of("Rechnung Nr. 17", 60, 20, number)
        for row in range(64):
            words += words_of(
                f"Artikel {row} netto {row},50 19 % {row * 7},00 MwSt {row},95", 40, 40 + 12 * row, number
            )
        return Page(number, 595, 842, tuple(words))

    def seconds(count: int) -> float:
        pages = [page(number) for number in range(1, count + 1)]
        start = time.process_time()
        find_fields(pages)
        return time.process_time() - start

    assert seconds(80) / 80 < 3 * min(seconds(10), seconds(10)) / 10


def test_a_page_made_to_be_slow_is_not() -> None:
    rows = {
        "amounts": "1.234,56 " * 20_000,
        "labels": "Rechnung Nr. Summe MwSt Netto " * 8_000,
        "digits": "1" * 100_000 + " 1.111" * 10_000,
        "groups": "1" + ".111" * 100_000 + "x",
        "capitals": "DE12 " * 20_000 + "A" * 100_000,
    }
    for text in rows.values():
        words = [Word(part, (10.0 + index, 10, 10.5 + index, 20), 1) for index, part in enumerate(text.split())]
        start = time.process_time()
        with contextlib.suppress(ReadingError):
            find_fields([Page(1, 595, 842, tuple(words))])
        assert time.process_time() - start < 20
