"""What one correction spares: the next document of the supplier needs no review, and nobody else's is touched."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.documents.text_layer.fields import pages_of_raw
from invoice_pipelines.intake.review.decisions import Boxed, Chosen
from invoice_pipelines.intake.review.errors import ReviewError
from invoice_pipelines.intake.review.fields import WrongValue
from invoice_pipelines.intake.review.places import find_place, read_box
from invoice_pipelines.organizations import OrganizationSettings, ReviewThresholds, change_organization
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.integration.intake.review.pages import page_of
from invoice_pipelines_tests.support.intake.review.lane import accept, codes, correct, look, uploaded

NO_NUMBER = [("IP-REQ-01", "number")]


def test_a_typed_correction_is_found_on_the_page_and_teaches_the_layout(desk: IntakeDesk) -> None:
    first = uploaded(desk, page_of("HW-77", "1000.00"))
    assert codes(desk, first) == NO_NUMBER
    decided = correct(desk, first, number="HW-77")
    assert decided.learned == ("number",)
    assert desk.status(first) == "VALIDATED"

    second = uploaded(desk, page_of("HW-78", "2500.00", day=6))
    assert desk.status(second) == "VALIDATED"
    assert desk.one("select invoice_number from intake.received_invoice where id = :id", id=second) == "HW-78"


def test_a_box_and_a_candidate_teach_as_well(desk: IntakeDesk) -> None:
    first = uploaded(desk, page_of("HW-77", "1000.00"))
    decided = correct(desk, first, number=Boxed(1, (440.0, 215.0, 490.0, 238.0)))
    assert decided.learned == ("number",)
    assert desk.one("select invoice_number from intake.received_invoice where id = :id", id=first) == "HW-77"
    assert desk.status(uploaded(desk, page_of("HW-78", "2500.00"))) == "VALIDATED"

    other = uploaded(desk, page_of("TB-1", "10.00", seller="Tischlerei Brett GmbH", vat_id="DE811569869"))
    assert codes(desk, other) == NO_NUMBER
    candidates = look(desk, other).candidates["number"]
    place = next(position for position, one in enumerate(candidates, start=1) if one.value == "TB-1")
    assert correct(desk, other, number=Chosen(place)).learned == ("number",)
    assert desk.status(other) == "VALIDATED"


def test_another_supplier_and_another_organization_learn_nothing_from_it(
    desk: IntakeDesk, other_desk: IntakeDesk
) -> None:
    correct(desk, uploaded(desk, page_of("HW-77", "1000.00")), number="HW-77")
    stranger = uploaded(desk, page_of("TB-1", "10.00", seller="Tischlerei Brett GmbH", vat_id="DE811569869"))
    assert codes(desk, stranger) == NO_NUMBER
    elsewhere = uploaded(other_desk, page_of("HW-78", "2500.00"))
    assert codes(other_desk, elsewhere) == NO_NUMBER
    assert other_desk.rows("select * from intake.supplier_layout") == []


def test_a_place_that_is_shown_again_is_confirmed_and_another_one_replaces_it(desk: IntakeDesk) -> None:
    first = uploaded(desk, page_of("HW-77", "1000.00"))
    second = uploaded(desk, page_of("HW-78", "2500.00"))
    third = uploaded(desk, page_of("HW-79", "2600.00"))
    for invoice, number, times in ((first, "HW-77", 1), (second, "HW-78", 2)):
        correct(desk, invoice, number=number)
        (row,) = desk.rows("select * from intake.supplier_layout")
        assert (row.field, row.times_confirmed, row.received_invoice_id) == ("number", times, invoice)
    correct(desk, third, number=Boxed(1, (340.0, 240.0, 560.0, 250.0)))
    (row,) = desk.rows("select * from intake.supplier_layout")
    assert (row.times_confirmed, row.received_invoice_id) == (1, third)


def test_accepting_a_doubtful_value_teaches_where_it_stands(desk: IntakeDesk) -> None:
    first = uploaded(desk, page_of("HW-77", "1000.00", vat_id="none"))
    correct(desk, first, number="HW-77")
    change_organization(
        desk.engine, desk.slug, settings=OrganizationSettings(review_thresholds=ReviewThresholds(seller_name=0.999))
    )
    second = uploaded(desk, page_of("HW-78", "2500.00", vat_id="none"))
    assert codes(desk, second) == [("LOW_CONFIDENCE", "seller.name")]
    assert accept(desk, second).learned == ("seller.name",)
    rows = desk.rows("select field, received_invoice_id from intake.supplier_layout order by field")
    by_account = ("seller", second)  # what it is called, by its IBAN
    assert [(row.field, row.received_invoice_id) for row in rows] == [
        ("number", first),
        by_account,
        ("seller.name", second),
    ]


def test_a_box_without_a_value_is_refused(desk: IntakeDesk) -> None:
    first = uploaded(desk, page_of("HW-77", "1000.00"))
    for box, message in (
        (Boxed(1, (0.0, 0.0, 10.0, 10.0)), "no words in the box"),
        (Boxed(7, (0.0, 0.0, 10.0, 10.0)), "no words of page 7"),
    ):
        with pytest.raises(ReviewError, match=message):
            correct(desk, first, number=box)
    with pytest.raises(ReviewError, match="there is no candidate 99"):
        correct(desk, first, number=Chosen(99))


def test_values_are_found_where_they_stand_once_and_read_from_boxes() -> None:
    pages = pages_of_raw(read_document(page_of("HW-77", "1000.00"), "x.pdf").raw)
    for field, value in (
        ("issue_date", date(2026, 3, 5)),
        ("gross_amount", Decimal("1190.00")),
        ("number", "hw 77"),
        ("buyer.name", "Kunde AG"),
    ):
        place = find_place(pages, field, value)
        assert place is not None, field
        found, box = read_box(pages, field, *place)
        assert found == value or field == "number"
        assert box == place[1]
    assert find_place(pages, "net_amount", Decimal("1000.00")) is None  # it stands there twice
    assert find_place(pages, "net_amount", Decimal("7.00")) is None
    with pytest.raises(WrongValue, match="more than one value"):
        read_box(pages, "gross_amount", 1, (400.0, 480.0, 560.0, 540.0))
