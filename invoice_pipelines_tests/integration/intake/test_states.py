"""Statuses: what may follow what is the same in Python and in PostgreSQL, which nobody can go around."""

from __future__ import annotations

from itertools import product

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from invoice_pipelines.intake.received_invoices import (
    InvoiceVersion,
    ProcessingError,
    mark_exported,
    mark_failed,
    mark_parsed,
    mark_validated,
)
from invoice_pipelines.intake.states import (
    PARSEABLE,
    Status,
    can_process,
    colour,
    description,
    is_terminal,
    is_valid_status_transition,
    label,
)
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, make_reading

PAIRS = list(product(Status, Status))
REASON = ProcessingError("parse", "DAMAGED", "The file is damaged.")


def put_at(desk: IntakeDesk, status: Status) -> InvoiceVersion:
    """An invoice that has gone the ordinary way to a status."""
    if status is Status.UPLOADED:
        return desk.invoice()
    if status in (Status.CREATED, Status.FAILED):
        invoice = desk.invoice()
        with desk.scope() as connection:
            mark_failed(connection, [(invoice, REASON)])
            if status is Status.CREATED:
                connection.execute(
                    text("update intake.received_invoice set status = 'CREATED' where id = :id"), {"id": invoice.id}
                )
        return desk.version(invoice.id)
    if status is Status.PARSED:
        return desk.parsed()
    invoice = desk.validated()
    if status is Status.EXPORTED:
        with desk.scope() as connection:
            mark_exported(connection, [invoice])
    return desk.version(invoice.id)


def test_python_and_postgresql_allow_the_same_transitions(desk: IntakeDesk) -> None:
    allowed = {
        (Status(row[0]), Status(row[1]))
        for row in desk.rows(
            """select f, t from unnest(cast(:all as text[])) f, unnest(cast(:all as text[])) t
               where intake.is_allowed_transition(f, t)""",
            all=[str(status) for status in Status],
        )
    }
    assert len(PAIRS) == 36
    assert allowed == {(before, after) for before, after in PAIRS if is_valid_status_transition(before, after)}


def test_an_invoice_begins_at_a_status_that_there_is(desk: IntakeDesk) -> None:
    invoice = desk.invoice()
    begin = """insert into intake.received_invoice (organization_id, upload_id, created_by, status, reading_json)
               select organization_id, gen_random_uuid(), 'me', :status, '{}' from intake.received_invoice
               where id = :id returning id"""
    with pytest.raises(IntegrityError, match="a received invoice has no status READ"):
        desk.rows(begin, status="READ", id=invoice.id)
    for status in Status:  # none is refused for its status: there is no such upload
        with pytest.raises(IntegrityError, match="upload"):
            desk.rows(begin, status=str(status), id=invoice.id)


def test_the_table_itself_refuses_every_other_transition_and_takes_every_allowed_one(desk: IntakeDesk) -> None:
    for before, after in PAIRS:
        if before is after:
            continue
        invoice = put_at(desk, before)
        # Data of a reading, so that what is tested is the transition and not that PARSED needs a reading.
        change = "update intake.received_invoice set status = :after, reading_json = '{}' where id = :id"
        if is_valid_status_transition(before, after):
            desk.rows(change + " returning id", after=str(after), id=invoice.id)
            assert desk.status(invoice.id) == after
            assert desk.version(invoice.id).processing_version == invoice.processing_version + 1
        else:
            with pytest.raises(IntegrityError, match=f"cannot go from {before} to {after}"):
                desk.rows(change + " returning id", after=str(after), id=invoice.id)
            assert desk.version(invoice.id) == invoice


def test_not_even_the_operator_of_the_database_gets_around_the_transitions(desk: IntakeDesk) -> None:
    invoice = desk.invoice()
    with pytest.raises(IntegrityError, match="cannot go from UPLOADED to EXPORTED"):
        desk.behind(
            "update intake.received_invoice set status = 'EXPORTED', reading_json = '{}' where id = :id", id=invoice.id
        )


