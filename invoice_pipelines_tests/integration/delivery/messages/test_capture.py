"""A batch job that issues invoices can ask for their PDFs, and that they are sent at once."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines_tests.integration.delivery.messages.conftest import Post

LINE = {"quantity": 1, "unit_price": 10, "tax_category": "S", "tax_rate": 19, "description": "Work"} | {
    "discount_percent": 0
}


def issue(post: Post, count: int, customer: dict[str, Any], line: dict[str, Any] = LINE, **options: Any) -> UUID:
    """Issues invoices with options of a batch job that billing does not look at."""
    orders = post.desk.orders([{"lines": [line], "customer_id": str(post.customer(**customer))} for _ in range(count)])
    job = post.desk.ask(orders)
    post.desk.rows(
        "update work.batch_job set parameters = parameters || cast(:options as jsonb) where id = :job",
        options=json.dumps(options),
        job=job,
    )
    post.desk.work(job)
    return job


def queued(post: Post) -> dict[str, int]:
    rows = post.desk.rows("select kind, count(*) from work.batch_item where job_id is null group by kind")
    return {row[0]: row[1] for row in rows}


def test_invoices_are_sent_at_once_where_the_job_asks_for_it(post: Post) -> None:
    job = issue(post, 2, {}, send_immediately=True, communication_method="sms", generate_pdf=True)
    assert queued(post) == {"send_message": 2, "invoice_documents": 2}
    messages = post.messages()
    assert {(m.status, m.channel, m.batch_job_id, m.created_by) for m in messages} == {
        (MessageStatus.WAITING, "sms", job, "anna")
    }
    assert post.send().sent == 2
    assert {m.recipient for m in post.messages()} == {"+4915123456789"}


def test_what_was_asked_for_otherwise_as_well_goes_out_once(post: Post) -> None:
    issue(post, 1, {"phone": "+4915177777777"}, send_immediately=True, communication_method="sms")
    post.ask([post.message().invoice_id], "sms")
    post.settle()
    assert len(post.twilio.messages("+4915177777777")) == 1
    assert [m.status for m in post.messages()] == [MessageStatus.SENT]


def test_one_without_an_address_fails_with_a_reason(post: Post) -> None:
    issue(post, 1, {"phone": None}, send_immediately=True, communication_method="sms")
    assert post.send().failed == 1
    assert (post.message().status, post.message().error_code) == (MessageStatus.FAILED, "NO_ADDRESS")


def test_nothing_is_asked_for_where_the_job_does_not_or_where_issuing_is_rolled_back(post: Post) -> None:
    issue(post, 1, {})
    issue(post, 1, {}, generate_pdf=False, send_immediately=False)
    issue(post, 1, {}, line=LINE | {"tax_rate": 3}, send_immediately=True)
    assert queued(post) == {}
    assert post.messages() == []
