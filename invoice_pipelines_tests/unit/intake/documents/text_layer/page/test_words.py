"""Words of the text layer and where they stand."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, StreamObject

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.text_layer import read_text_layer
from invoice_pipelines.intake.documents.text_layer.page.words import read_pages
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import Text, draw

LETTER: list[Text] = [(60, 100, "Rechnung Nr. 17 vom 05.06.2018"), (60, 120, "Gesamtbetrag"), (-500, 120, "119,00 €")]


def code_of(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(ReadingError) as error:
        read_text_layer(data, limits or Limits())
    assert "\n" not in error.value.message
    return error.value.code


def test_a_word_stands_where_it_is_printed() -> None:
    (page,) = read_pages(draw(LETTER), Limits())
    words = {word.text: word for word in page.words}
    left, top, right, bottom = words["Rechnung"].box
    assert left == pytest.approx(60, abs=1)
    assert top < 100 < bottom
    assert right == pytest.approx(60 + 44, abs=3)
    assert words["€"].box[2] == pytest.approx(500, abs=2)


@pytest.mark.parametrize(
    ("rotation", "text_rotation"),
    [(90, 0), (180, 0), (270, 0), (90, 90), (270, 270), (180, 180), (0, 90), (0, 270), (0, 180)],
)
def test_a_page_or_text_that_is_turned_is_read_upright(rotation: int, text_rotation: int) -> None:
    reading = read_text_layer(draw(LETTER, rotation=rotation, text_rotation=text_rotation))
    assert (reading.number, str(reading.gross_amount)) == ("17", "119.00")


def test_invisible_text_on_a_visible_page_is_not_read() -> None:
    reading = read_text_layer(draw(LETTER, invisible=[(60, 140, "Gesamtbetrag 999,00 €")]))
    assert str(reading.gross_amount) == "119.00"
    assert "999,00" not in str(reading.raw)


def test_the_invisible_text_of_a_scan_is_its_text_layer() -> None:
    hidden = [
        (60.0, 100.0 + 20 * row, text) for row, text in enumerate(["Rechnung Nr. 17 vom 05.06.2018", "Summe 9,00 €"])
    ]
    assert read_text_layer(draw([], invisible=hidden)).number == "17"


def test_the_letters_of_a_ligature_are_all_read() -> None:
    # Many fonts have one glyph for "tt"; here the glyph of "#" stands for it.
    writer = PdfWriter(clone_from=PdfReader(BytesIO(draw([*LETTER, (60, 140, "Ne#osumme")]))))
    mapping = StreamObject()
    codes = "".join(f"<{code:02x}> <{code:04x}>\n" for code in range(33, 127) if code != ord("#"))
    mapping.set_data(
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /T def /CMapType 2 def\n"
        b"1 begincodespacerange <00> <ff> endcodespacerange\n"
        b"1 beginbfchar <23> <00740074> endbfchar\n93 beginbfchar\n" + codes.encode() + b"endbfchar\nendcmap end end"
    )
    resources: Any = writer.pages[0]["/Resources"]
    font = next(iter(resources["/Font"].values())).get_object()
    font[NameObject("/ToUnicode")] = writer._add_object(mapping)
    buffer = BytesIO()
    writer.write(buffer)
    (page,) = read_pages(buffer.getvalue(), Limits())
    assert "Nettosumme" in [word.text for word in page.words]


def test_bold_type_made_of_two_prints_is_read_once() -> None:
    twice = [(60 + 30 * index + shift, 140.0, letter) for index, letter in enumerate("AB") for shift in (0.0, 0.3)]
    (page,) = read_pages(draw([*LETTER, *twice]), Limits())
    assert [word.text for word in page.words if word.box[1] > 128] == ["A", "B"]


def test_a_title_in_spaced_letters_is_one_word() -> None:
    reading = read_text_layer(draw([(60, 60, "G U T S C H R I F T"), (60, 90, "Belegnummer G-5")]))
    assert reading.type_code == "381"


def test_a_pdf_without_text_needs_ocr() -> None:
    assert code_of(draw([])) == "PDF_NO_TEXT_LAYER"


def test_a_page_without_text_among_others_is_named() -> None:
    reading = read_text_layer(draw(LETTER, [], LETTER))
    assert any("page 2" in warning for warning in reading.warnings)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"no pdf at all", draw(LETTER)[:200]])
def test_a_damaged_pdf_is_refused(data: bytes) -> None:
    assert code_of(data) in ("PDF_DAMAGED", "PDF_NO_TEXT_LAYER")


def test_an_encrypted_pdf_is_refused() -> None:
    writer = PdfWriter(clone_from=PdfReader(BytesIO(draw(LETTER))))
    writer.encrypt("secret", algorithm="AES-256")
    buffer = BytesIO()
    writer.write(buffer)
    assert code_of(buffer.getvalue()) == "PDF_ENCRYPTED"


def test_too_many_pages_are_refused_with_the_limit() -> None:
    data = draw(LETTER, LETTER, LETTER)
    assert code_of(data, Limits(pdf_pages=2)) == "PDF_TOO_MANY_PAGES"
    assert read_text_layer(data, Limits(pdf_pages=3)).number == "17"


def test_raw_text_can_be_stored_as_json_in_postgresql() -> None:
    reading = read_text_layer(draw([*LETTER, (60, 160, "a\x00b\x07c")]))
    assert all(ord(character) >= 32 for word in reading.raw["pages"][0]["words"] for character in word[0])
