"""The currency of receipts that do not name one, and what a receipt without any word of an invoice becomes."""

from __future__ import annotations

import pytest

from invoice_pipelines.intake.documents.recipient import Recipient
from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.intake.reading import Reading


def receipt(text: str, home: str | None = "DE") -> Reading:
    """A receipt with these lines; `|` divides what stands left from what stands right."""
    words = []
    for number, line in enumerate(text.split("; ")):
        for index, part in enumerate(line.split(" | ")):
            left = 20.0 + 250 * index
            for word in part.split():
                words.append(Word(word, (left, 20 + 14 * number, left + 5 * len(word), 30 + 14 * number), 1, 0.99))
                left += 5 * len(word) + 3
    return find_fields([Page(1, 400, 600, tuple(words), engine="rapidocr 3")], recipient=Recipient(country=home))


GERMAN = "Gasthaus zur Post; Kassenbon vom 12.03.2024; Suppe | 7,79; SUMME | 7,79; MwSt 19% | 1,24; Vielen Dank"
BARE = "Corner Diner; June 17, 2024 9:42 AM; Coffee | $8.95; Toast | $3.05; Total | $12.00"


@pytest.mark.parametrize(
    ("text", "home", "currency"),
    [
        (GERMAN, "DE", "EUR"),
        (GERMAN, None, None),
        (GERMAN, "CH", None),  # 19 % is no Swiss rate
        (GERMAN.replace("19%", "8,1%").replace("1,24", "0,58"), "CH", "CHF"),
        (GERMAN.replace("19%", "8,1%").replace("1,24", "0,58"), "DE", None),
        (f"{GERMAN}; Telefon +41 44 123 45 67", "DE", "CHF"),
        (f"{GERMAN}; www.gasthaus-zur-post.de", None, "EUR"),
        (f"{GERMAN}; +41 44 123 45 67; www.gasthaus-zur-post.de", None, None),  # they do not agree
        (f"{GERMAN}; UID ATU13585627", "CH", "EUR"),
        ("Max Hamburgare; 2024-02-07; Tel +46 8 141 104; Nachos | 159,00; Total | 159,00", "DE", "SEK"),
        ("Konoba; 31.08.2021; Tel +385 52 123 456; Riba | 75,00; Total | 75,00", "DE", None),  # kuna until 2022
        ("Konoba; 31.08.2023; Tel +385 52 123 456; Riba | 75,00; Total | 75,00", "DE", "EUR"),
        (f"{BARE}; Toronto, ON M5V 2T6", "DE", "CAD"),
        (f"{BARE}; Las Vegas, NV 89109", "DE", "USD"),
        (f"{BARE}; Tel +49 40 123 456", "DE", "USD"),  # dollars in Germany: nobody knows whose
        (f"{BARE}; All prices in AUD; Las Vegas, NV 89109", "DE", "AUD"),
    ],
)
def test_a_bare_sign_or_none_is_the_money_of_the_country(text: str, home: str | None, currency: str | None) -> None:
    reading = receipt(text, home)
    assert reading.currency == currency
    told = [warning for warning in reading.warnings if "No currency is named" in warning]
    if told:
        assert reading.provenance["currency"].confidence >= 0.8
    elif currency == "USD":
        assert reading.provenance["currency"].confidence < 0.8


def test_a_currency_that_is_named_is_the_one() -> None:
    assert receipt(f"{GERMAN.replace('SUMME', 'SUMME USD')}; www.gasthaus-zur-post.de").currency == "USD"


def test_what_has_a_date_and_amounts_waits_for_a_person_though_no_word_of_an_invoice_is_known() -> None:
    reading = receipt("Caffe Padre; Tropaeum d.o.o.; 31.08.2021 18:20; Kava | 12,00; Sok | 18,00; UKUPNO | 30,00")
    assert reading.issue_date is not None
    assert reading.number is None
