"""`quickbooks_sync_one`: one organization box by box, and again from the box that failed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dagster as dg
import pytest

from invoice_pipelines.defs.accounting import boxes
from invoice_pipelines.defs.refusals import REPEATABLE
from invoice_pipelines.workshop.sandbox.quickbooks import Fault
from invoice_pipelines_tests.integration.defs.conftest import code_location, failure_of, outputs
from invoice_pipelines_tests.integration.defs.quickbooks.conftest import Bridge

JOB = "quickbooks_sync_one"
BOXES = ["check_connection", "pull_and_apply", "push_records", "push_invoices", "pull_and_book"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes that are tried again at once."""
    for box, _ in boxes.BOXES:
        monkeypatch.setattr(box, "_retry_policy", dg.RetryPolicy(max_retries=REPEATABLE.max_retries, delay=0.1))


def job() -> dg.JobDefinition:
    """The job, as Dagster loads it for a run."""
    return code_location().resolve_job_def(JOB)


def config(slug: str, **wanted: Any) -> dict[str, Any]:
    return {"ops": {BOXES[0]: {"config": {"organization": slug, **wanted}}}}


def worked(result: dg.ExecuteInProcessResult | dg.JobExecutionResult) -> list[str]:
    return [event.step_key or "" for event in result.all_events if event.is_step_success]


def execute(bridge: Bridge, slug: str) -> dg.JobExecutionResult:
    """A run as a person launches it."""
    return dg.execute_job(dg.reconstructable(job), bridge.house.instance, run_config=config(slug), raise_on_error=False)


def go_on(bridge: Bridge, failed: dg.JobExecutionResult) -> dg.JobExecutionResult:
    """Re-execute from failure."""
    options = dg.ReexecutionOptions.from_failure(failed.run_id, bridge.house.instance)
    return dg.execute_job(
        dg.reconstructable(job), bridge.house.instance, reexecution_options=options, raise_on_error=False
    )


def failure(result: dg.JobExecutionResult) -> tuple[str, str]:
    """The box that failed, and what it says."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    told = event.step_failure_data.user_failure_data
    assert told is not None
    return event.step_key or "", str(told.description)


def test_what_is_theirs_comes_what_is_ours_goes_and_payments_are_booked_box_by_box(bridge: Bridge) -> None:
    bridge.open("acme", "beta")
    bridge.issue("acme", "1")
    asked = bridge.ask("acme")
    assert bridge.tags(bridge.push("acme"))["batch_job"] == asked
    books = bridge.accountant("acme")
    books.customer("Theirs Ltd")
    (sent,) = books.documents("Invoice")
    books.pay(sent["Id"])
    bridge.issue("acme", "2")
    asked = bridge.ask("acme")
    result = bridge.house.run(JOB, config=config("acme"))
    assert worked(result) == BOXES
    shown = outputs(result)
    told = ("customers: pulled: new", "invoices: pushed: created", "payments: pulled: new")
    assert [shown[name] for name in told] == [1, 1, 1]
    assert bridge.value("acme", "select count(*) from billing.customer") == 2
    assert books.count("Invoice") == 2
    assert statuses(bridge) == ["issued", "paid"]
    assert bridge.sandbox.calls(bridge.realms["beta"], "batch") == []
    for asset in ("customers", "invoices", "payments"):
        (record, *_) = bridge.house.instance.fetch_materializations(dg.AssetKey(["quickbooks", asset]), limit=1).records
        assert (record.partition_key, record.run_id) == ("acme", result.run_id)
    assert {"organization": "acme", "batch_job": asked}.items() <= bridge.tags(result).items()


def test_a_run_goes_on_at_the_box_that_failed_and_sends_and_books_nothing_twice(kept_bridge: Bridge) -> None:
    bridge = kept_bridge
    bridge.open("acme")
    bridge.issue("acme", "1")
    faults, books = bridge.sandbox.faults, bridge.accountant("acme")
    faults.inject(Fault.LOSE_ANSWER, operation="batch", contains='"Invoice"', times=None)

    failed = execute(bridge, "acme")
    assert worked(failed) == BOXES[:3]
    box, why = failure(failed)
    assert box == "push_invoices"
    assert why.startswith("QuickBooks, acme: ")
    assert "\n" not in why
    assert books.count("Invoice") == 1, "it got there, though its answer did not come back"

    faults.clear()
    faults.inject(Fault.UNAVAILABLE, operation="query", times=None)
    bridge.house.behind("update quickbooks.sent_batch set lease_expires_at = now() where status = 'sent'")
    (sent,) = books.documents("Invoice")
    books.pay(sent["Id"])
    again = go_on(bridge, failed)
    assert worked(again) == ["push_invoices"]
    box, why = failure(again)
    assert (box, "503" in why) == ("pull_and_book", True)
    assert statuses(bridge) == ["issued"]

    faults.clear()
    at_last = go_on(bridge, again)
    assert worked(at_last) == ["pull_and_book"]
    assert statuses(bridge) == ["paid"]
    assert (books.count("Invoice"), books.count("Customer")) == (1, 1)
    assert bridge.value("acme", "select count(*) from billing.payment") == 1


def test_two_runs_at_once_double_nothing(kept_bridge: Bridge) -> None:
    bridge = kept_bridge
    bridge.open("acme")
    bridge.issue("acme", "1", "1")
    bridge.exchange("acme")
    books = bridge.accountant("acme")
    for document in books.documents("Invoice"):
        books.pay(document["Id"])
    books.customer("Theirs Ltd")
    bridge.issue("acme", "1", "1")
    with ThreadPoolExecutor(2) as threads:
        runs = list(threads.map(lambda _: execute(bridge, "acme"), range(2)))
    for run in runs:  # one that still found the other ahead at its third attempt says so
        assert run.success or go_on(bridge, run).success
    assert books.count("Invoice") == 4
    assert books.count("Customer") == bridge.value("acme", "select count(*) from billing.customer") == 2
    assert statuses(bridge) == ["issued", "issued", "paid", "paid"]
    assert bridge.value("acme", "select count(*) from billing.payment") == 2


def test_an_organization_that_is_not_connected_gets_one_line_and_nothing_is_asked(bridge: Bridge) -> None:
    bridge.open("acme")
    bridge.open("alone", connected=False)
    bridge.house.behind(
        "update quickbooks.connection set status = 'needs_reconnect', status_reason = 'Access is lost.'"
    )
    bridge.sandbox.traffic.clear()
    alone = failure_of(bridge.house.run(JOB, config=config("alone")))
    assert alone == "organization: alone is not connected to QuickBooks, so that nothing is synced."
    assert "quickbooks connect acme" in failure_of(bridge.house.run(JOB, config=config("acme")))
    assert "no organization 'nobody'" in failure_of(bridge.house.run(JOB, config=config("nobody")))
    assert bridge.sandbox.calls(bridge.realms["acme"]) == []


def statuses(bridge: Bridge) -> list[str]:
    """Those of acme's invoices."""
    return sorted(row[0] for row in bridge.house.rows("acme", "select status from billing.issued_invoice"))
