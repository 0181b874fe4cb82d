"""Receipts that need no number: they pass, and the same one does not pass twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from invoice_pipelines.einvoice.model import Party
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.review.lane import accept, codes, judged, on_paper


def receipt(number: str | None = None, **changes: Any) -> Reading:
    reading = replace(on_paper(number=0.6), number=number, due_date=None)
    return replace(reading, **changes)


def row(desk: IntakeDesk, invoice_id: Any, column: str) -> Any:
    return desk.one(f"select {column} from intake.received_invoice where id = :id", id=invoice_id)


def test_a_receipt_passes_without_its_unsure_number_and_says_so(desk: IntakeDesk) -> None:
    invoice = judged(desk, receipt("0381"))
    assert row(desk, invoice, "status") == "VALIDATED"
    assert row(desk, invoice, "invoice_number") is None
    said = desk.one(
        """select string_agg(rule || ' ' || message, '; ' order by rule) from intake.violation v
           join intake.verdict d on d.id = v.verdict_id where d.received_invoice_id = :id""",
        id=invoice,
    )
    assert "IP-READ-02 The invoice number 0381 was read with confidence 0.60, below 0.95" in said
    assert "§ 33 UStDV" in said


def test_the_same_receipt_does_not_pass_twice_whatever_its_number_and_seller_were_read_as(desk: IntakeDesk) -> None:
    assert row(desk, judged(desk, receipt("0381")), "status") == "VALIDATED"
    again = judged(desk, receipt("0318"))
    assert codes(desk, again) == [("IP-DUP-06", None)]
    misread = judged(desk, receipt(seller=Party(name="Musler GmbH")))
    assert codes(desk, misread) == [("IP-DUP-06", None)]
    # Two tickets of a day are like that, too.
    assert accept(desk, misread).status == "VALIDATED"
    other_day = judged(desk, receipt(issue_date=date(2026, 3, 2)))
    assert row(desk, other_day, "status") == "VALIDATED"


def test_while_a_receipt_waits_for_something_else_it_keeps_its_number(desk: IntakeDesk) -> None:
    unsure = receipt("0381")
    places = {**unsure.provenance, "issue_date": replace(unsure.provenance["issue_date"], confidence=0.3)}
    invoice = judged(desk, replace(unsure, provenance=places))
    assert [field for _, field in codes(desk, invoice)] == ["issue_date"]
    assert row(desk, invoice, "invoice_number") == "0381"
