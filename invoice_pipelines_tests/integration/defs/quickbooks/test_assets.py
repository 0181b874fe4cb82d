"""The assets of the sync: what a run does, what it shows of that, and what its checks say."""

from __future__ import annotations

from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from invoice_pipelines.defs.checks import evaluated
from invoice_pipelines.quickbooks.connection.connections import change_options
from invoice_pipelines.quickbooks.online import QUICKBOOKS
from invoice_pipelines.workshop.sandbox.quickbooks import Fault
from invoice_pipelines_tests.integration.defs.conftest import failure_of
from invoice_pipelines_tests.integration.defs.quickbooks.conftest import Bridge


def test_a_run_sends_customers_items_and_invoices_in_this_order(bridge: Bridge) -> None:
    bridge.open("acme", "beta")
    bridge.issue("acme", "1", "2")
    result = bridge.push("acme")
    assert result.success
    books = bridge.accountant("acme")
    assert [books.count(entity) for entity in ("Customer", "Item", "Invoice")] == [1, 1, 2]
    assert bridge.accountant("beta").count("Customer") == 0
    assert bridge.failed_checks(result) == {}
    shown = bridge.shown(result, "invoices")
    assert (shown["pushed"], shown["pushed: created"], shown["waiting"], shown["oldest pending"]) == (2, 2, 0, "none")
    assert shown["calls: batches"] >= 1
    assert "pulled" not in shown
    assert "failures" not in shown

    again = bridge.shown(bridge.push("acme"), "invoices")
    assert (again["nothing to do"], again["pushed"], again["waiting"]) == ("nothing waits", 2, 0)
    assert books.count("Invoice") == 2


def test_an_organization_without_a_connection_is_skipped_so_that_a_backfill_over_all_does_not_fail(
    bridge: Bridge,
) -> None:
    bridge.open("alone", connected=False)
    result = bridge.push("alone")
    assert result.success
    assert bridge.shown(result, "customers")["nothing to do"] == "not connected to QuickBooks"
    assert bridge.failed_checks(result) == {}
    assert bridge.sync(organizations=["alone"]).success
    for asset in ("imported_company", "pushed_backlog"):
        done = backfilled(bridge, asset, "alone", entities=["customers"])
        assert bridge.shown(done, asset)["nothing to do"] == "not connected to QuickBooks"


def test_what_was_changed_there_comes_here_and_what_both_changed_is_shown(bridge: Bridge) -> None:
    bridge.open("acme")
    change_options(
        bridge.house.database.engine, bridge.house.id_of("acme"), {"conflict_policy": "review"}, changed_by="anna"
    )
    bridge.issue("acme", "1", "1", "1", "1")
    bridge.exchange("acme")
    books = bridge.accountant("acme")
    (customer,) = books.documents("Customer")
    bridge.change("acme", "update billing.customer set phone = '+49 30 1'")
    books.edit(
        "Customer",
        customer["Id"],
        PrimaryPhone={"FreeFormNumber": "+49 40 2"},
        PrimaryEmailAddr={"Address": "new@example.com"},
    )
    first, second, _, void = (document["Id"] for document in books.documents("Invoice"))
    books.pay(first)
    books.pay({second: 19})
    books.void("Invoice", void)

    result = bridge.sync(organizations=["acme"])

    assert result.success
    shown = bridge.shown(result, "customers")
    assert shown["pulled: changed"] == 1
    (conflict,) = shown["conflicts"]
    assert [conflict[name] for name in ("field", "ours", "theirs", "winner")] == [
        "phone",
        "+49 30 1",
        "+49 40 2",
        "open",
    ]
    assert bridge.value("acme", "select email from billing.customer") == "new@example.com"
    assert bridge.failed_checks(result) == {"customers: no_open_conflicts": "WARN", "invoices: no_drift": "WARN"}
    assert bridge.shown(result, "payments")["pulled"] == 2
    statuses = bridge.house.rows("acme", "select status, amount_due from billing.issued_invoice order by number")
    assert sorted((row[0], int(row[1])) for row in statuses) == [
        ("issued", 119),
        ("issued", 119),  # that it is void there is no reason to void it here
        ("paid", 0),
        ("partially_paid", 100),
    ]


