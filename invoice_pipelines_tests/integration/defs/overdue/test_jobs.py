"""What a person starts to look for overdue invoices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dagster as dg

from invoice_pipelines.overdue.asked import ask_for_run
from invoice_pipelines.work import JobStatus, get_job
from invoice_pipelines_tests.integration.defs.conftest import failure_of
from invoice_pipelines_tests.integration.defs.overdue.conftest import ReceivablesHouse


def now(books: ReceivablesHouse, **config: Any) -> dg.ExecuteInProcessResult:
    return books.house.run("overdue_now", config={"ops": {"look_for_overdue_now": {"config": config}}})


def test_the_named_organizations_are_looked_at_as_of_the_day(books: ReceivablesHouse) -> None:
    books.open("acme", "beta")
    books.late("acme", 3, 30)
    books.late("beta", 30)
    as_of = books.desk("acme").today - timedelta(days=10)
    assert now(books, organizations=["acme"], as_of=str(as_of)).success
    assert (books.told("acme"), books.told("beta")) == (1, 0)
    assert books.desk("acme").one().as_of == as_of


def test_what_was_mistyped_is_named_before_anything_is_done(books: ReceivablesHouse) -> None:
    books.open("acme")
    books.late("acme", 3)
    for config, message in (
        ({"organizations": ["acme", "acmme"]}, "acmme"),
        ({"as_of": "tomorrow"}, "as_of: 'tomorrow' is not a date"),
    ):
        assert message in failure_of(now(books, **config))
    assert books.told("acme") == 0


def test_all_organizations_are_looked_at_in_one_run_and_a_broken_one_stops_no_other(books: ReceivablesHouse) -> None:
    books.open("acme", "beta", "gamma")
    for slug in ("acme", "gamma"):
        books.late(slug, 3)
    books.house.break_organization("beta")
    assert "1 of 3 organizations could not be processed, among them beta" in failure_of(now(books))
    assert (books.told("acme"), books.told("gamma")) == (1, 1)


def test_a_run_that_somebody_asks_for_begins_whatever_the_schedule_says(books: ReceivablesHouse) -> None:
    books.open("acme", "other")
    books.late("acme", 3)
    books.schedule(schedule_type="daily")
    assert books.left_for() == []
    with books.house.context("acme").scope() as connection:
        job_id = ask_for_run(connection, created_by="anna")
    assert books.left_for() == ["acme"]
    assert books.run("acme").success
    with books.house.context("acme").scope() as connection:
        assert get_job(connection, job_id).status is JobStatus.COMPLETED
    assert (books.told("acme"), books.log("acme")) == (1, ["SUCCESS"])
    assert books.left_for() == []
