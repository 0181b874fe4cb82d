"""Receipts of which one digit is misread, a line is lost or one too many: no total that is sure is another one than was
printed, and neither is a net amount or a tax, but for a cent, which may be rounded as well as misread."""

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

CENT = Decimal("0.01")
Row = tuple[str, Decimal | None]


def made(rng: Random) -> tuple[list[Row], dict[str, Decimal]]:
    """The rows of a receipt, and its total, net amount and tax. Some of its words no reader knows."""
    prices = [Decimal(rng.randrange(150, 4000)) * CENT for _ in range(rng.randrange(1, 5))]
    whole = sum(prices, Decimal(0))
    articles: list[Row] = [(rng.choice(["Coffee", "Cake", "Soup", "Kaffee", "Menu"]), price) for price in prices]
    head: list[Row] = [("Corner Shop", None), ("Main Street 3", None), ("12 March 2024 14:10", None)]
    rate = Decimal(rng.choice([6, 7, 9, 10, 19, 20, 21, 25]))
    card = rng.choice(["Visa", "Mastercard", "CARD SEK0", "Zahlung", "Kupo1"])
    match rng.choice(["tip", "ticket", "net and tax", "added tax"]):
        case "tip":
            tax, tip = (whole * rate / 100).quantize(CENT), (whole * rng.choice([10, 15, 18]) / 100).quantize(CENT)
            total = whole + tax + tip
            extra = rng.choice(["Tip", "Service Chg.", "Gratuity", "Delivery"])
            rows = [("Subtotal", whole), (rng.choice(["Tax", "Sales Tax"]), tax), (extra, tip)]
            rows += [(rng.choice(["Total", "Amount", "To settle"]), total)]
            truth = {"gross": total, "net": whole, "tax": tax}
        case "ticket":
            total = whole
            tax = (total * rate / (100 + rate)).quantize(CENT)
            rows = [(rng.choice(["SEK Receipt", "Ukupan iznos", "Total"]), total), (f"Incl {rate}% VAT", tax)]
            rows += [(card, total)]
            truth = {"gross": total, "net": total - tax, "tax": tax}
        case "net and tax":
            total = whole
            tax = (total * rate / (100 + rate)).quantize(CENT)
            rows = [(rng.choice(["Net", "Netto(1)"]), total - tax), (rng.choice([f"VAT {rate}%", "Tax"]), tax)]
            rows += [(rng.choice(["Total", "Summe", "Synolo"]), total)]
            truth = {"gross": total, "net": total - tax, "tax": tax}
        case _:
            tax = (whole * rate / 100).quantize(CENT)
            rows = [(rng.choice(["Subtotal", "Sous-total"]), whole), (rng.choice(["Tax", "TPS", "Tax total"]), tax)]
            rows += [(rng.choice(["Total", card]), whole + tax)]
            truth = {"gross": whole + tax, "net": whole, "tax": tax}
    if rng.random() < 0.3:
        rows.append((card, truth["gross"]))
    return [*head, *articles, *rows], truth


def spoiled(rows: list[Row], rng: Random) -> list[Row]:
    """With one amount misread by a digit, or a line lost, or a line of something else, or with nothing of it."""
    places = [place for place, (_, value) in enumerate(rows) if value is not None]
    place = rng.choice(places)
    match rng.choice(["digit", "digit", "lost", "more", "sound"]):
        case "digit":
            name, value = rows[place]
            text = f"{value:.2f}"
            at = rng.choice([index for index, sign in enumerate(text) if sign.isdigit()])
            text = text[:at] + str((int(text[at]) + rng.randrange(1, 10)) % 10) + text[at + 1 :]
            return [*rows[:place], (name, Decimal(text)), *rows[place + 1 :]]
        case "lost":
            return [*rows[:place], *rows[place + 1 :]]
        case "more":
            other = (rng.choice(["Deposit", "Points", "Saved today", "Cash"]), Decimal(rng.randrange(50, 3000)) * CENT)
            return [*rows[:place], other, *rows[place:]]
        case _:
            return rows


def read(rows: list[Row]) -> Reading:
    printed = [(name, None if value is None else f"{value:.2f}") for name, value in rows]
    return calibrated(find_fields([page_of(printed, 260)]))


@pytest.mark.parametrize("seed", range(size(200, 4000)))
def test_no_sure_amount_of_a_spoiled_receipt_is_wrong(seed: int) -> None:
    rng = Random(f"spoiled-{seed}")
    rows, truth = made(rng)
    spoilt = spoiled(rows, rng)
    try:
        reading = read(spoilt)
    except ReadingError:
        return
    for field, threshold in (
        ("gross", ReviewThresholds().gross_amount),
        ("tax", ReviewThresholds().tax_amount),
        ("net", ReviewThresholds().net_amount),
    ):
        place = reading.provenance.get(f"{field}_amount")
        if place and place.confidence >= threshold:
            accepted = [truth[field], *([truth["gross"]] if field == "net" and not reading.tax_amount else [])]
            most = Decimal(0) if field == "gross" else CENT
            read_as = getattr(reading, f"{field}_amount")
            assert any(abs(read_as - value) <= most for value in accepted), (field, read_as, spoilt)


def test_sound_receipts_are_mostly_sure() -> None:
    sure = 0
    for seed in range(size(100, 1000)):
        rows, truth = made(Random(f"sound-{seed}"))
        reading = read(rows)
        sure += reading.gross_amount == truth["gross"] and reading.provenance["gross_amount"].confidence >= 0.95
    assert sure >= 0.6 * size(100, 1000), sure