def test_what_is_refused_is_named_with_its_reason_and_holds_up_no_other(bridge: Bridge) -> None:
    bridge.open("acme")
    bridge.exchange("acme")
    bridge.issue("acme", "1", "1")
    bridge.sandbox.faults.inject(Fault.ITEM, code="6210", entity="Invoice", nth=1)
    result = bridge.push("acme")
    assert result.success
    shown = bridge.shown(result, "invoices")
    assert (shown["pushed: created"], shown["pushed: failed"]) == (1, 1)
    (failure,) = shown["failures"]
    assert failure["record"].startswith("INV-")
    assert "6210" in failure["code"] + failure["reason"]
    assert not failure["tried again"]


def test_access_that_was_taken_back_is_one_alert_and_no_failed_run(bridge: Bridge) -> None:
    bridge.open("acme")
    bridge.sandbox.oauth.revoke_all(bridge.realms["acme"])
    result = bridge.push("acme")
    assert result.success
    failed = bridge.failed_checks(result)
    assert failed["customers: connection_is_healthy"] == "ERROR"
    assert bridge.value("acme", "select status from quickbooks.connection") == "needs_reconnect"
    assert bridge.asked_for() == []


def backfilled(bridge: Bridge, asset: str, slug: str, **config: object) -> dg.ExecuteInProcessResult:
    """One run of a backfill of an asset."""
    return dg.materialize(
        [bridge.house.defs.resolve_assets_def(dg.AssetKey(["quickbooks", asset]))],
        partition_key=slug,
        run_config={"ops": {f"quickbooks__{asset}": {"config": config}}},
        instance=bridge.house.instance,
        raise_on_error=False,
    )


def test_a_migration_takes_a_company_in_and_sends_what_is_missing_there(bridge: Bridge) -> None:
    bridge.open("acme", connected=False)
    bridge.issue("acme", "1", "2")
    bridge.connect("acme")
    books = bridge.accountant("acme")
    books.customer("müller gmbh", Notes="the same, written otherwise")
    for number in range(3):
        books.customer(f"Customer {number}")
    books.item("Consulting", 120)

    result = backfilled(bridge, "imported_company", "acme", entities=["customers", "items", "payments"])
    assert result.success
    assert bridge.failed_checks(result) == {}
    assert bridge.shown(result, "imported_company")["customers: pulled: new"] == 3
    assert bridge.value("acme", "select count(*) from billing.customer") == 4
    assert bridge.value("acme", "select count(*) from billing.item") == 2

    result = backfilled(bridge, "pushed_backlog", "acme", entities=["customers", "items", "invoices"])
    assert result.success
    assert bridge.failed_checks(result) == {}
    shown = bridge.shown(result, "pushed_backlog")
    assert {(job["kind"], job["items"], job["status"]) for job in shown["jobs"]} == {
        ("quickbooks_push_item", 1, "completed"),
        ("quickbooks_push_invoice", 2, "completed"),
    }
    assert (books.count("Customer"), books.count("Item"), books.count("Invoice")) == (4, 2, 2)
    again = backfilled(bridge, "pushed_backlog", "acme", entities=["invoices"])
    assert "jobs" not in bridge.shown(again, "pushed_backlog")
    assert books.count("Invoice") == 2


def test_a_migration_never_runs_without_saying_what(bridge: Bridge) -> None:
    bridge.open("acme")
    for asset in ("imported_company", "pushed_backlog"):
        config: dict[str, Any]
        for config, message in (
            ({"entities": []}, "name some of customers, items"),
            ({}, "name some of customers, items"),
        ):
            assert f"entities: {message}" in failure_of(backfilled(bridge, asset, "acme", **config))
            ops: dict[str, Any] = {f"sweep_quickbooks_{asset}": {"config": config}}
            swept = bridge.house.run(f"quickbooks_{asset}_sweep", config={"ops": ops})
            assert f"entities: {message}" in failure_of(swept)


