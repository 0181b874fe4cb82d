"""Receipts of shops and restaurants as tills of South-East Asia print them, with discounts, service charges, rounding
for cash, payments in parts and a summary of the tax; one amount or word of most is misread, lost or one too many. What
is sure of the total is what was paid, or the total before it was rounded.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.calibration import calibrated
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import page_of
from invoice_pipelines_tests.support.sizes import size

CENT, COIN = Decimal("0.01"), Decimal("0.05")
Row = tuple[str, Decimal | None]


def made(rng: Random) -> tuple[list[Row], set[Decimal]]:
    """The rows of a receipt, and its total before and after rounding."""
    articles = [(rng.randrange(1, 4), Decimal(rng.randrange(50, 3500)) * CENT) for _ in range(rng.randrange(1, 6))]
    rows: list[Row] = [("RESTORAN WAN SENG", None), ("NO 12, JALAN BESAR, 81300 SKUDAI JOHOR", None)]
    rows += [(rng.choice(["TAX INVOICE", "RECEIPT", "CASH BILL"]), None)]
    rows += [(f"INV NO {rng.randrange(10_000, 99_999)}", None), (f"Date: {rng.randrange(1, 29):02}/03/2018", None)]
    for count, price in articles:
        name = rng.choice(["KOPI O", "A4 PAPER", "PVC PIPE", "ROTI CANAI", "CHICKEN RICE"])
        if rng.random() < 0.5:
            rows.append((f"{count} x {price} {name}", count * price))
        else:
            rows += [(name, None), (f"{count} @ {price}", count * price)]
    whole = sum((count * price for count, price in articles), Decimal(0))
    discount = (whole * rng.choice([0, 0, 0, 5, 10, 20]) / 100).quantize(CENT)
    if discount:
        rows.append((rng.choice(["SUBTOTAL", "Total", "Total Amount", "Gross Amount"]), whole))
        rows.append((rng.choice(["DISCOUNT", "Disc 10%", "Voucher"]), discount * rng.choice([1, -1, -1])))
    service = ((whole - discount) * rng.choice([0, 0, 0, 10]) / 100).quantize(CENT)
    if service:
        rows.append((rng.choice(["SERVICE CHARGE 10%", "SVC CHG 10%", "Serv. Charge"]), service))
    total, rate = whole - discount + service, rng.choice([0, 6, 6, 7, 10])
    tax = (total * rate / (100 + rate)).quantize(CENT)
    is_added = rng.random() < 0.4
    if is_added and rate:
        tax = (total * rate / 100).quantize(CENT)
        rows.append((rng.choice(["TOTAL EXCL. GST", "Total Sales (Excluding GST)", "Net Total"]), total))
        rows.append((rng.choice([f"GST {rate}%", "TOTAL GST", "Tax", f"SST {rate}%"]), tax))
        total += tax
    if rng.random() < 0.7:
        rows.append((rng.choice(["TOTAL", "Total Sales (Inclusive GST)", "Total Amount", "TOTAL RM"]), total))
    paid = total
    if rng.random() < 0.7:
        paid = (total / COIN).quantize(Decimal(1)) * COIN
        rows.append((rng.choice(["ROUNDING ADJ", "Rounding Adjustment"]), paid - total))
        rows.append((rng.choice(["TOTAL", "GRAND TOTAL", "Total Due", "TOTAL ROUNDED", "Total Payable"]), paid))
    match rng.choice(["cash", "cash", "card", "wallet", "parts"]):
        case "cash":
            given = Decimal((int(paid) // 50 + 1) * 50)
            rows += [(rng.choice(["CASH", "CASH TENDERED", "Paid", "TUNAI"]), given)]
            rows += [(rng.choice(["CHANGE", "Change Due", "BAKI"]), given - paid)]
        case "card":
            rows.append((rng.choice(["VISA", "CREDIT CARD", "Visa xxxx 1234"]), paid))
        case "wallet":
            rows.append((rng.choice(["TNG EWALLET", "BOOST"]), paid))
        case _:
            rows += [("CASH", (paid / 2).quantize(CENT)), ("VISA", paid - (paid / 2).quantize(CENT))]
    if rate and rng.random() < 0.6:
        rows += [("GST SUMMARY", None), (f"SR @ {rate}% {total - tax}", tax)]
    if rng.random() < 0.3:
        rows.append((rng.choice(["Points earned", "You have saved"]), Decimal(rng.randrange(100, 5000)) * CENT))
    return [*rows, ("THANK YOU PLEASE COME AGAIN", None)], {total, paid}


def spoiled(rows: list[Row], rng: Random) -> list[Row]:
    """With a digit or a letter misread, a point lost, or a line lost or too many, or with nothing of it."""
    place = rng.choice([place for place, (_, value) in enumerate(rows) if value is not None])
    name, value = rows[place]
    assert value is not None
    match rng.choice(["digit", "digit", "lost", "more", "letter", "point", "sound"]):
        case "digit":
            text = f"{value:.2f}"
            at = rng.choice([index for index, sign in enumerate(text) if sign.isdigit()])
            misread = (int(text[at]) + rng.randrange(1, 10)) % 10
            changed: list[Row] = [(name, Decimal(f"{text[:at]}{misread}{text[at + 1 :]}"))]
        case "lost":
            changed = []
        case "more":
            changed = [(rng.choice(["DEPOSIT", "LAST BALANCE", "CASH"]), Decimal(rng.randrange(50, 3000)) * CENT)]
            changed.append(rows[place])
        case "letter":
            at = rng.randrange(len(name))
            changed = [(name[:at] + rng.choice("0OI1LEAX ") + name[at + 1 :], value)]
        case "point":
            changed = [(name, value * 10)]
        case _:
            changed = [rows[place]]
    return [*rows[:place], *changed, *rows[place + 1 :]]


def read(rows: list[Row]) -> Reading:
    printed = [(name, None if value is None else f"{value:.2f}") for name, value in rows]
    return calibrated(find_fields([page_of(printed, 300)]))


@pytest.mark.parametrize("seed", range(size(200, 4000)))
def test_a_sure_total_is_what_was_paid(seed: int) -> None:
    rng = Random(f"shop-{seed}")
    rows, totals = made(rng)
    spoilt = spoiled(rows, rng)
    try:
        reading = read(spoilt)
    except ReadingError:
        return
    place = reading.provenance.get("gross_amount")
    assert not place or place.confidence < ReviewThresholds().gross_amount or reading.gross_amount in totals, spoilt


def amounts_of(*rows: tuple[str, str]) -> list[Row]:
    """A receipt with these rows below its articles."""
    head: list[Row] = [("RESTORAN WAN SENG", None), ("INV NO 57384", None), ("Date: 01/12/2016", None)]
    articles: list[Row] = [("2 @ 3.34", Decimal("6.68")), ("2 x 30.65 PVC PIPE", Decimal("61.30"))]
    return [*head, *articles, *((name, Decimal(value)) for name, value in rows)]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([("Total Amount", "67.98"), ("Voucher", "-13.60"), ("BOOST", "54.38")], id="an allowance below"),
        pytest.param([("Total", "67.98"), ("Disc", "13.60"), ("T tal Due", "54.38")], id="the same, without its sign"),
        pytest.param([("Total", "67.98"), ("SVC CHG 10%", "68.00"), ("Paid", "80.00")], id="a charge below"),
        pytest.param([("Total", "67.98"), ("XST 6%", "4.08"), ("CASH", "36.00"), ("VISA", "36.06")], id="a tax below"),
        pytest.param([("Total", "67.98"), ("VISA", "54.38")], id="less was paid"),
        pytest.param([("Total", "67.98"), ("Paid", "60.00"), ("CHANGE", "5.62")], id="what was given back is more"),
        pytest.param([("Total", "67.98"), ("CASH", "3.40"), ("VISA", "3.40")], id="parts make another sum"),
        pytest.param([("Total", "67.98"), ("VISA", "24.94"), ("CASH", "43.00")], id="parts make a little less"),
        pytest.param([("Total", "679.80"), ("CASH", "33.99"), ("VISA", "33.99")], id="ten times what was paid"),
        pytest.param([("Deposit", "67.98"), ("Balance due", "67.98")], id="half was paid before"),
        pytest.param([("TOTAL", "135.96"), ("Deposit", "67.98"), ("Balance due", "67.98")], id="half of a total"),
        pytest.param([("TOTAL", "67.99"), ("ROUNDING ADJ", "0.01"), ("Total Due", "67.98")], id="no coin is so small"),
    ],
)
def test_a_total_is_not_sure_where_another_amount_was_paid(rows: list[tuple[str, str]]) -> None:
    reading = read(amounts_of(*rows))
    sure = ReviewThresholds().gross_amount
    assert reading.gross_amount == Decimal("135.96") or reading.provenance["gross_amount"].confidence < sure


def test_what_was_paid_as_it_was_printed_is_sure() -> None:
    for rows in (
        [("TOTAL", "67.98"), ("VISA", "67.98")],
        [("TOTAL", "67.98"), ("CASH", "30.00"), ("VISA", "37.98")],
        [("TOTAL", "67.98"), ("CASH", "70.00"), ("CHANGE", "2.02")],
        [("TOTAL", "67.98"), ("ROUNDING ADJ", "0.02"), ("TOTAL ROUNDED", "68.00"), ("CASH", "68.00")],
    ):
        assert read(amounts_of(*rows)).provenance["gross_amount"].confidence >= ReviewThresholds().gross_amount, rows


def test_a_service_charge_is_no_tax() -> None:
    articles: list[Row] = [("RESTORAN WAN SENG", None), ("Date: 01/12/2016", None), ("3 @ 23.65", Decimal("70.95"))]
    service = [("SERVICE CHARGE 10%", Decimal("7.10")), ("Total Sales (Inclusive GST)", Decimal("78.05"))]
    reading = read([*articles, *service, ("TOTAL", Decimal("78.05")), ("VISA", Decimal("78.05"))])
    assert reading.gross_amount == Decimal("78.05")
    place = reading.provenance.get("tax_amount")
    assert reading.tax_amount != Decimal("7.10") or (place and place.confidence < ReviewThresholds().tax_amount)
