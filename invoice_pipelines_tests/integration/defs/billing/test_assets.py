"""The assets of billing: what a run issues, what it shows of that, and which broken promise stops what comes after."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from invoice_pipelines.billing.promises import INVOICED, PROMISES
from invoice_pipelines_tests.integration.defs.billing.conftest import SellersHouse
from invoice_pipelines_tests.integration.defs.conftest import checks, failed_checks, failure_of, plain, shown

ISSUED = "billing/issued_invoices"


def today() -> date:
    """The day where the organizations of these tests are."""
    return datetime.now(ZoneInfo("Europe/Berlin")).date()


def test_a_run_issues_what_its_organization_asked_for_and_nothing_of_others(shop: SellersHouse) -> None:
    shop.open("acme", "beta")
    ids = shop.orders("acme", "1", "2")
    shop.ask("acme", ids[::-1])
    shop.ask("beta", shop.orders("beta", "1"))
    assert shop.house.run("invoicing", "acme").success
    year = today().year
    assert shop.numbers("acme") == [(f"INV-{year}-000001", "O-2"), (f"INV-{year}-000002", "O-1")]
    assert shop.numbers("beta") == []


def test_a_materialization_says_what_was_issued_and_what_was_not_and_why(shop: SellersHouse) -> None:
    shop.open("acme")
    job = shop.ask("acme", [*shop.orders("acme", "1", "", "9", "2"), "no id"])
    result = shop.house.run("invoicing", "acme")
    metadata = shown(result, ISSUED)
    assert (metadata["invoiced"], metadata["failed"], metadata["skipped"]) == (2, 3, 0)
    assert (metadata["left for the next run"], metadata["dagster/row_count"]) == (0, 2)
    year = today().year
    assert (metadata["first number"], metadata["last number"]) == (f"INV-{year}-000001", f"INV-{year}-000002")
    assert metadata["orders per second"] > 0
    assert 0 <= metadata["counter locked, % of the time"] <= 100
    assert f"| {today().isoformat()} | 2 |" in metadata["issued by day"]
    assert metadata["gross amounts"] == [{"currency": "EUR", "gross amount": "357.00"}]
    (worked,) = metadata["jobs"]
    assert (worked["job"], worked["status"]) == (str(job), "completed_with_errors")
    assert (worked["items"], worked["invoiced"], worked["failed"], worked["asked for by"]) == (5, 2, 3, "anna")
    assert [(row["order"], row["code"]) for row in metadata["failures"]] == [
        ("O-2", "NO_LINES"),
        ("O-3", "INSUFFICIENT_STOCK"),
        ("no id", "NOT_AN_ID"),
    ]
    assert "Item CHAIR: 9 wanted" in metadata["failures"][1]["reason"]
    lines = [record.user_message for record in shop.house.instance.all_logs(result.run_id)]
    assert any("5 of 5 orders done" in line for line in lines)
    assert set(checks(result)) == {found.name for found in (*PROMISES, INVOICED)}
    assert set(failed_checks(result)) == {INVOICED.name}


def test_refused_orders_warn_with_their_reasons_and_are_an_error_where_none_was_invoiced(shop: SellersHouse) -> None:
    shop.open("acme")
    shop.ask("acme", shop.orders("acme", "1", "", "", "9"))
    warning = failed_checks(shop.house.run("invoicing", "acme"))[INVOICED.name]
    assert (warning.severity, warning.blocking) == (dg.AssetCheckSeverity.WARN, False)
    told = plain(warning.metadata)
    assert (told["invoiced"], told["refused"]) == (1, 3)
    assert [(row["code"], row["orders"]) for row in told["reasons"]] == [("NO_LINES", 2), ("INSUFFICIENT_STOCK", 1)]
    assert "9 wanted" in told["reasons"][1]["for example"]
    shop.ask("acme", shop.orders("acme", "", "9"))
    for _ in range(2):  # a second run has nothing to do: nobody has seen to these orders yet
        error = failed_checks(shop.house.run("invoicing", "acme"))[INVOICED.name]
        assert (error.severity, plain(error.metadata)["refused"]) == (dg.AssetCheckSeverity.ERROR, 2)
    shop.ask("acme", shop.orders("acme", "1"))
    assert failed_checks(shop.house.run("invoicing", "acme")) == {}


def test_a_run_without_anything_to_do_says_so_and_leaves_the_figures_of_the_last_one(shop: SellersHouse) -> None:
    shop.open("acme", "beta")
    metadata = shown(shop.house.run("invoicing", "beta"), ISSUED)
    assert (metadata["nothing to do"], metadata["invoiced"], metadata["first number"]) == ("nothing waits", 0, "none")
    shop.ask("acme", shop.orders("acme", "1", "", "2"))
    worked = shop.house.run("invoicing", "acme")
    for _ in range(2):
        metadata = shown(shop.house.run("invoicing", "acme"), ISSUED)
        assert (metadata["nothing to do"], metadata["figures of"]) == ("nothing waits", worked.run_id)
        for name in ("invoiced", "failed", "first number", "orders per second"):
            assert metadata[name] == shown(worked, ISSUED)[name]
        assert "failures" not in metadata
        assert "| 2 |" in metadata["issued by day"], "how things stand is shown as it is now"


def test_broken_promises_fail_the_run_and_name_what_breaks_them(shop: SellersHouse) -> None:
    shop.open("acme")
    shop.issue("acme", "1")
    broken = {
        "numbers_have_no_gap": "update billing.invoice_counter set next_number = next_number + 1",
        "dates_in_order": "update billing.invoice_counter set last_issue_date = last_issue_date - 1",
        "amounts_tie": "update billing.issued_invoice_line set net_amount = net_amount + 0.01",
        "every_invoiced_order_has_its_invoice": "update billing.sales_order set status = 'pending'",
    }
    shop.house.behind("alter table billing.issued_invoice_line disable trigger user")
    for statement in broken.values():
        shop.house.behind(statement)
    shop.house.behind("alter table billing.issued_invoice_line enable trigger user")
    failed = failed_checks(shop.house.run("invoicing", "acme"))
    assert set(failed) == set(broken)
    for evaluation in failed.values():
        assert (evaluation.blocking, plain(evaluation.metadata)["offending"]) == (True, 1)


def invoice_backlog(shop: SellersHouse, config: dict[str, Any]) -> dg.ExecuteInProcessResult:
    """What a backfill does for one organization."""
    return dg.materialize(
        [shop.house.defs.resolve_assets_def(dg.AssetKey(["billing", "backlog"]))],
        partition_key="acme",
        instance=shop.house.instance,
        run_config=config,
        raise_on_error=False,
    )


def test_a_backlog_is_all_that_is_open_dated_as_asked(shop: SellersHouse) -> None:
    shop.open("acme")
    shop.orders("acme", "1", "", "2")
    shop.orders("acme", "1", status="draft")
    config = {"ops": {"billing__backlog": {"config": {"invoice_date": "2026-02-27", "due_days": 14}}}}
    result = invoice_backlog(shop, config)
    assert shown(result, "billing/backlog")["invoiced"] == 2
    dates = shop.house.rows("acme", "select distinct issue_date, due_date from billing.issued_invoice")
    assert [tuple(row) for row in dates] == [(date(2026, 2, 27), date(2026, 3, 13))]
    assert shop.value("acme", "select status from billing.sales_order where order_number = 'O-4'") == "draft"


def test_a_backlog_with_an_impossible_date_says_so_and_does_nothing(shop: SellersHouse) -> None:
    shop.open("acme")
    shop.orders("acme", "1")
    result = invoice_backlog(shop, {"ops": {"billing__backlog": {"config": {"invoice_date": "27.02.2026"}}}})
    assert "invoice_date: '27.02.2026' is not a date like" in failure_of(result)
    assert shop.value("acme", "select count(*) from work.batch_job") == 0


def test_a_backlog_is_not_invoiced_without_a_date_in_the_config(shop: SellersHouse) -> None:
    """As by a click on "materialize all"."""
    shop.open("acme")
    shop.orders("acme", "1")
    assert failure_of(invoice_backlog(shop, {})).startswith("invoice_date: the config must say how")
    assert invoice_backlog(shop, {"ops": {"billing__backlog": {"config": {"invoice_date": "today"}}}}).success
    assert shop.value("acme", "select issue_date from billing.issued_invoice") == today()


def test_one_run_invoices_the_backlogs_of_many_organizations(
    shop: SellersHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sweep(**config: Any) -> dg.ExecuteInProcessResult:
        return shop.house.run("billing_backlog_sweep", config={"ops": {"sweep_billing_backlog": {"config": config}}})

    slugs = ["acme", "beta", "gamma", "wrong"]
    shop.open(*slugs)
    for slug in slugs:
        shop.orders(slug, "1", "2")
    shop.house.break_organization("wrong")
    for config, why in (
        ({}, "invoice_date: the config must say how"),
        ({"invoice_date": "today", "organizations": ["acme", "nobody"]}, "nobody"),
    ):
        assert why in failure_of(sweep(**config))
    assert sum(len(shop.numbers(slug)) for slug in slugs[:3]) == 0

    result = sweep(invoice_date="2026-02-27", due_days=14)
    assert "1 of 4 organizations could not be processed, among them wrong" in failure_of(result)
    assert [len(shop.numbers(slug)) for slug in slugs[:3]] == [2, 2, 2]
    assert shop.value("gamma", "select min(due_date) from billing.issued_invoice") == date(2026, 3, 13)
    assert set(shop.house.check_states("billing/backlog", "amounts_tie")) == {"acme", "beta", "gamma"}
    again = sweep(invoice_date="today", organizations=["gamma", "acme"], start_with="b")
    assert again.success
    assert [event.partition for event in again.all_events if event.is_step_materialization] == []

    monkeypatch.setattr("invoice_pipelines.defs.sweep.time.monotonic", iter(range(0, 10**6, 1000)).__next__)
    told = failure_of(sweep(invoice_date="today", organizations=["acme", "beta", "gamma"]))
    assert "2 of 3 organizations are left: run the job again with `start_with: beta`" in told
