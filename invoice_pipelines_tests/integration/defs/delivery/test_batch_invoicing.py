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


def test_documents_that_cannot_be_stored_fail_their_box_and_are_made_at_once_when_it_is_executed_again(
    kept_post_room: PostRoom, mail: MailServer
) -> None:
    house = kept_post_room.house
    kept_post_room.open("acme")
    kept_post_room.order("acme", 2)
    documents = house.folder / "documents"
    documents.write_text("in the way")
    failed = dg.execute_job(
        dg.reconstructable(job), house.instance, run_config=config(all_open=True, **SENT), raise_on_error=False
    )
    assert worked(failed) == BOXES[:2]
    (event,) = failed.get_step_failure_events()
    assert event.step_failure_data.user_failure_data is not None
    user = event.step_failure_data.user_failure_data
    said = str(user and user.description)
    assert said.startswith(
        f"The documents of 2 invoices could not be made. STORAGE: The file could not be stored in {documents}: "
    )
    assert mail.count() == 0
    documents.unlink()
    again = dg.execute_job(
        dg.reconstructable(job),
        house.instance,
        reexecution_options=dg.ReexecutionOptions.from_failure(failed.run_id, house.instance),
    )
    assert worked(again) == BOXES[2:]
    counts = "select (select count(*) from billing.issued_invoice), (select count(*) from public.invoice_documents)"
    assert [tuple(row) for row in house.rows("acme", counts)] == [(2, 2)]
    assert mail.count() == 2


def test_messages_that_the_mail_server_takes_from_nobody_fail_their_box_and_go_out_once_it_is_executed_again(
    kept_post_room: PostRoom, mail: MailServer, configure: Callable[..., None]
) -> None:
    house = kept_post_room.house
    kept_post_room.open("acme")
    kept_post_room.order("acme", 2)
    configure(smtp_password="that of last year")
    failed = dg.execute_job(
        dg.reconstructable(job),
        house.instance,
        run_config=config(all_open=True, send_immediately=True, communication_method="email"),
        raise_on_error=False,
    )
    assert worked(failed) == BOXES[:3]
    (event,) = failed.get_step_failure_events()
    user = event.step_failure_data.user_failure_data
    said = str(user and user.description)
    assert said.startswith(
        f"2 messages could not be sent. LOGIN_REFUSED: The mail server 127.0.0.1:{mail.smtp_port} refused the login "
    )
    assert "that of last year" not in said
    assert mail.count() == 0
    configure(smtp_password=mail.password)
    again = dg.execute_job(
        dg.reconstructable(job),
        house.instance,
        reexecution_options=dg.ReexecutionOptions.from_failure(failed.run_id, house.instance),
    )
    assert worked(again) == BOXES[3:]
    assert mail.count() == 2


def test_a_run_goes_on_at_the_box_that_failed_and_does_nothing_twice(
    kept_post_room: PostRoom, mail: MailServer
) -> None:
    house = kept_post_room.house
    kept_post_room.open("acme")
    kept_post_room.issue("acme", 1)
    house.behind("update billing.sales_order set status = 'pending'")  # a promise that is broken stops what follows
    (order,) = kept_post_room.order("acme", 1)
    wanted = config(sales_order_ids=[str(order)], **SENT)
    there = len(house.rows("acme", "select id from billing.issued_invoice"))
    failed = dg.execute_job(dg.reconstructable(job), house.instance, run_config=wanted, raise_on_error=False)
    assert worked(failed) == BOXES[:1]
    assert len(house.rows("acme", "select id from billing.issued_invoice")) == there + 1
    assert mail.count() == 0
    house.behind("update billing.sales_order set status = 'invoiced'")
    again = dg.execute_job(
        dg.reconstructable(job),
        house.instance,
        reexecution_options=dg.ReexecutionOptions.from_failure(failed.run_id, house.instance),
    )
    assert worked(again) == BOXES[1:]
    assert len(house.rows("acme", "select id from billing.issued_invoice")) == there + 1
    assert mail.count() == 1
