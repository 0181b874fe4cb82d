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
        (f"Indian Crown; {ADDRESS}", "Indian Crown"),  # words
        (f"Altstadt Drogerie; {ADDRESS}", "Altstadt Drogerie"),
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
        (f"Altstadt Drogerle; {ADDRESS}", 1.0),
        (f"Altstadt Drogerie; {ADDRESS}", 0.9),
        ("Indian Crown", 1.0),  # a heading, as far as the page tells
        (f"Goldhahn GmbH; {ADDRESS}", 0.9),
    ],
)
def test_a_name_that_may_be_misread_is_not_sure(text: str, confidence: float) -> None:
    assert seller(text, confidence)[1] < _BORNE_OUT


def test_a_company_is_named_without_the_words_before_it() -> None:
    text = f"Sitz der Goldhahn GmbH; {ADDRESS}; UID Nr. DE811125224"
    assert seller(text)[0] == "Goldhahn GmbH"


def test_a_company_is_found_behind_a_sentence_and_not_in_a_list_of_vat_ids() -> None:
    sentence = "Die Buchung Ihres Tickets erfolgte am 12.03.2024 um 18:30 Uhr. Goldhahn Fernverkehr AG"
    assert seller(f"Ticket; {sentence}; {ADDRESS}")[0] == "Goldhahn Fernverkehr AG"
    assert seller("VAT no. Sweden SE 516405399201; Denmark 32083927")[0] != "Sweden SE"


def test_two_names_of_which_one_is_part_of_the_other_are_no_rivals() -> None:
    alone, together = (seller(f"{first}Altstadt Drogerie; {ADDRESS}") for first in ("", "Altstadt; "))
    assert together[0] in ("Altstadt", "Altstadt Drogerie")
    assert min(alone[1], together[1]) >= _BORNE_OUT


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"Altstadt Drogerle; {ADDRESS}", "Altstadt Drogerie"),  # a word, where "Drogerle" is none
        ("Goldspectation Cariton; 45 Carlton Street; Toronto ON M5V 2T6", "Goldspectation Carlton"),  # as in the street
        ('"GoIdhahn" Bau; Goldhahn Weg 35; 04109 Leipzig', 'Goldhahn" Bau'),  # an I between small letters
        (f"Goldhahn CimbH; {ADDRESS}", "Goldhahn GmbH"),
        (f"Goldhahn Deutschland LIC; {ADDRESS}", "Goldhahn Deutschland LLC"),
        ("Goldhahn plus d. 0.0. 0IB 83938812619; Zadarska 2, 51000 Rijeka", "Goldhahn plus d.o.o."),
    ],
)
def test_a_letter_that_was_misread_is_put_right_and_the_name_is_not_sure(text: str, name: str) -> None:
    found, confidence = seller(text)
    assert (found or "").strip('"') == name
    assert confidence < _BORNE_OUT


@pytest.mark.parametrize("name", ["Goldhahn", "Lidlmann", "Rialto 1l"])
def test_a_name_that_is_no_word_stays_as_it_is(name: str) -> None:
    assert seller(f"{name}; {ADDRESS}")[0] == name


def test_a_name_on_two_lines_is_one_where_an_address_of_the_web_holds_both() -> None:
    name, confidence = seller(f"GOLD; HAHN; {ADDRESS}; www.goldhahn.de")
    assert name == "GOLD HAHN"
    assert confidence >= _BORNE_OUT


@pytest.mark.parametrize("name", ["UAB Goldhahn", "PT Goldhahn Jaya", "Goldhahn d.o.o.", "Goldhahn s.r.o."])
def test_legal_forms_stand_before_a_name_or_in_small_letters(name: str) -> None:
    assert seller(f"Beleg; {name}; {ADDRESS}")[0] == name


def test_a_state_of_america_is_no_legal_form() -> None:
    assert seller("Goldhahn; 3758 Las Vegas Blvd; LAS VEGAS, NV; Tel. 702-262-9028; LAS VEGAS, NV")[0] == "Goldhahn"


@pytest.mark.parametrize("heading", ["Agent: 4128", "Room Number: 431", "Adult", "Terminal: 12"])
def test_headings_and_kinds_of_tickets_are_no_names(heading: str) -> None:
    assert seller(f"{heading}; Goldhahn Bahnen; {ADDRESS}")[0] == "Goldhahn Bahnen"
