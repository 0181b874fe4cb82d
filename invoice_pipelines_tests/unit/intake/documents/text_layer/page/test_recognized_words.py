"""Words as OCR engines glue and misread them are taken apart where they can only be meant in one way."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.page.recognized_words import tidied
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.intake.reading import Source
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import words_of


def page(*lines: tuple[str, ...], slope: float = 0.0, engine: str | None = "rapidocr 3") -> Page:
    """A page of rows, each of texts at 60, 200, 330 and so on; `slope` lets the rows climb."""
    words: list[Word] = []
    for number, texts in enumerate(lines):
        for column, text in enumerate(texts):
            words += words_of(text, 60 + 140 * column, 60 + 15 * number)
    climbed = (
        Word(word.text, (left, top - slope * left, right, bottom - slope * left), 1, 0.99)
        for word in words
        for left, top, right, bottom in [word.box]
    )
    return Page(1, 595, 842, tuple(climbed), engine=engine)


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ("TOTAL£33.90", ["TOTAL", "£33.90"]),
        ("Rechnungsnr.4711", ["Rechnungsnr.", "4711"]),
        ("TotalinclGST", ["Totalincl", "GST"]),
        ("25/12/201818:30", ["25/12/2018", "18:30"]),
        ("19%MwSt.", ["19%", "MwSt."]),
        ("12avril", ["12", "avril"]),
        ("mayode2019", ["mayo", "de", "2019"]),
        ("25/01/1618:22", ["25/01/16", "18:22"]),
        ("09-May-201606:13:22PM", ["09-May-2016", "06:13:22PM"]),
        ("P.IVAIT00743110157", ["P.IVA", "IT00743110157"]),
        ("1O.5O", ["10.50"]),
        ("l2.50", ["12.50"]),
        ("MüllerGmbH", ["Müller", "GmbH"]),
    ],
)
def test_glued_and_misread_words_are_put_right(read: str, meant: list[str]) -> None:
    (result,) = tidied([page((read,))])
    assert [word.text for word in result.words] == meant


@pytest.mark.parametrize(
    "text",
    [
        "Toronto",
        "Menuiserie Lambert",
        "SEATTLE",
        "Dienstag",
        "Utrecht",
        "INV-59208",
        "RE4711",
        "Rechnungsnummer",
        "eRechnung",
        "A4",
        "PayPal",
        "www.example.com",
        "0O1lI8B",
        "Oslo",
    ],
)
def test_what_may_be_meant_as_it_stands_is_left_alone(text: str) -> None:
    (result,) = tidied([page((text,))])
    assert [word.text for word in result.words] == text.split()


def test_a_text_layer_is_never_put_right() -> None:
    (result,) = tidied([page(("TOTALRM33.90", "1O.5O"), engine=None)])
    assert [word.text for word in result.words] == ["TOTALRM33.90", "1O.5O"]


def test_an_amount_whose_decimals_were_read_apart_is_one() -> None:
    words = (Word("RM35.", (60, 60, 85, 70), 1), Word("88", (87, 60, 97, 70), 1), Word("35.", (60, 80, 75, 90), 1))
    joined = (*words, Word("88", (77, 80, 87, 90), 1))
    (result,) = tidied([Page(1, 300, 300, joined, engine="x")])
    assert [word.text for word in result.words][-1] == "35.88"


def test_rows_that_climb_across_the_page_stay_together() -> None:
    lines = (
        ("Rechnung",),
        ("Rechnungsnummer:", "R-17", "", "x"),
        ("Rechnungsdatum:", "05.06.2024"),
        ("Nettobetrag", "", "", "100,00"),
        ("MwSt. 19 %", "", "", "19,00"),
        ("Gesamtbetrag", "", "", "119,00"),
    )
    reading = find_fields([page(*lines, slope=0.008)])
    assert (reading.number, reading.issue_date, reading.gross_amount) == ("R-17", date(2024, 6, 5), Decimal("119.00"))
    assert reading.source is Source.OCR
    assert reading.provenance["gross_amount"].engine == "rapidocr 3"


def test_a_misread_label_is_understood_and_names_stay_as_they_were_read() -> None:
    lines = (
        ("Rechnung",),
        ("Rechnungsnurnmer:", "R-17"),
        ("Gesarntbetrag", "119,00"),
        ("USt.-ld.-Nr.:", "DE136695976"),
        ("Verkäufer:", "Transportc Girard SA"),
    )
    reading = find_fields([page(*lines)])
    assert reading.seller.vat_id == "DE136695976"
    assert reading.seller.name == "Transportc Girard SA"


@pytest.mark.parametrize(
    ("printed", "iban"),
    [
        ("IBAN DEO2 1203 OOOO 0000 2020 51", "DE02120300000000202051"),
        ("IBANDE02 120300000000 2020 51", "DE02120300000000202051"),
        ("IBAN: DE02 I203 0000 0000 2O20 5l", "DE02120300000000202051"),
    ],
)
def test_digits_of_an_iban_that_were_read_as_letters_are_borne_out_by_its_check_digits(printed: str, iban: str) -> None:
    assert find_fields([page(("Rechnung Nr. 17",), (printed,))]).iban == iban


def test_an_iban_that_was_spoiled_is_given_as_it_was_read_and_unsure() -> None:
    reading = find_fields([page(("Rechnung Nr. 17",), ("IBAN DEO3 1203 OOOO 0000 2020 51",))])
    assert reading.iban == "DEO31203OOOO0000202051"
    assert reading.provenance["payments[0].accounts[0].account_id"].confidence < 0.5
    assert find_fields([page(("Rechnung Nr. 17",), ("IBAN DE02 XXXX XXXX XXXX 2020 51",))]).iban is None


def test_an_unsure_word_makes_its_value_unsure() -> None:
    sure = page(("Rechnung",), ("Rechnungsnummer:", "R-17"))
    unsure = Page(
        1,
        595,
        842,
        tuple(Word(word.text, word.box, 1, 0.6) if word.text == "R-17" else word for word in sure.words),
        engine="x",
    )
    assert find_fields([sure]).provenance["number"].confidence >= 0.9
    assert find_fields([unsure]).provenance["number"].confidence < 0.7


@pytest.mark.parametrize(
    "printed", ["Facture n°562044387", "Facture nº562044387", "Rechnungsnummer：５６２０４４３８７"]
)
def test_a_number_is_found_that_is_glued_to_its_sign_or_of_full_width(printed: str) -> None:
    assert find_fields([page(("Facture",), (printed,))]).number == "562044387"


@pytest.mark.parametrize(
    ("pieces", "whole", "read"),
    [
        (("10", "0.", "00"), "100.00", ["100.00"]),
        (("10", "0.", "00"), "200.00", ["10", "0.00"]),  # nothing else says so
        (("1", "8.50"), "18.50", ["1", "8.50"]),  # one piece at 8.50
    ],
)
def test_an_amount_that_was_read_in_pieces_is_one_where_it_is_printed_whole(
    pieces: tuple[str, ...], whole: str, read: list[str]
) -> None:
    words, left = [Word(whole, (60, 90, 100, 100), 1)], 60.0
    for piece in pieces:
        words.append(Word(piece, (left, 60, left + 8 * len(piece), 70), 1))
        left += 8 * len(piece) + 2
    (result,) = tidied([Page(1, 300, 300, tuple(words), engine="x")])
    assert [word.text for word in result.words][1:] == read


def test_digits_that_stand_apart_make_no_amount() -> None:
    words = [Word("100.00", (60, 90, 100, 100), 1), Word("10", (20, 60, 36, 70), 1), Word("0.", (60, 60, 76, 70), 1)]
    (result,) = tidied([Page(1, 300, 300, (*words, Word("00", (78, 60, 94, 70), 1)), engine="x")])
    assert [word.text for word in result.words][1:] == ["10", "0.00"]
