"""What the tests of the review lane do again and again: judge, look, decide, upload drawn invoices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from invoice_pipelines.intake.reading import Format, Reading, Source
from invoice_pipelines.intake.review import decisions
from invoice_pipelines.intake.review.decisions import Correction, Decided, Seen, Typed
from invoice_pipelines.intake.review.show import Review, review_state, show_review
from invoice_pipelines.intake.review.undo import undo
from invoice_pipelines.intake.stages.judging import Standard
from invoice_pipelines.intake.stages.stages import parse_uploads, validate_invoices
from invoice_pipelines.intake.stages.validating import judge_parsed
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, make_reading, surely_read

STANDARD = Standard(date(2026, 5, 1), past_years=10, country="DE")


def on_paper(
    invoice_number: str | None = None, changes: Mapping[str, Any] | None = None, **confidences: float
) -> Reading:
    """As read from a text layer, sure of all but the named values."""
    reading = make_reading(invoice_number, source=Source.TEXT, format=Format.PDF, lines=(), **(changes or {}))
    return surely_read(reading, **confidences)


def judged(desk: IntakeDesk, reading: Reading, standard: Standard = STANDARD) -> UUID:
    """A received invoice with this reading, after its validation."""
    invoice = desk.parsed(reading)
    with desk.scope() as connection:
        judge_parsed(connection, [invoice.id], standard)
    return invoice.id


def uploaded(desk: IntakeDesk, data: bytes, name: str = "invoice.pdf") -> UUID:
    """A received invoice that was read and validated from its upload."""
    upload_id = desk.upload(data, name)
    parse_uploads(desk.intake())
    validate_invoices(desk.intake())
    found: UUID = desk.one("select id from intake.received_invoice where upload_id = :id", id=upload_id)
    return found


def look(desk: IntakeDesk, invoice_id: UUID) -> Review:
    with desk.scope() as connection:
        return show_review(connection, invoice_id)


def codes(desk: IntakeDesk, invoice_id: UUID) -> list[tuple[str, str | None]]:
    """Why an invoice waits."""
    return [(reason.code, reason.field) for reason in look(desk, invoice_id).reasons]


def accept(desk: IntakeDesk, invoice_id: UUID, seen: Seen | None = None, by: str = "Ada") -> Decided:
    seen = seen or look(desk, invoice_id).seen
    with desk.scope() as connection:
        return decisions.accept(connection, invoice_id, seen, STANDARD, decided_by=by)


def correct(desk: IntakeDesk, invoice_id: UUID, seen: Seen | None = None, by: str = "Ada", **values: Any) -> Decided:
    """Corrections by field, with two underscores for the point of seller__name; a text is what is typed."""
    seen = seen or look(desk, invoice_id).seen
    corrections: dict[str, Correction] = {
        name.replace("__", "."): Typed(value) if isinstance(value, str) else value for name, value in values.items()
    }
    with desk.scope() as connection:
        return decisions.correct(connection, invoice_id, seen, corrections, STANDARD, decided_by=by)


def reject(desk: IntakeDesk, invoice_id: UUID, reason: str, seen: Seen | None = None, by: str = "Ada") -> Decided:
    seen = seen or look(desk, invoice_id).seen
    with desk.scope() as connection:
        return decisions.reject(connection, invoice_id, seen, reason, decided_by=by)


def take_back(desk: IntakeDesk, invoice_id: UUID, seen: Seen | None = None, by: str = "Ada") -> Decided:
    """The last decision is undone."""
    with desk.scope() as connection:
        seen = seen or review_state(connection, invoice_id)
        return undo(connection, invoice_id, seen, STANDARD, decided_by=by, reason="a slip")
