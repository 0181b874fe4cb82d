"""CSV files as batch operations: each row is an item with an outcome, can be cancelled, and tried again."""

from __future__ import annotations

import io

import pytest
from sqlalchemy import text

from invoice_pipelines.billing import BillingError
from invoice_pipelines.billing.imports.batch import ask_for_import, import_asked_rows
from invoice_pipelines.work import ItemStatus, cancel_job, get_job, job_events, job_items, retry_failed

CUSTOMERS = "customer_number;name;country_code\nC1;Käufer & Söhne;AT\nC2;Zwei;DE\nC3;Drei;Deutschland\nC2;Again;DE\n"
ORDERS = """order_number,customer_number,order_date,sku,quantity
7,C1,2026-03-01,A,2
7,C1,2026-03-01,A,1
8,C9,2026-03-01,A,1
9,C1,2026-03-01,A,1
9,C1,2026-03-01,ZZ,1
"""


def ask(shop, kind, content, author="anna"):
    with shop.scope() as connection:
        return ask_for_import(connection, kind, io.StringIO(content), "file.csv", created_by=author)


def items(shop, job_id):
    with shop.scope() as connection:
        return [(item.subject_id, str(item.status), item.code) for item in job_items(connection, job_id).items]


def test_each_row_is_an_item_and_a_wrong_one_stops_no_other(own_shop):
    answer = ask(own_shop, "customers", CUSTOMERS)
    assert (answer.total, answer.estimated_seconds > 0) == (4, True)
    assert own_shop.value("select count(*) from billing.customer") == 1
    report = import_asked_rows(own_shop.context("a worker"))
    assert (report.succeeded, report.skipped, report.failed, report.jobs) == (1, 1, 2, (answer.job_id,))
    assert items(own_shop, answer.job_id) == [
        ("2", "skipped", None),
        ("3", "succeeded", None),
        ("4", "failed", "INVALID"),
        ("5", "failed", "INVALID"),
    ]
    with own_shop.scope() as connection:
        job = get_job(connection, answer.job_id)
        done = job_items(connection, answer.job_id, status=ItemStatus.SUCCEEDED).items[0]
        wrong = job_items(connection, answer.job_id, status=ItemStatus.FAILED).items
        author = connection.execute(text("select created_by from billing.customer where customer_number = 'C2'"))
        assert author.scalar_one() == "anna"
    assert (job.status, job.parameters) == ("completed_with_errors", {"kind": "customers", "file": "file.csv"})
    assert (done.result or {})["outcome"] == "created"
    assert (done.result or {})["key"] == "C2"
    assert "line 4, country_code" in str(wrong[0].message)
    assert "C2 is given a second time" in str(wrong[1].message)


def test_what_failed_is_tried_again_once_its_cause_is_gone(own_shop):
    answer = ask(own_shop, "orders", ORDERS)
    import_asked_rows(own_shop.context())
    assert items(own_shop, answer.job_id) == [
        ("2", "succeeded", None),
        ("4", "failed", "UNKNOWN_CUSTOMER"),
        ("5", "failed", "UNKNOWN_ITEM"),
    ]
    with own_shop.scope() as connection:
        wrong = job_items(connection, answer.job_id, status=ItemStatus.FAILED).items
    assert "line 6, lines[2].sku" in str(wrong[1].message)
    fixed = ask(own_shop, "customers", "customer_number,name,country_code\nC9,Neun,DE\n")
    import_asked_rows(own_shop.context())
    with own_shop.scope() as connection:
        assert retry_failed(connection, answer.job_id, requested_by="ben") == 2
    import_asked_rows(own_shop.context())
    assert [status for _, status, _ in items(own_shop, answer.job_id)] == ["succeeded", "succeeded", "failed"]
    assert own_shop.value("select count(*) from billing.import_row") == 1
    with own_shop.scope() as connection:
        assert [event.action for event in job_events(connection, answer.job_id)] == ["created", "retried"]
        assert get_job(connection, fixed.job_id).status == "completed"


def test_a_cancelled_import_writes_nothing_more(own_shop):
    answer = ask(own_shop, "customers", CUSTOMERS)
    with own_shop.scope() as connection:
        assert cancel_job(connection, answer.job_id, cancelled_by="ben")
    assert import_asked_rows(own_shop.context()).done == 0
    assert own_shop.value("select count(*) from billing.customer") == 1


def test_a_large_file_is_written_in_chunks(own_shop):
    rows = "".join(f"S{n},Item {n},{n}.50\n" for n in range(1, 1201))
    answer = ask(own_shop, "items", f"sku,name,unit_price\n{rows}")
    assert answer.total == 1200
    assert import_asked_rows(own_shop.context()).succeeded == 1200
    assert own_shop.value("select count(*) from billing.item") == 1202


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("people", "a\n", "kind: 'people' is none of customers, items, tax_rates, orders"),
        ("customers", "", "the column customer_number is missing"),
        ("customers", "customer_number,iban_of_boss\n", "there is no column 'iban_of_boss'"),
        ("items", 'sku,name\n"A,x\n', "is not a CSV file"),
    ],
)
def test_what_is_no_such_file_is_refused_and_asks_for_nothing(own_shop, kind, content, words):
    with pytest.raises(BillingError, match=words):
        ask(own_shop, kind, content)
    assert own_shop.value("select count(*) from work.batch_job") == 0
