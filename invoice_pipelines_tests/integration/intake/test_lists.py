"""Received invoices as people look for them: by what is printed on them, by where they stand, page by page."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from invoice_pipelines.einvoice.model import Party
from invoice_pipelines.intake.lists import (
    ExportNotFound,
    Sought,
    find_export,
    get_received,
    get_upload,
    list_received,
    list_uploads,
)
from invoice_pipelines.intake.received_invoices import (
    InvoiceVersion,
    NotFailed,
    ProcessingError,
    UnknownInvoice,
    UnknownUpload,
    mark_failed,
    retry_invoices,
)
from invoice_pipelines.intake.states import Status
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, make_reading
from invoice_pipelines_tests.support.intake.review.lane import judged, on_paper


@pytest.fixture
def known(desk: IntakeDesk) -> dict[str, UUID]:
    """One that is read, one that is validated over another sum, one that waits for a person, one that failed."""
    read = desk.parsed(make_reading("AB 17/3", issue_date=date(2026, 3, 1))).id
    other = make_reading(
        "X-9",
        issue_date=date(2026, 4, 30),
        seller=Party(name="Öl & Söhne KG", vat_id="DE136695976"),
        gross_amount=Decimal("2500.00"),
        currency="CHF",
        order_reference="PO-55",
    )
    valid = desk.validated(other).id
    waits = judged(desk, on_paper("W-1", gross_amount=0.5))
    failed = desk.invoice()
    with desk.scope() as connection:
        mark_failed(connection, [(failed, ProcessingError("parse", "UNKNOWN_TYPE", "no invoice"))])
    return {"read": read, "valid": valid, "waits": waits, "failed": failed.id}


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        (Sought(), {"read", "valid", "waits", "failed"}),
        (Sought(statuses=[Status.PARSED]), {"read", "waits"}),
        (Sought(statuses=[Status.VALIDATED, Status.FAILED]), {"valid", "failed"}),
        (Sought(in_review=True), {"waits"}),
        (Sought(in_review=False), {"read", "valid", "failed"}),
        (Sought(seller="söhne"), {"valid"}),
        (Sought(number="ab17/3"), {"read"}),
        (Sought(number="17/3"), set()),
        (Sought(issued_from=date(2026, 4, 1)), {"valid"}),
        (Sought(issued_until=date(2026, 3, 1)), {"read", "waits"}),
        (Sought(gross_from=Decimal("119.01")), {"valid"}),
        (Sought(gross_until=Decimal("119.00")), {"read", "waits"}),
        (Sought(currency="CHF"), {"valid"}),
        (Sought(words="po-55"), {"valid"}),
        (Sought(words="MUSTER"), {"read", "waits"}),
        (Sought(words="%"), set()),
        (Sought(statuses=[Status.PARSED], seller="muster", gross_from=Decimal(100), in_review=True), {"waits"}),
    ],
)
def test_invoices_are_found_by_what_is_asked_for(
    desk: IntakeDesk, known: dict[str, UUID], sought: Sought, found: set[str]
):
    with desk.scope() as connection:
        listed = list_received(connection, sought)
    assert {one.id for one in listed} == {known[name] for name in found}


def test_pages_follow_one_another_without_gaps_also_when_filtered(desk: IntakeDesk) -> None:
    ids = [desk.parsed().id for _ in range(5)]
    desk.invoice()
    for sought in (Sought(statuses=[Status.PARSED]), Sought(words="Muster")):
        seen: list[UUID] = []
        with desk.scope() as connection:
            while page := list_received(connection, sought, after=seen[-1] if seen else None, limit=2):
                seen += [one.id for one in page]
        assert seen == ids[::-1]


def test_what_another_organization_has_is_not_there(
    desk: IntakeDesk, other_desk: IntakeDesk, known: dict[str, UUID]
) -> None:
    foreign = known["read"]
    with desk.scope() as connection:
        upload = get_received(connection, foreign).upload_id
    with other_desk.scope() as connection:
        assert list_received(connection) == []
        assert list_uploads(connection) == []
        for ask, unknown in ((get_received, UnknownInvoice), (get_upload, UnknownUpload)):
            with pytest.raises(unknown):
                ask(connection, foreign if ask is get_received else upload)
        with pytest.raises(ExportNotFound):
            find_export(connection, 1)
        with pytest.raises(UnknownInvoice):
            retry_invoices(connection, [known["failed"]])


def test_a_retry_takes_all_that_are_named_or_none(desk: IntakeDesk, known: dict[str, UUID]) -> None:
    with desk.scope() as connection, pytest.raises(NotFailed, match="is VALIDATED") as refused:
        retry_invoices(connection, [known["failed"], known["valid"]])
    assert refused.value.statuses == {known["valid"]: Status.VALIDATED}
    assert (refused.value.code, desk.status(known["failed"])) == ("NOT_FAILED", "FAILED")
    with desk.scope() as connection, pytest.raises(UnknownInvoice):
        retry_invoices(connection, [known["failed"], uuid4()])
    with desk.scope() as connection:
        assert retry_invoices(connection, [known["failed"], known["failed"]]) == [known["failed"]]
    assert desk.version(known["failed"]) == InvoiceVersion(known["failed"], 3)
