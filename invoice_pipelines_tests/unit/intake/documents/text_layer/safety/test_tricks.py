"""Documents that are made to trick the reader: whatever is wrong with them, nothing wrong passes without a person.

Right invoices of many layouts are altered: columns of a second currency, columns of discounts, taxes of nothing,
identifiers that are cut, altered or those of the buyer.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from random import Random

import pytest

from invoice_pipelines.intake.documents.recipient import Recipient
from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.calibration import calibrated
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.review.reasons import Judgement
from invoice_pipelines.intake.stages.judging import Standard, judge_reading
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
    standard = Standard(date(2024, 6, 1), past_years=10)
    return judge_reading(calibrated(reading), Expectations(date(2024, 6, 1)), standard).judgement is Judgement.VALID


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


TOTALS: list[Cells] = [
    [(0, "Net amount"), (540, "100.00")],
    [(0, "VAT 19 %"), (540, "19.00")],
    [(0, "Total"), (540, "119.00")],
]
SURE = (*HEAD, "Currency:|EUR")
VAT_IDS = ("DE136695976", "DE811274562", "ATU66571603", "BE0203430576", "GB980780684", "FR40303265045", "IT00743110157")
IBANS = ("DE02120300000000202051", "GB33BUKB20201555555555", "AT611904300234573201", "FR1420041010050500013M02606")
OWN = Recipient.of("Acme Widgets GmbH", "DE136695976", "19/123/45678", "DE02120300000000202051")


def damaged(value: str, rng: Random) -> str:
    """An identifier with a digit more, less or other, or with two that changed places."""
    places = [index for index, character in enumerate(value) if character.isdigit() and index > 3]
    place = rng.choice(places)
    match rng.choice(["cut", "longer", "other", "doubled"]):
        case "cut":
            return value[:-1]
        case "longer":
            return value + str(rng.randrange(10))
        case "other":
            return value[:place] + str((int(value[place]) + rng.randrange(1, 10)) % 10) + value[place + 1 :]
        case _:
            return value[:place] + value[place] + value[place:]


def as_scanned(pages: list[Page]) -> list[Page]:
    return [replace(page, engine="an engine 1.0") for page in pages]


def test_the_document_that_is_spoiled_below_passes() -> None:
    head = (*SURE, "VAT ID:|GB980780684", "IBAN:|GB33BUKB20201555555555")
    for pages in (page_of(head, TOTALS), as_scanned(page_of(head, TOTALS))):
        reading = find_fields(pages, recipient=OWN)
        assert passes(reading)
        assert (reading.seller.vat_id, reading.iban) == ("GB980780684", "GB33BUKB20201555555555")


@pytest.mark.parametrize("seed", range(size(150, 1000)))
def test_no_identifier_passes_that_is_not_as_printed_or_was_misread(seed: int) -> None:
    rng = Random(f"identifiers-{seed}")
    vat_id, iban = rng.choice(VAT_IDS), rng.choice(IBANS)
    shown_vat_id, shown_iban = rng.choice([(damaged(vat_id, rng), iban), (vat_id, damaged(iban, rng))])
    between = rng.choice(["", " "])
    grouped = between.join(shown_iban[index : index + 4] for index in range(0, len(shown_iban), 4))
    head = (*SURE, f"{rng.choice(['VAT ID:', 'USt-IdNr.:', 'VAT No'])}|{shown_vat_id}", f"IBAN:|{grouped}")
    scanned = find_fields(as_scanned(page_of(head, TOTALS)))
    if passes(scanned):
        assert scanned.seller.vat_id in (vat_id, None)
        assert scanned.iban in (iban, None)
    printed = find_fields(page_of(head, TOTALS))
    if passes(printed):  # what a text layer says is not misread, and never taken in part
        assert printed.seller.vat_id in (shown_vat_id, None)
        assert printed.iban in (iban, shown_iban, None)
        assert len(printed.iban or iban) == len(iban)


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("DE03 1203 0000 0000 2020 51", "as text"),
        ("DE03 1203 0000 0000 2020 51", "as scanned"),
        ("DE03 1203 0000 0000 2020 51", "by an unknown OCR"),
        ("DE03 1203 0000 0000 2020 5", "as text"),
        ("DE03 1203 0000 0000 2020 519", "as text"),
        ("DE03 1203 0000 0000 2020|51", "as text"),
        ("DE03 12O3 0000 0000 2020 51", "as text"),
    ],
)
def test_a_misprinted_iban_passes_with_a_remark_and_a_misread_one_waits(printed: str, told: str) -> None:
    first, _, rest = printed.partition("|")
    pages = page_of((*SURE, f"IBAN:|{first}"), TOTALS)
    if rest:  # in the next column
        last = pages[0].words[-1]
        iban = next(word for word in pages[0].words if word.text == "IBAN:")
        pages = [replace(pages[0], words=(*pages[0].words, *words_of(rest, last.box[2] + 40, iban.box[1])))]
    if told == "as scanned":
        pages = as_scanned(pages)
    if told == "by an unknown OCR":
        pages = [replace(page, needs_ocr=True) for page in pages]
    reading = find_fields(pages)
    as_printed = told == "as text" and printed == "DE03 1203 0000 0000 2020 51"
    assert passes(reading) is as_printed
    if as_printed:
        rules = {violation.rule for violation in validate(reading, Expectations(date(2024, 6, 1))).violations}
        assert (reading.iban, "IP-IBAN-01" in rules) == ("DE03120300000000202051", True)


@pytest.mark.parametrize("label", ["VAT ID:", "USt-IdNr.:", "Customer VAT:", ""])
@pytest.mark.parametrize("where", ["alone", "first", "last"])
def test_what_the_recipient_is_known_by_is_never_the_sellers(label: str, where: str) -> None:
    own = [f"{label}|DE136695976", "IBAN:|DE02 1203 0000 0000 2020 51", "Tax number:|19/123/45678"]
    others = ["VAT ID:|GB980780684", "IBAN:|GB33BUKB20201555555555"]
    lines = {"alone": own, "first": [*own, *others], "last": [*others, *own]}[where]
    reading = find_fields(page_of((*SURE, *lines), TOTALS), recipient=OWN)
    assert reading.seller.vat_id == (None if where == "alone" else "GB980780684")
    assert reading.iban == (None if where == "alone" else "GB33BUKB20201555555555")
    assert reading.seller.tax_id is None
    assert reading.buyer.vat_id == "DE136695976"


@pytest.mark.parametrize(
    "own", ["Acme Widgets GmbH", "ACME WIDGETS GMBH", "Acme Widgets", "Acme Widgets GmbH Accounts"]
)
def test_the_recipient_is_never_the_seller(own: str) -> None:
    """Also where its name stands at the top, and where the seller is a trade mark in a picture that nobody reads."""
    lines = (f"{own}|", "Main Street 5|", "10115 Berlin|", "Invoice|", "Invoice number:|A-2024-17")
    reading = find_fields(page_of((*lines, "Invoice date:|2024-05-02", "Currency:|EUR"), TOTALS), recipient=OWN)
    assert reading.seller.name is None or "acme" not in reading.seller.name.casefold()
    assert (reading.buyer.name or "").casefold() == own.casefold()
    assert not passes(reading)
    reading = find_fields(page_of((f"Seller:|{own}", *lines), TOTALS), recipient=OWN)
    assert reading.seller.name is None or "acme" not in reading.seller.name.casefold()


def test_another_company_of_the_same_name_and_another_legal_form_may_be_the_seller() -> None:
    head = ("Acme Widgets KG|", *(line for line in SURE if "Northern" not in line), "Seller:|Acme Widgets KG")
    assert find_fields(page_of(head, TOTALS), recipient=OWN).seller.name == "Acme Widgets KG"


def test_of_two_vat_ids_that_may_be_the_sellers_none_passes() -> None:
    head = (*SURE, "VAT ID:|GB980780684", "VAT ID:|DE811274562")
    assert not passes(find_fields(page_of(head, TOTALS), recipient=OWN))


def test_a_vat_id_below_the_name_of_the_buyer_is_the_buyers() -> None:
    head = ("Bill to:|", "Beta Ltd|", "5 High Street|", "Contact: Ann Smith|", "VAT ID: GB980780684|", *SURE)
    reading = find_fields(page_of(head, TOTALS))
    assert (reading.seller.vat_id, reading.buyer.vat_id) == (None, "GB980780684")


@pytest.mark.parametrize("label", ["VAT ID of the customer", "USt-IdNr. des Kunden:", "VAT ID of the ordering party"])
def test_a_vat_id_that_its_label_gives_to_another_is_not_the_sellers(label: str) -> None:
    words = [*words_of(label, 60, 300), *words_of("GB980780684", 300, 300)]
    (page,) = page_of(SURE, TOTALS)
    reading = find_fields([replace(page, words=(*page.words, *words))])
    assert reading.seller.vat_id is None or not passes(reading)


FOOTER = (("Northern Tools Ltd.", 60.0), ("Management:", 230.0), ("VAT ID: GB980780684", 380.0))


@pytest.mark.parametrize(
    ("row", "top", "sure"),
    [
        (FOOTER, 780.0, True),
        (FOOTER, 500.0, False),
        ((("Southern Tools Ltd.", 60.0), *FOOTER[1:]), 780.0, False),
        (FOOTER[1:], 780.0, False),
    ],
)
def test_a_vat_id_under_another_heading_is_the_sellers_beside_its_name_at_the_foot(
    row: tuple[tuple[str, float], ...], top: float, sure: bool
) -> None:
    (page,) = page_of(SURE, TOTALS)
    heading = words_of("Ship to:", 380, top - 12)
    words = [word for text, left in row for word in words_of(text, left, top)]
    reading = calibrated(find_fields([replace(page, words=(*page.words, *heading, *words))]))
    place = reading.provenance.get("seller.vat_id")
    assert (place is not None and place.confidence >= ReviewThresholds().seller_vat_id) is sure


ARREARS: list[Cells] = [
    [(0, "Net amount"), (530, "200.00")],
    [(0, "VAT 10 %"), (530, "20.00")],
    [(0, "Total amount"), (530, "220.00")],
    [(0, "Previous balance"), (530, "35.50")],
    [(0, "Amount due"), (530, "255.50")],
]


def test_what_is_owed_from_before_is_paid_with_the_total() -> None:
    reading = find_fields(page_of(SURE, ARREARS))
    amounts = (reading.gross_amount, reading.prepaid_amount, reading.payable_amount)
    assert amounts == (Decimal(220), Decimal("-35.50"), Decimal("255.50"))
    assert passes(reading)


@pytest.mark.parametrize("row", range(len(ARREARS)))
@pytest.mark.parametrize("digit", [0, 1, -1])
def test_a_wrong_digit_in_a_total_or_in_what_is_owed_from_before_makes_it_wait(row: int, digit: int) -> None:
    label, (right, text) = ARREARS[row]
    place = digit % len(text)
    altered = f"{text[:place]}{(int(text[place]) + 3) % 10}{text[place + 1 :]}"
    rows = [*ARREARS[:row], [label, (right, altered)], *ARREARS[row + 1 :]]
    assert not passes(find_fields(page_of(SURE, rows)))


def test_a_deposit_is_never_added_to_the_total() -> None:
    rows = [*ARREARS[:3], [(0, "Deposit paid"), (530, "35.50")], ARREARS[4]]
    assert not passes(find_fields(page_of(SURE, rows)))
