"""The asset of overdue: what a run does, what it shows of that, and what its checks say."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest

from invoice_pipelines.overdue import notify_overdue
from invoice_pipelines_tests.integration.defs import conftest
from invoice_pipelines_tests.integration.defs.conftest import checks, failed_checks, failure_of, plain
from invoice_pipelines_tests.integration.defs.overdue.conftest import ReceivablesHouse


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    return conftest.shown(result, "overdue/notifications")


def test_a_run_notifies_once_and_not_for_others_and_all_checks_pass(books: ReceivablesHouse) -> None:
    books.open("acme", "beta")
    books.late("acme", 1, 5, 0)
    books.late("beta", 5)
    books.look("acme")
    result = books.run("acme")
    assert result.success
    assert (books.told("acme"), books.told("beta")) == (2, 0)
    assert books.log("acme") == ["SUCCESS", "SUCCESS"]
    assert {name: found.passed for name, found in checks(result).items()} == {
        "every_overdue_invoice_has_its_notifications": True,
        "no_notification_of_settled_invoices": True,
        "last_execution_is_fresh": True,
    }


def test_a_materialization_says_what_is_overdue_and_what_was_made_of_it(books: ReceivablesHouse) -> None:
    books.open("acme")
    books.desk("acme").want(overdue_levels=[1, 30])
    books.late("acme", 1, 5, 45, 100, 0, -3)
    books.late("acme", 3, settled="partially")
    books.late("acme", 3, settled="paid")
    metadata = shown(books.run("acme"))
    assert (metadata["overdue invoices"], metadata["processed"], metadata["made"]) == (5, 7, 7)
    assert (metadata["opened again"], metadata["closed"], metadata["errors"]) == (0, 0, 0)
    assert (metadata["status"], metadata["batch size"]) == ("SUCCESS", 100)
    assert metadata["made by level"] == [
        {"level, days": 1, "currency": "EUR", "notifications": 5, "amount due": "556"},
        {"level, days": 30, "currency": "EUR", "notifications": 2, "amount due": "238"},
    ]
    assert metadata["amounts due"] == [{"currency": "EUR", "overdue invoices": 5, "amount due": "556"}]
    assert "| 1-30 | 3 |" in metadata["overdue by days"]
    assert "| 31-60 | 1 |" in metadata["overdue by days"]
    assert "| over 90 | 1 |" in metadata["overdue by days"]
    assert [row["amount due"] for row in metadata["largest"]] == ["119", "119", "119", "119", "80"]
    assert metadata["largest"][0]["customer"] == "Buyer AG"
    assert metadata["largest"][-1]["days overdue"] == 3
    assert "what went wrong" not in metadata
    assert metadata["notifications per second"] > 0
    assert metadata["dagster/row_count"] == 7


def test_what_is_paid_is_closed_and_what_is_taken_back_is_opened_again(books: ReceivablesHouse) -> None:
    books.open("acme")
    desk = books.desk("acme")
    first, second = desk.add([desk.late(3), desk.late(4)])
    books.look("acme")
    desk.settle("paid", first)
    closing = shown(books.run("acme"))
    assert (closing["closed"], closing["made"], closing["overdue invoices"]) == (1, 0, 1)
    desk.settle("no", first)
    assert shown(books.run("acme"))["opened again"] == 1
    assert sorted(invoice for invoice, _ in desk.told()) == sorted([first, second])


def test_a_bad_invoice_is_named_with_its_reason_and_warned_of(books: ReceivablesHouse) -> None:
    books.open("acme")
    books.late("acme", 2, 3)
    books.late("acme", 4, is_bad=True)
    result = books.run("acme")
    assert result.success
    (error,) = shown(result)["what went wrong"]
    assert (error["invoice"], error["level, days"]) == ("INV-3", 1)
    assert "customer_name" in error["reason"]
    (warning,) = failed_checks(result).values()
    assert warning.check_name == "every_overdue_invoice_has_its_notifications"
    assert warning.severity is dg.AssetCheckSeverity.WARN
    assert warning.metadata["offending"].value == 1
    assert books.told("acme") == 2


@pytest.mark.parametrize(
    ("behind", "broken"),
    [
        ("delete from overdue.notification", "every_overdue_invoice_has_its_notifications"),
        ("update billing.invoice set status = 'paid', amount_paid = 119", "no_notification_of_settled_invoices"),
    ],
)
def test_a_broken_promise_is_an_error(
    books: ReceivablesHouse, behind: str, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken between the run and its checks, as by a run that does half of its work."""
    books.open("acme")
    books.late("acme", 2)

    def and_break(*given: Any, **named: Any) -> Any:
        report = notify_overdue(*given, **named)
        with books.house.database.superuser.begin() as connection:
            connection.exec_driver_sql("set local session_replication_role = replica")
            connection.exec_driver_sql(behind)
        return report

    monkeypatch.setattr("invoice_pipelines.defs.overdue.domain.notify_overdue", and_break)
    result = books.run("acme")
    (failed,) = failed_checks(result).values()
    assert (failed.check_name, failed.severity) == (broken, dg.AssetCheckSeverity.ERROR)
    assert plain(failed.metadata)["sample"] == [{"which": "INV-1, level 1"}]


