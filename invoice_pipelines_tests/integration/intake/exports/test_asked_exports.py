"""Exports that are asked for: a batch job tells what became of each invoice, and the stage does them first."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from invoice_pipelines.intake.exports.asked_exports import ask_for_export, export_again
from invoice_pipelines.intake.exports.exporting import choose_exports
from invoice_pipelines.intake.received_invoices import NotExported, UnknownInvoice, ask_for_reading
from invoice_pipelines.intake.stages.stages import export_invoices
from invoice_pipelines.intake.states import EXPORT, Status
from invoice_pipelines.work import BatchAnswer, JobStatus, claim, get_job, job_items
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk


def ask(desk: IntakeDesk) -> BatchAnswer:
    with desk.scope() as connection:
        return ask_for_export(connection, asked_by="Ada")


def again(desk: IntakeDesk, *ids: UUID) -> BatchAnswer:
    with desk.scope() as connection:
        return export_again(connection, ids, asked_by="Ada")


def outcome(desk: IntakeDesk, asked: BatchAnswer) -> tuple[JobStatus, dict[str, tuple[str, str | None]]]:
    with desk.scope() as connection:
        items = job_items(connection, asked.job_id).items
        status = get_job(connection, asked.job_id).status
    return status, {item.subject_id: (str(item.status), item.message) for item in items}


def test_all_that_is_validated_is_exported_and_the_job_tells_of_each(desk: IntakeDesk) -> None:
    invoices = [desk.validated().id for _ in range(3)]
    desk.parsed()
    asked = ask(desk)
    assert asked.total == 3
    assert asked.estimated_seconds > 0
    assert outcome(desk, asked)[0] is JobStatus.PENDING
    export_invoices(desk.intake())
    done = dict.fromkeys(map(str, invoices), ("succeeded", None))
    assert outcome(desk, asked) == (JobStatus.COMPLETED, done)
    assert desk.one("select count(*) from intake.export") == 1


def test_with_nothing_to_export_the_job_is_done_at_once(desk: IntakeDesk) -> None:
    asked = ask(desk)
    assert (asked.total, outcome(desk, asked)[0]) == (0, JobStatus.COMPLETED)


def test_what_fell_out_of_the_queue_is_put_in_again_before_all_others(desk: IntakeDesk) -> None:
    lost = desk.validated().id
    desk.behind("delete from work.batch_item where organization_id = :organization")
    ask(desk)
    desk.validated()
    with desk.scope() as connection:
        claimed = claim(connection, EXPORT, chunk_size=1, lease=timedelta(minutes=1))
    assert claimed is not None
    assert [item.subject_id for item in claimed.items] == [str(lost)]


def test_what_is_read_again_meanwhile_is_skipped(desk: IntakeDesk) -> None:
    invoice = desk.validated()
    asked = ask(desk)
    with desk.scope() as connection:
        assert ask_for_reading(connection, invoice)
    export_invoices(desk.intake())
    told = {str(invoice.id): ("skipped", "it is CREATED and waits for no export any more")}
    assert outcome(desk, asked) == (JobStatus.COMPLETED, told)


def test_what_datev_refuses_is_skipped_with_its_reason(desk: IntakeDesk) -> None:
    invoice = desk.validated().id
    desk.behind(
        """update organizations.organization set settings = jsonb_set(settings, '{export_formats}', '["DATEV"]')
           where id = :organization"""
    )
    asked = ask(desk)
    export_invoices(desk.intake())
    status, items = outcome(desk, asked)
    assert status is JobStatus.COMPLETED
    assert items[str(invoice)][0] == "skipped"
    assert "DATEV cannot book it yet: DATEV is not set up" in str(items[str(invoice)][1])


def test_exported_ones_are_exported_again_all_or_none(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    first, second = desk.validated().id, desk.validated().id
    export_invoices(desk.intake())
    waiting, foreign = desk.validated().id, other_desk.validated().id
    with pytest.raises(NotExported, match="is VALIDATED") as refused:
        again(desk, first, waiting)
    assert (refused.value.code, refused.value.statuses) == ("NOT_EXPORTED", {waiting: Status.VALIDATED})
    for unknown in (foreign, uuid4()):
        with pytest.raises(UnknownInvoice):
            again(desk, first, unknown)
    assert desk.status(first) == "EXPORTED"
    asked = again(desk, first, second, first)
    assert (asked.total, desk.status(first)) == (2, "VALIDATED")
    export_invoices(desk.intake())
    assert outcome(desk, asked)[0] is JobStatus.COMPLETED
    assert desk.one("select count(*) from intake.export_invoice where received_invoice_id = :id", id=first) == 2


def test_what_a_pending_export_holds_is_not_asked_for_again(desk: IntakeDesk) -> None:
    invoice = desk.validated().id
    export_invoices(desk.intake())
    again(desk, invoice)
    with desk.scope() as connection:
        choose_exports(connection, [invoice], ["CSV"], "test")
    desk.behind(
        "update intake.received_invoice set status = 'EXPORTED' where id = :id and organization_id = :organization",
        id=invoice,
    )
    with pytest.raises(NotExported, match="export that has begun"):
        again(desk, invoice)