def test_one_run_sends_the_backlogs_of_many_organizations(bridge: Bridge) -> None:
    bridge.open("acme", "beta", "alone", connected=False)
    for slug in ("acme", "beta"):
        bridge.issue(slug, "1")
        bridge.connect(slug)
    ops = {"sweep_quickbooks_pushed_backlog": {"config": {"entities": ["customers", "items", "invoices"]}}}
    assert bridge.house.run("quickbooks_pushed_backlog_sweep", config={"ops": ops}).success
    assert [bridge.accountant(slug).count("Invoice") for slug in ("acme", "beta")] == [1, 1]
    states = bridge.house.check_states("quickbooks/pushed_backlog", "all_was_sent")
    assert states == {"acme": "SUCCEEDED", "beta": "SUCCEEDED"}


def test_a_broken_promise_is_an_error_that_names_the_invoice(bridge: Bridge) -> None:
    bridge.open("acme")
    bridge.issue("acme", "1")
    bridge.exchange("acme")
    (promises,) = [entity.promises for entity in QUICKBOOKS.entities if entity.name == "invoices"]
    ways = {
        "mapping_is_unique": "update quickbooks.mapping set local_id = gen_random_uuid() where entity_type = 'invoice'",
        "every_sent_invoice_is_mapped": "delete from quickbooks.mapping where entity_type = 'invoice'",
        "no_invoice_is_lost": """
            delete from work.batch_item where kind = 'quickbooks_push_invoice';
            delete from quickbooks.mapping; delete from quickbooks.sent_operation;
            update quickbooks.connection set connected_at = now() - interval '1 hour';
            update billing.invoice set created_at = now() - interval '16 minutes'""",
    }
    for broken, behind in ways.items():
        with bridge.house.database.superuser.begin() as connection:
            connection.exec_driver_sql("set local session_replication_role = replica")
            connection.exec_driver_sql(behind)
        with bridge.house.context("acme").scope() as connection:
            results = evaluated(promises, connection)
        (failed,) = [found for found in results if found.check_name == broken]
        assert (failed.passed, failed.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert failed.metadata["offending"].value == 1
        assert len(failed.metadata["sample"].records) == 1  # type: ignore[attr-defined]


def test_a_company_that_cannot_be_reached_any_more_stops_the_run_and_nothing_is_lost(bridge: Bridge) -> None:
    bridge.open("acme")
    bridge.issue("acme", "1", "1")
    bridge.sandbox.faults.inject(Fault.REFUSED, code="6190", operation="batch", times=None)
    result = bridge.push("acme")
    assert result.success
    assert "Invalid Company Status" in bridge.shown(result, "customers")["stopped"]
    assert bridge.failed_checks(result)["customers: connection_is_healthy"] == "WARN"
    assert bridge.value("acme", "select count(*) from public.qbo_sync_queue where status = 'failed'") == 0
    bridge.sandbox.faults.clear()
    bridge.house.behind("update quickbooks.connection set paused_until = null")
    bridge.exchange("acme")
    assert bridge.accountant("acme").count("Invoice") == 2


def out_of_step(bridge: Bridge) -> list[str]:
    """Assets about money that the UI has as "Unsynced" for acme, or as never materialized."""
    instance = bridge.house.instance
    graph = bridge.house.defs.resolve_asset_graph()
    status = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance)).get_status
    assets = ("quickbooks/payments", "billing/receivables")
    return [name for name in assets if status(dg.AssetKey.from_user_string(name), "acme").value != "FRESH"]


def test_what_follows_payments_is_out_of_step_when_one_came_and_not_after_a_run_that_brought_nothing(
    bridge: Bridge,
) -> None:
    bridge.open("acme")
    bridge.issue("acme", "1", "1")
    bridge.exchange("acme")
    first, second = (document["Id"] for document in bridge.accountant("acme").documents("Invoice"))
    for invoice, age in ((first, "receivables_aging"), (second, "receivables_sweep")):
        bridge.accountant("acme").pay(invoice)
        bridge.sync(organizations=["acme"], entities=["payments"])
        assert out_of_step(bridge) == ["billing/receivables"]
        if age == "receivables_sweep":
            ops = {"ops": {"sweep_receivables": {"config": {"organizations": ["acme"]}}}}
            assert bridge.house.run(age, config=ops).success
        else:
            assert bridge.house.run(age, "acme").success
        bridge.sync(organizations=["acme"], entities=["payments"])
        bridge.push("acme")
        assert out_of_step(bridge) == []