def test_an_earlier_day_is_judged_by_when_asked(books: ReceivablesHouse) -> None:
    books.open("acme")
    books.late("acme", 2, 40)
    before = books.desk("acme").today - timedelta(days=30)
    metadata = shown(books.run("acme", as_of=before.isoformat()))
    assert (metadata["as of"], metadata["made"], metadata["overdue invoices"]) == (before.isoformat(), 1, 1)
    assert metadata["largest"][0]["days overdue"] == 10


def test_a_wrong_day_fails_the_run_with_one_line_and_does_nothing(books: ReceivablesHouse) -> None:
    books.open("acme")
    books.late("acme", 2)
    for as_of, message in (("31.3.2026", "'31.3.2026' is not a date"), (str(date.max), "is after today")):
        told = failure_of(books.run("acme", as_of=as_of))
        assert told.startswith(("as of: ", "as_of: "))
        assert message in told
    assert (books.told("acme"), books.log("acme")) == (0, [])


def test_a_run_beside_another_one_is_skipped_and_says_why(books: ReceivablesHouse) -> None:
    books.open("acme")
    books.late("acme", 2, 3)
    inside, go_on = threading.Event(), threading.Event()

    def wait(_: object) -> None:
        inside.set()
        go_on.wait(60)

    other = threading.Thread(
        target=notify_overdue,
        args=(books.house.context("acme"),),
        kwargs={"batch_size": 1, "on_progress": wait, "progress_seconds": 0},
    )
    other.start()
    try:
        assert inside.wait(30)
        result = books.run("acme")
        swept = books.sweep("acme")
    finally:
        go_on.set()
        other.join()
    assert result.success
    assert "Another run looks for overdue invoices" in shown(result)["nothing to do"]
    assert {found.severity for found in result.get_asset_check_evaluations()} == {dg.AssetCheckSeverity.WARN}
    assert swept.success
    assert any("acme is skipped" in record.user_message for record in books.house.instance.all_logs(swept.run_id))
    assert (books.told("acme"), books.log("acme")) == (2, ["SUCCESS"])


def test_a_run_that_died_is_closed_by_the_next(books: ReceivablesHouse) -> None:
    books.open("acme")
    books.late("acme", 2)
    books.desk("acme").rows(
        """insert into overdue.job_execution_log (organization_id, as_of, batch_size)
           values (organizations.current(), current_date, 100)"""
    )
    assert books.log("acme") == ["RUNNING"]
    assert books.run("acme").success
    assert books.log("acme") == ["FAILED", "SUCCESS"]


def test_runs_of_a_sweep_are_named_after_the_dagster_run(books: ReceivablesHouse) -> None:
    books.open("acme", "beta")
    books.late("acme", 2)
    result = books.sweep("acme", "beta")
    for slug in ("acme", "beta"):
        assert str(books.desk(slug).log_rows()[0].run_id) == result.run_id
    records = books.house.instance.fetch_materializations(dg.AssetKey(["overdue", "notifications"]), limit=9).records
    assert [record.partition_key for record in records] == ["acme"], "nothing happened in the other"


def test_a_wrong_schedule_does_not_stop_a_run_by_hand(books: ReceivablesHouse) -> None:
    books.open("acme")
    books.late("acme", 2)
    books.schedule(schedule_value="nonsense")
    result = books.run("acme")
    assert (shown(result)["made"], shown(result)["batch size"]) == (1, 100)
    (warning,) = failed_checks(result).values()
    assert (warning.check_name, warning.severity) == ("last_execution_is_fresh", dg.AssetCheckSeverity.WARN)
    assert "SCHEDULER_SCHEDULE_VALUE" in str(warning.metadata["no schedule"].value)
