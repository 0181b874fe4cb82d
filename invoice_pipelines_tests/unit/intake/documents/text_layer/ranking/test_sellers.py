"""Whose name is the seller's, of those that a page shows without a label."""

from __future__ import annotations

from itertools import permutations

import pytest

from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.calibration import calibrated
from invoice_pipelines.intake.documents.text_layer.page.words import Page
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import words_of

THRESHOLD = ReviewThresholds().seller_name
LINES = ("Rechnung", "Rechnungsnummer: 2024-17", "Rechnungsdatum: 02.05.2024", "Gesamtbetrag: 119,00 EUR")


def seller_of(left: list[str], right: list[str]) -> tuple[str | None, float]:
    """What is read where these lines head a letter, and how sure it is."""
    words = [word for at, text in enumerate(left) for word in words_of(text, 60, 40 + 14 * at)]
    words += [word for at, text in enumerate(right) for word in words_of(text, 340, 40 + 14 * at)]
    words += [word for at, text in enumerate(LINES) for word in words_of(text, 60, 200 + 20 * at)]
    reading = calibrated(find_fields([Page(1, 595, 842, tuple(words))]))
    place = reading.provenance.get("seller.name")
    return reading.seller.name, place.confidence if place else 0.0


@pytest.mark.parametrize("company", ["Metzgerei Haas KG", "Redwood Systems LLP", "Druckerei Seidel GmbH"])
def test_a_trade_name_beside_a_buyer_with_a_legal_form_is_the_seller_or_waits(company: str) -> None:
    theirs = [company, "Kanalufer 22", "24103 Kiel"]
    name, sure = seller_of(["Gasthof zur Eiche", "Domgasse 1", "99084 Erfurt"], theirs)
    assert name == "Gasthof zur Eiche" or sure < THRESHOLD


COMPANIES = ("Redwood Systems LLP", "Druckerei Seidel GmbH")
TRADES = ("Gasthof zur Eiche", "Tischlerei Voss", "Blumen Pfeiffer")


@pytest.mark.parametrize("company", COMPANIES)
def test_of_seller_and_buyer_side_by_side_the_left_one_is_rather_the_seller(company: str) -> None:
    shop, other = ["Blumen Pfeiffer", "Ahornweg 7", "01099 Dresden"], [company, "Kanalufer 22", "24103 Kiel"]
    for left, right in ((shop, other), (other, shop)):
        assert seller_of(left, right)[0] == left[0]


@pytest.mark.parametrize(("left", "right"), [*permutations((*COMPANIES, *TRADES), 2)])
def test_nobody_is_sure_which_of_two_addresses_side_by_side_is_the_sellers(left: str, right: str) -> None:
    """A letter has its recipient on the left, and many a bill has its sender there."""
    addresses = ["Ahornweg 7", "01099 Dresden"], ["Kanalufer 22", "24103 Kiel"]
    _, sure = seller_of([left, *addresses[0]], [right, *addresses[1]])
    assert sure < THRESHOLD


@pytest.mark.parametrize("company", COMPANIES)
def test_of_two_side_by_side_the_one_with_an_address_in_the_web_is_sure(company: str) -> None:
    shop = ["Blumen Pfeiffer", "Ahornweg 7", "01099 Dresden", "www.pfeiffer-blumen.de"]
    other = [company, "Kanalufer 22", "24103 Kiel"]
    for left, right in ((shop, other), (other, shop)):
        name, sure = seller_of(left, right)
        assert sure < THRESHOLD or name == "Blumen Pfeiffer"


def test_a_small_line_of_the_sender_above_the_window_names_the_seller() -> None:
    line = "Blumenhalle Pfeiffer · Ahornweg 7 · 01099 Dresden"
    name, sure = seller_of([line, "", "Druckerei Seidel GmbH", "Kanalufer 22", "24103 Kiel"], [])
    assert name == "Blumenhalle Pfeiffer" or sure < THRESHOLD


@pytest.mark.parametrize(
    "head",
    [
        ["Blumenhalle Pfeiffer·Ahornweg 7 · 01099 Dresden"],
        ["Blumenhalle Pfeiffer • Ahornweg 7 • 01099 Dresden", ""],
        ["Blumenhalle Pfeiffer", "Ahornweg 7", "01099 Dresden", ""],
    ],
)
@pytest.mark.parametrize("indented", [False, True])
def test_a_company_below_the_address_of_another_is_no_sure_seller(head: list[str], indented: bool) -> None:
    buyer = ["Uhlig Elektro GmbH & Co. KG", "Schlossplatz 3", "70173 Stuttgart"]
    left, right = ([""] * len(head) + buyer, head) if indented else (head + buyer, [])
    name, sure = seller_of(left, right)
    assert name == "Blumenhalle Pfeiffer" or sure < THRESHOLD


@pytest.mark.parametrize("heading", ["Kassenbon", "Passenger Receipt", "Willkommen"])
def test_a_heading_is_no_sure_seller(heading: str) -> None:
    name, sure = seller_of([heading, "02.05.2024 12:30"], [])
    assert name != heading or sure < THRESHOLD


def party(*rows: str) -> tuple[str | None, float]:
    """What is read as the seller of an invoice whose party block has these rows, "label | value" each."""
    words = [word for at, text in enumerate(LINES) for word in words_of(text, 60, 40 + 20 * at)]
    for at, row in enumerate(rows):
        label, _, value = row.partition(" | ")
        words += words_of(label, 60, 200 + 12 * at) + (words_of(value, 200, 200 + 12 * at) if value else [])
    reading = calibrated(find_fields([Page(1, 595, 842, tuple(words))]))
    place = reading.provenance.get("seller.name")
    return reading.seller.name, place.confidence if place else 0.0


ADDRESS = ("Anschrift: | Ahornweg 7", "Steuernummer: | 22/815/08156")
BUYER = ("Käufer | ", "Name: | Franz Vogel", "Anschrift: | Kanalufer 22")


def test_a_name_in_the_block_of_the_seller_behind_the_word_for_it_is_sure() -> None:
    name, sure = party("Verkäufer | ", "Name: | Blumen Pfeiffer", *ADDRESS, *BUYER)
    assert name == "Blumen Pfeiffer"
    assert sure >= THRESHOLD


@pytest.mark.parametrize(
    "rows",
    [
        ("Verkäufer | ", "Name: | Blumen", " | Pfeiffer und Voss", ADDRESS[0]),  # the name goes on
        ("Name: | Blumen Pfeiffer", *ADDRESS),  # of whom?
        (*BUYER, *ADDRESS),
        ("Verkäufer | ", "Ansprechpartner: | ", "Name: | Ida Voss", *ADDRESS),
    ],
)
def test_a_name_that_goes_on_or_is_that_of_somebody_else_is_not_sure(rows: tuple[str, ...]) -> None:
    name, sure = party(*rows)
    assert name is None or sure < THRESHOLD


def test_the_street_below_a_centred_name_is_no_buyer() -> None:
    lines = [("Blumen Pfeiffer", 85), ("45 Carlton Street", 82), ("Toronto ON M5V 2T6", 82), ("June 17, 2024", 60)]
    rows = [*lines, ("Total $ 37.46", 60)]
    words = [word for at, (text, left) in enumerate(rows) for word in words_of(text, left, 80 + 14 * at)]
    assert find_fields([Page(1, 280, 500, tuple(words), engine="x")]).buyer.name is None