def test_the_processing_version_counts_changes_of_the_status_and_nothing_else(desk: IntakeDesk) -> None:
    invoice = desk.invoice()
    assert invoice.processing_version == 1
    with desk.scope() as connection:
        connection.execute(text("update intake.received_invoice set profile = 'x' where id = :id"), {"id": invoice.id})
    assert desk.version(invoice.id).processing_version == 1
    with pytest.raises(IntegrityError, match="changes with the status only"), desk.scope() as connection:
        connection.execute(
            text("update intake.received_invoice set processing_version = 7 where id = :id"), {"id": invoice.id}
        )


def test_every_change_of_the_status_leaves_who_and_when(desk: IntakeDesk) -> None:
    invoice = put_at(desk, Status.EXPORTED)
    trail = desk.rows(
        """select processing_version, from_status, to_status, changed_by, changed_at from intake.status_change
           where received_invoice_id = :id order by processing_version""",
        id=invoice.id,
    )
    assert [tuple(row)[:4] for row in trail] == [
        (1, None, "UPLOADED", "somebody"),
        (2, "UPLOADED", "PARSED", "somebody"),
        (3, "PARSED", "VALIDATED", "somebody"),
        (4, "VALIDATED", "EXPORTED", "somebody"),
    ]
    times = [row.changed_at for row in trail]
    assert times == sorted(times)
    last = desk.one("select last_processed_at from intake.received_invoice where id = :id", id=invoice.id)
    assert times[-2] < last <= times[-1]


@pytest.mark.parametrize(
    "change", ["update intake.status_change set changed_by = 'me'", "delete from intake.status_change"]
)
def test_the_audit_trail_cannot_be_rewritten(desk: IntakeDesk, change: str) -> None:
    desk.invoice()
    with pytest.raises(Exception, match="permission denied"):
        desk.rows(change)


@pytest.mark.parametrize("status", [s for s in Status if s not in PARSEABLE])
def test_only_what_was_uploaded_or_created_is_read(desk: IntakeDesk, status: Status) -> None:
    invoice = put_at(desk, status)
    with desk.scope() as connection:
        assert mark_parsed(connection, [(invoice, make_reading("OTHER"))]) == set()
    assert desk.version(invoice.id) == invoice
    assert desk.rows("select 1 from intake.received_invoice where invoice_number = 'OTHER'") == []


def test_a_version_that_is_out_of_date_changes_nothing(desk: IntakeDesk) -> None:
    seen = desk.parsed()
    with desk.scope() as connection:
        assert mark_validated(connection, [InvoiceVersion(seen.id, seen.processing_version - 1)]) == set()
        assert mark_validated(connection, [InvoiceVersion(seen.id, seen.processing_version + 1)]) == set()
        assert mark_failed(connection, [(InvoiceVersion(seen.id, 0), REASON)]) == set()
    assert desk.version(seen.id) == seen
    assert desk.rows("select 1 from intake.processing_error") == []


def test_only_what_waits_to_be_read_can_be_processed_so_what_failed_is_retried_first() -> None:
    assert {status for status in Status if can_process(status)} == {Status.UPLOADED, Status.CREATED}
    assert is_valid_status_transition(Status.FAILED, Status.CREATED)


def test_exported_and_failed_are_the_ends() -> None:
    assert {status for status in Status if is_terminal(status)} == {Status.EXPORTED, Status.FAILED}


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_status_has_a_name_and_a_sentence_of_its_own(language: str) -> None:
    assert len({label(status, language) for status in Status}) == len(Status)
    sentences = {description(status, language) for status in Status}
    assert len(sentences) == len(Status)
    assert all(sentence.endswith(".") for sentence in sentences)


def test_german_and_english_names_differ() -> None:
    assert label(Status.FAILED, "de") == "Fehlgeschlagen"
    assert label(Status.VALIDATED, "de") == "Validiert"
    assert label(Status.FAILED) == label(Status.FAILED, "en") == "Failed"
    assert all(description(status, "de") != description(status, "en") for status in Status)


def test_every_status_has_a_colour_of_its_own() -> None:
    assert len({colour(status) for status in Status}) == len(Status)
    assert (colour(Status.EXPORTED), colour(Status.FAILED)) == ("green", "red")
