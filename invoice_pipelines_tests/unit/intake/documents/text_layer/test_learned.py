"""What a person has shown on one document of a supplier is found on the next."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter

from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.candidates import FIELDS, find_candidates
from invoice_pipelines.intake.documents.text_layer.learned import LearnedPlace, fingerprint, learn
from invoice_pipelines.intake.documents.text_layer.page.words import Page, read_pages
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw, rows
from invoice_pipelines_tests.unit.intake.documents.text_layer import layouts
from invoice_pipelines_tests.unit.intake.documents.text_layer.random_invoices import as_recognized, invoice


def strange(number: str, total: str, articles: int = 2) -> tuple[Page, ...]:
    """A document whose labels are in no file."""
    lines = rows(100, (60, 200), f"Aktenmerker | {number}; Vorgang | 99-1; Sendung | 12345")
    goods = rows(200, (60, -540), "; ".join(f"Ware {letter} | 1,50" for letter in "abcdefghij"[:articles]))
    end = rows(230 + 14 * articles, (60, -540), f"Obolus | {total}; Pfand | 3,00")
    return read_pages(draw([(60, 60, "Klosterladen"), (60, 80, "Rechnung"), *lines, *goods, *end]), Limits())


def box(pages: tuple[Page, ...], text: str) -> tuple[float, float, float, float]:
    return next(word.box for word in pages[0].words if word.text == text)


def test_a_number_that_no_label_names_is_found_after_it_was_shown_once() -> None:
    first, second = strange("KL-7/1", "11,90"), strange("KL-8/2", "25,00", articles=5)
    assert find_fields(first).number != "KL-7/1"
    place = learn(first, "number", box(first, "KL-7/1"))
    reading = find_fields(second, [place])
    assert reading.number == "KL-8/2"
    assert reading.provenance["number"].confidence >= 0.95


def test_a_total_is_found_beside_its_label_wherever_it_has_moved() -> None:
    first, second = strange("1", "11,90"), strange("2", "25,00", articles=6)
    place = learn(first, "gross_amount", box(first, "11,90"))
    assert place.label == ("obolus",)
    reading = find_fields(second, [place])
    assert reading.gross_amount == Decimal("25.00")
    assert reading.provenance["gross_amount"].confidence >= 0.95


def test_a_learned_total_that_does_not_tie_is_not_sure() -> None:
    document = draw(
        rows(100, (60, -540), "Rechnung Nr. 5; Nettobetrag | 100,00; MwSt 19% | 19,00; Gesamtbetrag | 191,00")
    )
    pages = read_pages(document, Limits())
    reading = find_fields(pages, [learn(pages, "gross_amount", box(pages, "191,00"))])
    assert reading.gross_amount is None or reading.provenance["gross_amount"].confidence < 0.95


def test_what_is_not_of_the_right_type_at_a_learned_place_is_not_taken() -> None:
    first = strange("KL-7/1", "11,90")
    place = learn(first, "issue_date", box(first, "KL-7/1"))
    assert find_fields(strange("KL-8/2", "25,00"), [place]).issue_date is None


def test_a_name_without_a_label_is_sure_where_it_stands_as_it_was_shown() -> None:
    first = strange("1", "11,90")
    place = learn(first, "seller.name", box(first, "Klosterladen"))
    reading = find_fields(strange("2", "25,00"), [place])
    assert reading.seller.name == "Klosterladen"
    assert reading.provenance["seller.name"].confidence >= 0.95


def test_a_learned_place_can_be_kept_as_json() -> None:
    adapter = TypeAdapter(LearnedPlace)
    first = strange("1", "11,90")
    place = learn(first, "gross_amount", box(first, "11,90"))
    assert adapter.validate_json(adapter.dump_json(place)) == place


@pytest.mark.parametrize("language", ["de", "en", "fr", "it"])
def test_documents_of_one_supplier_have_one_fingerprint_however_they_were_read(language: str) -> None:
    made = [invoice(language, seed) for seed in range(12)]
    prints: dict[Any, Any] = {}
    for document in made:
        found = fingerprint(document.pages)
        assert prints.setdefault(found, document.truth["seller.vat_id"]) == document.truth["seller.vat_id"]
        assert found == f"vat:{document.truth['seller.vat_id']}"
    assert sum(fingerprint(as_recognized(m, 1).pages) == fingerprint(m.pages) for m in made) >= 10


def test_a_supplier_without_identifiers_is_known_by_its_letterhead() -> None:
    assert fingerprint(strange("1", "11,90")) == fingerprint(strange("2", "25,00", articles=5))
    assert fingerprint(strange("1", "11,90")) != fingerprint(read_pages(layouts.SWISS, Limits()))
    assert fingerprint([]) == fingerprint([Page(1, 595, 842, ())])


@pytest.mark.parametrize("field", FIELDS)
def test_candidates_have_the_value_of_the_reading_first(field: str) -> None:
    pages = read_pages(layouts.GERMAN_LABELS_LEFT, Limits())
    found = find_candidates(pages, field)
    values = {
        "number": "RE-2024-0815",
        "gross_amount": Decimal("312.38"),
        "net_amount": Decimal("262.50"),
        "tax_amount": Decimal("49.88"),
        "currency": "EUR",
        "seller.name": "Nordlicht Energie GmbH",
        "seller.vat_id": "DE136695976",
        "iban": "DE02120300000000202051",
    }
    assert 1 <= len(found) <= 5
    assert [candidate.score for candidate in found] == sorted((c.score for c in found), reverse=True)
    assert len({candidate.value for candidate in found}) == len(found)
    assert found[0].value == values.get(field, found[0].value)
    assert all(candidate.page == 1 and candidate.text for candidate in found)


def test_other_amounts_are_candidates_where_the_total_is_in_doubt() -> None:
    found = find_candidates(strange("1", "11,90"), "gross_amount")
    assert Decimal("11.90") in {candidate.value for candidate in found}


def test_a_field_without_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match="no candidates for lines"):
        find_candidates([], "lines")
