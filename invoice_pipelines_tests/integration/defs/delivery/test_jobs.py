"""What asks for runs of delivery, and the runs that a person or a schedule starts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from invoice_pipelines.defs.delivery.reports import delivery_reports_schedule
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines.workshop.sandbox.twilio import TwilioServer
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse
from invoice_pipelines_tests.integration.defs.delivery.conftest import PostRoom


def test_a_run_is_asked_for_where_something_is_due_that_can_be_done(
    post_room: PostRoom, configure: Callable[..., None]
) -> None:
    post_room.open("acme", "beta", "gamma")
    post_room.ask_for_documents("acme", post_room.issue("acme"))
    post_room.ask_for_messages("beta", post_room.issue("beta"), method="email")
    (request,) = post_room.tick().run_requests or []
    assert (request.job_name, request.tags) == ("delivery", {"organization": "acme", "lane": "express"})
    configure(smtp_host="127.0.0.1")  # without any channel, nobody could send
    assert post_room.asked_for() == ["acme", "beta"]


@pytest.mark.slow
def test_a_message_of_a_channel_that_is_not_set_up_is_put_off_and_asked_for_again_later(
    post_room: PostRoom, mail: MailServer
) -> None:
    post_room.open("acme", sms_from="+4930123456")
    post_room.change("acme", "update billing.customer set phone = '+49 171 3920001'")
    post_room.ask_for_messages("acme", post_room.issue("acme"), method="sms")
    assert post_room.asked_for() == ["acme"]  # email is set up, so a run looks
    assert post_room.run("acme").success
    assert post_room.asked_for() == []
    statement = "select status, error_code from public.batch_item_queue where job_type = 'communications'"
    (row,) = post_room.house.rows("acme", statement)
    assert row == ("pending", "NOT_SET_UP")


def test_communications_are_asked_for_by_numbers_and_sent_in_the_same_run(
    post_room: PostRoom, mail: MailServer
) -> None:
    post_room.open("acme")
    first, second = post_room.issue("acme", 2)
    config = {
        "organization": "acme",
        "invoice_ids": [post_room.number("acme", first), str(second), "RE-9"],
        "method": "email",
        "subject": "Yours: {{ invoice.number }}",
        "include_pdf": False,
    }
    result = post_room.launch("communications", "send_communications", **config)
    assert result.success
    subjects = [line for each in mail.messages() for line in each.data.splitlines() if line.startswith(b"Subject")]
    assert sorted(subjects) == [
        f"Subject: Yours: {post_room.number('acme', invoice)}".encode() for invoice in (first, second)
    ]
    codes = post_room.house.rows(
        "acme", "select subject_id, error_code from public.batch_item_queue where error_code <> ''"
    )
    assert codes == [("RE-9", "NOT_FOUND")]


def test_documents_that_cannot_be_stored_fail_their_job_and_so_do_messages_that_nobody_takes(
    post_room: PostRoom, configure: Callable[..., None]
) -> None:
    post_room.open("acme")
    numbers = [post_room.number("acme", invoice) for invoice in post_room.issue("acme", 2)]
    documents = post_room.house.folder / "documents"
    documents.write_text("in the way")
    wanted: dict[str, Any] = {"organization": "acme", "invoice_ids": numbers}
    told = post_room.refused("batch_documents", "make_batch_of_documents", **wanted)
    assert told.startswith(
        f"2 documents, or files of them, could not be made. STORAGE: The file could not be stored in {documents}: "
    )
    configure(smtp_host="127.0.0.1", smtp_port=9, smtp_security="none", email_from="invoices@sandbox.example")
    sent = wanted | {"method": "email", "include_pdf": False}
    told = post_room.refused("communications", "send_communications", **sent)
    assert told.startswith("2 messages could not be sent. CONNECTION: The mail server 127.0.0.1:9 cannot be reached: ")
    documents.unlink()
    result = post_room.launch("batch_documents", "make_batch_of_documents", **wanted, zip=True)
    assert result.success
    assert len(post_room.house.rows("acme", "select * from public.invoice_documents")) == 2
    statement = "select count(*) from work.items where kind = 'invoice_documents' and status = 'pending'"
    assert post_room.value("acme", statement) == 0  # also those that failed before were tried


def test_messages_that_wait_for_their_time_or_for_a_channel_fail_nothing(
    post_room: PostRoom, twilio: TwilioServer
) -> None:
    now = datetime.now(ZoneInfo("Europe/Berlin"))
    hours = {"quiet_from": f"{now - timedelta(hours=1):%H:%M}", "quiet_until": f"{now + timedelta(hours=1):%H:%M}"}
    post_room.open("acme", sms_from="+4930123456", **hours)
    post_room.change("acme", "update billing.customer set phone = '+49 171 3920001'")
    (invoice,) = post_room.issue("acme")
    for method in ("sms", "email"):
        config = {"organization": "acme", "invoice_ids": [str(invoice)], "method": method, "include_pdf": False}
        assert post_room.launch("communications", "send_communications", **config).success
    statement = "select error_code from public.batch_item_queue where job_type = 'communications' order by id"
    assert post_room.house.rows("acme", statement) == [("QUIET_HOURS",), ("NOT_SET_UP",)]


def test_what_cannot_be_done_like_that_fails_the_run_in_one_line(post_room: PostRoom) -> None:
    post_room.open("acme")
    some: dict[str, Any] = {"invoice_ids": ["RE-1"], "method": "email"}
    documents, messages = ("batch_documents", "make_batch_of_documents"), ("communications", "send_communications")
    for job, config, words in (
        (documents, {}, "invoice_ids or all"),
        (documents, {"all": True, "language": "german"}, "language"),
        (documents, {"organization": "nobody", "all": True}, "nobody"),
        (messages, some | {"invoice_ids": []}, "invoice_ids"),
        (messages, some | {"subject": "{{ invoice.colour }}"}, "colour"),
    ):
        told = post_room.refused(*job, **{"organization": "acme", **config})
        assert words in told
        assert "\n" not in told


def test_a_run_names_the_batch_jobs_of_documents_and_of_messages(post_room: PostRoom, mail: MailServer) -> None:
    post_room.open("acme")
    invoices = post_room.issue("acme", 1)
    jobs = [post_room.ask_for_documents("acme", invoices), post_room.ask_for_messages("acme", invoices, method="email")]
    run = post_room.house.instance.get_run_by_id(post_room.run("acme").run_id)
    assert run is not None
    assert [run.tags.get(key) for key in ("batch_job", "batch_job/2", "batch_job/3")] == [*map(str, jobs), None]


def test_the_schedule_has_reports_read_where_messages_are_out_and_says_why_not(
    kept_house: DagsterHouse, twilio: TwilioServer
) -> None:
    post_room = PostRoom(kept_house)
    post_room.open("acme", "beta", sms_from="+4930123456")
    assert isinstance(_tick(post_room), dg.SkipReason)
    post_room.change("acme", "update billing.customer set phone = '+49 171 3920001'")
    post_room.ask_for_messages("acme", post_room.issue("acme"), method="sms")
    assert post_room.send("acme").sent == 1
    (request,) = _tick(post_room)
    config = dict(request.run_config)["ops"]["read_delivery_reports"]["config"]
    assert (config["organizations"], config["mailbox"]) == (["acme"], True)
    result = post_room.house.run("delivery_reports", config=request.run_config)
    assert result.success
    assert post_room.value("acme", "select status from public.outgoing_messages") == "delivered"
    assert isinstance(_tick(post_room), dg.SkipReason)


def _tick(post_room: PostRoom) -> Any:
    with post_room.house.schedule_context() as context:
        return delivery_reports_schedule(context)
