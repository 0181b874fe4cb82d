"""The same number of the same seller passes once, in whatever order and by however many workers it is validated."""

from __future__ import annotations

import threading
from datetime import date
from uuid import UUID, uuid4

from sqlalchemy import Connection

from invoice_pipelines.einvoice.model import Party
from invoice_pipelines.intake.reading import Format, Reading, Source
from invoice_pipelines.intake.received_invoices import ProcessingError, mark_failed, mark_parsed, retry_failed
from invoice_pipelines.intake.stages.judging import Standard
from invoice_pipelines.intake.stages.validating import validate_handler
from invoice_pipelines.work import Chunk, Item, Outcome
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, make_reading, surely_read
from invoice_pipelines_tests.support.waiting import wait_for_blocked

TODAY = date(2026, 5, 1)


def invoice_on_paper(number: str = "2026-001", **changes: object) -> Reading:
    """As from a text layer, so that validation asks the project's own rules only; each value read beyond doubt."""
    return surely_read(make_reading(number, source=Source.TEXT, format=Format.PDF, lines=(), **changes))


def validate(desk: IntakeDesk, connection: Connection, *ids: UUID) -> list[Outcome]:
    handler = validate_handler(Standard(TODAY, past_years=10))
    items = tuple(Item(uuid4(), str(invoice_id), 1) for invoice_id in ids)
    return handler(connection, Chunk("validate_invoice", None, {}, items, check=lambda: None))


def rules_broken(desk: IntakeDesk, invoice_id: UUID) -> set[str]:
    return {
        row[0]
        for row in desk.rows(
            """select v.rule from intake.violation v join intake.verdict t on t.id = v.verdict_id
               where t.received_invoice_id = :id and v.severity = 'fatal'""",
            id=invoice_id,
        )
    }


def test_the_later_of_two_with_the_same_number_fails(desk: IntakeDesk) -> None:
    first, second = desk.parsed(invoice_on_paper("A 1")), desk.parsed(invoice_on_paper("a1"))
    with desk.scope() as connection:
        validate(desk, connection, second.id, first.id)
    assert (desk.status(first.id), desk.status(second.id)) == ("VALIDATED", "FAILED")
    assert rules_broken(desk, second.id) == {"IP-DUP-01"}


def test_the_same_number_in_another_organization_is_no_duplicate(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    for one in (desk, other_desk):
        invoice = one.parsed(invoice_on_paper())
        with one.scope() as connection:
            validate(one, connection, invoice.id)
        assert one.status(invoice.id) == "VALIDATED"


def test_an_earlier_upload_that_is_retried_fails_where_a_later_one_has_passed(desk: IntakeDesk) -> None:
    first = desk.invoice()
    with desk.scope() as connection:
        mark_failed(connection, [(first, ProcessingError("parse", "X", "x"))])
    second = desk.parsed(invoice_on_paper())
    with desk.scope() as connection:
        validate(desk, connection, second.id)
    assert desk.status(second.id) == "VALIDATED"
    with desk.scope() as connection:
        retry_failed(connection, [first.id])
    with desk.scope() as connection:
        mark_parsed(connection, [(desk.version(first.id), invoice_on_paper())])
        validate(desk, connection, first.id)
    assert desk.status(first.id) == "FAILED"
    assert rules_broken(desk, first.id) == {"IP-DUP-01"}


def test_of_two_that_are_validated_at_once_by_two_workers_one_passes(desk: IntakeDesk) -> None:
    first = desk.invoice()
    second = desk.parsed(invoice_on_paper())
    others = [desk.parsed(invoice_on_paper(f"other {number}")) for number in range(3)]

    def read_and_validate_first() -> None:
        with desk.scope() as connection:
            mark_parsed(connection, [(first, invoice_on_paper())])
        with desk.scope() as connection:
            validate(desk, connection, first.id)

    worker = threading.Thread(target=read_and_validate_first)
    with desk.scope() as connection:
        validate(desk, connection, others[0].id, second.id)
        worker.start()
        # What has other numbers does not wait for this transaction.
        with desk.scope() as another:
            validate(desk, another, others[1].id, others[2].id)
        wait_for_blocked(connection)
    worker.join(timeout=30)
    assert {desk.status(other.id) for other in others} == {"VALIDATED"}
    assert sorted([desk.status(first.id), desk.status(second.id)]) == ["FAILED", "VALIDATED"]


def test_a_number_of_absurd_length_passes_through_and_is_still_compared(desk: IntakeDesk) -> None:
    number = "".join(uuid4().hex for _ in range(400))
    seller = Party(name="".join(uuid4().hex for _ in range(400)))
    first = desk.parsed(invoice_on_paper(number, seller=seller))
    second = desk.parsed(invoice_on_paper(number, seller=seller))
    third = desk.parsed(invoice_on_paper(number[:-1] + "x", seller=seller))
    with desk.scope() as connection:
        validate(desk, connection, first.id, second.id, third.id)
    assert "IP-DUP-01" in rules_broken(desk, second.id)
    assert "IP-DUP-01" not in rules_broken(desk, first.id) | rules_broken(desk, third.id)
