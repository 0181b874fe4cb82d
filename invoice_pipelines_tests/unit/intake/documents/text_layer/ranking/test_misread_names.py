"""Whose name a recognized receipt bears is sure where the page itself bears out how it is spelled."""

from __future__ import annotations

import pytest

from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word

_BORNE_OUT = 0.51


def seller(text: str, confidence: float = 1.0) -> tuple[str | None, float]:
    """The seller of a receipt with these lines, and how sure; the engine is so sure of the first line."""
    words = []
    for number, line in enumerate([*text.split("; "), "12.03.2024 18:30", "Suppe 7,79", "SUMME EUR 7,79", "Danke"]):
        left = 20.0
        for word in line.split():
            sure = confidence if number == 0 else 0.99
            words.append(Word(word, (left, 20 + 14 * number, left + 5 * len(word), 30 + 14 * number), 1, sure))
            left += 5 * len(word) + 3
    reading = find_fields([Page(1, 250, 600, tuple(words), engine="rapidocr 3")])
    place = reading.provenance.get("seller.name")
    return reading.seller.name, place.confidence if place else 0.0


ADDRESS = "Hauptstraße 5; 04109 Leipzig; Tel. 0341 123456"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"Goldhahn; {ADDRESS}; www.goldhahn.de", "Goldhahn"),
        (f"JIM BECK; {ADDRESS}; www.jim-beck.de", "JIM BECK"),
        (f"Goldhahn; {ADDRESS}; Ihr Besuch bei Goldhahn", "Goldhahn"),
        (f"Goldhahn GmbH; {ADDRESS}", "Goldhahn GmbH"),
    ],
)
def test_a_name_that_the_page_bears_out_is_sure(text: str, name: str) -> None:
    assert seller(text)[0] == name
    assert seller(text)[1] >= _BORNE_OUT


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        (f"Go1dhahn; {ADDRESS}", 1.0),
        (f"Coldhahn; {ADDRESS}; www.goldhahn.de", 1.0),  # one of them is misread
        (f"Goldhahn; {ADDRESS}", 1.0),  # nothing says that it is not Goldhahm
        (f"Goldhahn CimbH; {ADDRESS}", 1.0),
        (f"Goldhahn GmbH; {ADDRESS}", 0.9),
    ],
)
def test_a_name_that_may_be_misread_is_not_sure(text: str, confidence: float) -> None:
    assert seller(text, confidence)[1] < _BORNE_OUT


def test_a_company_is_named_without_the_words_before_it() -> None:
    text = f"Sitz der Goldhahn GmbH; {ADDRESS}; UID Nr. DE811125224"
    assert seller(text)[0] == "Goldhahn GmbH"
