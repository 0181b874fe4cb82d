"""Receipts that are made to trick the reader about their currency: they print none, or a sign of several, and beside
the signs of their seller's country those of another, as of a guest, a card or a till. Whatever is sure is right.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from invoice_pipelines.intake.documents.recipient import Recipient
from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.calibration import calibrated
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import words_of
from invoice_pipelines_tests.support.sizes import size

SIGNS = {
    "EUR": (
        "20095 Hamburg|Steuernummer 143/311/00138|www.gasthaus.de|+49 40 326934|MwSt 19% 1,24",
        "1010 Wien|UID ATU13585627|www.gasthaus.at|+43 1 5122112|MwSt 20% 1,30",
        "08015 BARCELONA|NIF B83856088|www.taberna.es|+34 93 2924644|IVA 10% 0,71",
        "1012 LN Amsterdam|BTW NL823205563B01|www.cafe.nl|+31 20 6223461|BTW 9% 0,64",
        "George's Street, Dublin|VAT No. 3423133IH|www.cafe.ie|+353 1 9089319|VAT 13.5% 0.93",
    ),
    "CHF": ("8001 Zürich|CHE-109.322.551|www.gasthaus.ch|+41 44 1234567|MwSt 8,1% 0,58",),
    "SEK": ("111 57 Stockholm|Org.nr 556188-7562|www.krog.se|+46 8 141104|Moms 12% 0,83",),
    "GBP": ("Edinburgh, EH3 8BJ|VAT No: 170 5101 51|www.cafe.co.uk|+44 131 4661779|VAT 20% 1.30",),
    "PLN": ("00-950 Warszawa|NIP 856-734-62-15|www.karczma.pl|+48 22 6543210|VAT 8% 0,58",),
    "CZK": ("110 00 Praha|DIČ CZ29131979|www.hospoda.cz|+420 2 24210000|DPH 12% 0,83",),
    "USD": ("Las Vegas, NV 89109|Sales Tax 0.62|02/27/2024 8:14 PM|(702) 474-4089|Tip Guide 18% 1.40",),
    "CAD": ("Toronto, ON M5V 2V4|HST# 703 636 126 RT0001|www.diner.ca|(416) 640-7778|HST 13% 0.90",),
    "MXN": ("Cancún, Q.R.|RFC GODE561231GR8|www.taqueria.com.mx|+52 998 8810600|IVA 16% 1.07",),
    "HKD": ("Wan Chai, Hong Kong|Tel: 2528 9997|www.diner.com.hk|+852 2528 9997|10% Service",),
}
SHARED = {
    "10% Service",
    "Tel: 2528 9997",
    "Tip Guide 18% 1.40",
    "VAT 20% 1.30",
    "VAT 8% 0,58",
    "VAT 13.5% 0.93",
    "IVA 10% 0,71",
    "IVA 16% 1.07",
    "Sales Tax 0.62",  # also in Canada
    "02/27/2024 8:14 PM",
    "Cancún, Q.R.",
}


def read(lines: list[str], home: str) -> Reading:
    words: list[Word] = []
    for number, line in enumerate(lines):
        for index, part in enumerate(line.split(" | ")):
            words += words_of(part, 20.0 + 220 * index, 20 + 14.0 * number)
    return calibrated(
        find_fields([Page(1, 400, 900, tuple(words), engine="rapidocr 3")], recipient=Recipient(country=home))
    )


def is_sure(reading: Reading, field: str = "currency") -> bool:
    place = reading.provenance.get(field)
    return place is not None and place.confidence >= getattr(ReviewThresholds(), field)


@pytest.mark.parametrize("seed", range(size(150, 3_000)))
def test_what_a_paper_of_one_country_shows_of_another_makes_no_currency_sure_but_its_own(seed: int) -> None:
    rng = Random(seed)
    currency, other = rng.sample(sorted(SIGNS), 2)
    of_seller = rng.sample(rng.choice(SIGNS[currency]).split("|"), rng.randint(1, 5))
    of_others = rng.sample(rng.choice(SIGNS[other]).split("|"), rng.randint(0, 4))
    sign = rng.choice(["", "", "$"]) if currency in ("USD", "CAD", "MXN", "HKD") else ""
    lines = ["Corner House", *of_seller, "12.03.2024 12:14", f"Soup | {sign}7.79", f"Total | {sign}7.79"]
    place = rng.choice([1, len(lines)])
    lines[place:place] = of_others
    reading = read(lines, home=rng.choice(["DE", "CH", "SE", "GB", "US"]))
    if is_sure(reading) and reading.currency != currency:
        # Of the seller's own signs there is none but what many countries share, as a rate of tax.
        assert not [line for line in of_seller if line not in SHARED]


@pytest.mark.parametrize("seed", range(size(60, 1_000)))
def test_what_a_card_was_charged_in_another_currency_is_not_that_of_the_receipt(seed: int) -> None:
    rng = Random(seed)
    currency = rng.choice([code for code in sorted(SIGNS) if code not in ("USD", "CAD", "MXN", "HKD")])
    other = rng.choice([code for code in ("EUR", "USD", "GBP", "CHF", "SEK") if code != currency])
    of_seller = [line for line in rng.choice(SIGNS[currency]).split("|") if line not in SHARED]
    of_seller = rng.sample(of_seller, rng.randint(0, len(of_seller)))
    slip = rng.choice(
        [
            [f"VISA | {other} 9.12"],
            ["Exchange rate 1.1707", f"{other} | 9.12"],
            [f"Card payment {other} 9.12", f"Your bank is charged {other} 9.12"],
            [f"Tax free refund | {other} 1.20"],
        ]
    )
    lines = ["Corner House", *of_seller, "12.03.2024 12:14", "Suppe | 7,79", "Summe | 7,79", "MwSt | 1,24", *slip]
    reading = read(lines, home=rng.choice(["DE", "CH", "SE", "US"]))
    assert not is_sure(reading) or reading.currency == currency or not is_sure(reading, "gross_amount")


@pytest.mark.parametrize("home", ["DE", "AT", "CH", "GB", "US", "SE"])
def test_the_country_of_the_organization_alone_makes_no_currency_sure(home: str) -> None:
    assert not is_sure(read(["Corner House", "12.03.2024 12:14", "Soup | 7.79", "Total | 7.79"], home))


def test_a_currency_that_only_the_total_bears_is_read_beside_another_one_or_asked_for():
    lines = ["Gasthaus Krone", "8001 Zürich", "12.03.2024", "Suppe | 1'000.00", "Total | CHF1'000.00", "Kurs 0.96 EUR"]
    reading = read(lines, home="CH")
    assert reading.gross_amount == Decimal("1000.00")
    assert reading.currency == "CHF" or not is_sure(reading)


@pytest.mark.parametrize("sign", ["¥", "₩", "฿"])
@pytest.mark.parametrize("elsewhere", [None, "IBAN (EUR) DE02 1203 0000 0000 2020 51"])
def test_a_sign_that_is_not_known_is_not_the_currency_of_the_country(sign: str, elsewhere: str | None) -> None:
    lines = ["Muster GmbH", "20095 Hamburg", "USt-IdNr. DE123456788", "Rechnung Nr. 4711", "Rechnungsdatum 17.02.2024"]
    lines += [f"Nettobetrag | {sign}100,00", f"MwSt. 19 % | {sign}19,00", f"Gesamtbetrag | {sign}119,00"]
    reading = read([*lines, *([elsewhere] if elsewhere else [])], "DE")
    assert reading.currency is None or reading.provenance["currency"].confidence < ReviewThresholds().currency
