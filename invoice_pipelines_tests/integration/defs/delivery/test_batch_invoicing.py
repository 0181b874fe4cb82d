"""Batch invoicing as a graph: from orders to messages in one run, and again from the box that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg

from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines_tests.integration.defs.conftest import code_location
from invoice_pipelines_tests.integration.defs.delivery.conftest import PostRoom

JOB = "batch_invoice_orders"
BOXES = ["ask_for_invoices", "issue_invoices", "make_documents", "send_messages"]
SENT = {"generate_pdf": True, "send_immediately": True, "communication_method": "email"}


def job() -> dg.JobDefinition:
    """The job, as Dagster loads it for a run."""
    return code_location().resolve_job_def(JOB)


def config(**wanted: Any) -> dict[str, Any]:
    return {"ops": {BOXES[0]: {"config": {"organization": "acme", **wanted}}}}


def worked(result: dg.ExecuteInProcessResult | dg.JobExecutionResult) -> list[str]:
    return [event.step_key or "" for event in result.all_events if event.is_step_success]


def test_orders_become_invoices_documents_and_messages_box_by_box(post_room: PostRoom, mail: MailServer) -> None:
    post_room.open("acme")
    post_room.order("acme", 2)
    result = post_room.house.run(JOB, config=config(all_open=True, **SENT))
    assert worked(result) == BOXES
    assert len(post_room.house.rows("acme", "select * from public.invoice_documents")) == 2
    assert [b"application/pdf" in received.data for received in mail.messages()] == [True, True]
    for asset in ("billing/issued_invoices", "delivery/invoice_documents", "delivery/messages"):
        key = dg.AssetKey.from_user_string(asset)
        (record,) = post_room.house.instance.fetch_materializations(key, limit=2).records
        assert record.partition_key == "acme"


def test_what_was_not_asked_for_is_not_done(post_room: PostRoom, mail: MailServer) -> None:
    post_room.open("acme")
    post_room.issue("acme", 1, **SENT)  # somebody else's, which wait for their own run
    post_room.order("acme", 1)
    result = post_room.house.run(JOB, config=config(all_open=True))
    assert worked(result) == BOXES
    assert post_room.house.rows("acme", "select * from public.invoice_documents") == []
    assert mail.count() == 0


def attempt(
    room: PostRoom, wanted: dict[str, Any] | None = None, *, after: str | None = None
) -> tuple[str, list[str], str]:
    """A run, or what is left of an earlier one: its id, the boxes that worked, and what the box that failed said."""
    rest = dg.ReexecutionOptions.from_failure(after, room.house.instance) if after else None
    result = dg.execute_job(
        dg.reconstructable(job),
        room.house.instance,
        run_config=wanted,
        reexecution_options=rest,
        raise_on_error=False,
    )
    said = ""
    for event in result.get_step_failure_events():
        assert event.step_failure_data.user_failure_data is not None
        said += str(event.step_failure_data.user_failure_data.description)
    return result.run_id, worked(result), said


def test_what_cannot_be_stored_or_sent_fails_its_box_and_is_done_once_it_is_executed_again(
    kept_post_room: PostRoom, mail: MailServer, configure: Callable[..., None]
) -> None:
    house = kept_post_room.house
    kept_post_room.open("acme")
    kept_post_room.order("acme", 2)
    documents = house.folder / "documents"
    documents.write_text("in the way")
    configure(smtp_password="that of last year")
    unstored, boxes, said = attempt(kept_post_room, config(all_open=True, **SENT))
    assert boxes == BOXES[:2]
    assert said.startswith(
        f"The documents of 2 invoices could not be made. STORAGE: The file could not be stored in {documents}: "
    )
    documents.unlink()
    unsent, boxes, said = attempt(kept_post_room, after=unstored)
    assert boxes == BOXES[2:3]
    assert said.startswith(
        f"2 messages could not be sent. LOGIN_REFUSED: The mail server 127.0.0.1:{mail.smtp_port} refused the login "
    )
    assert "that of last year" not in said
    assert mail.count() == 0
    configure(smtp_password=mail.password)
    assert attempt(kept_post_room, after=unsent)[1:] == (BOXES[3:], "")
    counts = "select (select count(*) from billing.issued_invoice), (select count(*) from public.invoice_documents)"
    assert [tuple(row) for row in house.rows("acme", counts)] == [(2, 2)]
    assert mail.count() == 2


def test_a_run_goes_on_at_the_box_that_failed_and_does_nothing_twice(
    kept_post_room: PostRoom, mail: MailServer
) -> None:
    house = kept_post_room.house
    kept_post_room.open("acme")
    kept_post_room.issue("acme", 1)
    house.behind("update billing.sales_order set status = 'pending'")  # a promise that is broken stops what follows
    (order,) = kept_post_room.order("acme", 1)
    there = len(house.rows("acme", "select id from billing.issued_invoice"))
    failed, boxes, _ = attempt(kept_post_room, config(sales_order_ids=[str(order)], **SENT))
    assert boxes == BOXES[:1]
    assert len(house.rows("acme", "select id from billing.issued_invoice")) == there + 1
    assert mail.count() == 0
    house.behind("update billing.sales_order set status = 'invoiced'")
    assert attempt(kept_post_room, after=failed)[1:] == (BOXES[1:], "")
    assert len(house.rows("acme", "select id from billing.issued_invoice")) == there + 1
    assert mail.count() == 1
