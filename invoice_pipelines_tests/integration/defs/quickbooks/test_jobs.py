"""`quickbooks_sync`, as a person starts it."""

from __future__ import annotations

from typing import Any

import dagster as dg

from invoice_pipelines.quickbooks.connection.connections import change_options
from invoice_pipelines_tests.integration.defs.conftest import failure_of, outputs
from invoice_pipelines_tests.integration.defs.quickbooks.conftest import Bridge


def test_all_that_are_connected_are_synced_and_all_changes_of_one_are_asked_for_in_one_call(bridge: Bridge) -> None:
    bridge.open("acme", "beta")
    bridge.open("alone", connected=False)
    bridge.accountant("acme").customer("Theirs Ltd")
    assert bridge.sync(organizations=["acme"], push=False).success
    assert bridge.value("acme", "select count(*) from billing.customer") == 2
    assert bridge.accountant("acme").count("Customer") == 1, "what is only read is not sent"
    assert bridge.sync().success
    assert [bridge.accountant(slug).count("Customer") for slug in ("acme", "beta")] == [2, 1]
    bridge.sandbox.traffic.clear()
    assert bridge.sync(organizations=["acme"]).success
    assert [call.operation for call in bridge.sandbox.calls(bridge.realms["acme"])] == ["cdc"]


def test_named_invoices_are_one_batch_job_with_progress(bridge: Bridge) -> None:
    bridge.open("acme", connected=False)
    bridge.issue("acme", "1", "1", "1")
    bridge.connect("acme")
    numbers = [row[0] for row in bridge.house.rows("acme", "select invoice_number from billing.invoice_number")]
    result = bridge.sync(organizations=["acme"], invoices=numbers[:2], pull=False)
    assert result.success
    job = bridge.house.rows("acme", "select * from work.batch_job where kind = 'quickbooks_push_invoice'")[0]
    assert (job.status, job.total_items, job.successful_items) == ("completed", 2, 2)
    assert bridge.accountant("acme").count("Invoice") == 2


def test_a_wrong_request_fails_with_one_line(bridge: Bridge) -> None:
    bridge.open("acme")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"entities": ["orders"]}, "entities: 'orders' is none of customers, items, invoices, payments."),
        ({"organizations": ["nobody"]}, "there is no organization 'nobody'"),
        ({"invoices": ["INV-1"]}, "invoices: name the one organization"),
        ({"organizations": ["acme"], "invoices": ["INV-1"], "push": False}, "invoices: they are pushed where"),
        ({"organizations": ["acme"], "invoices": ["INV-1"]}, "invoices: there is no INV-1 in this organization."),
    ]
    for config, message in wrong:
        (failure,) = bridge.sync(**config).get_step_failure_events()
        assert failure.step_failure_data.user_failure_data is not None
        assert message in (failure.step_failure_data.user_failure_data.description or "")
    assert bridge.sandbox.calls(bridge.realms["acme"]) == []


def test_conflicts_are_decided_in_bulk_and_nothing_is_without_write(bridge: Bridge) -> None:
    bridge.open("acme", "beta")
    policy = {"conflict_policy": "review"}
    change_options(bridge.house.database.engine, bridge.house.id_of("acme"), policy, changed_by="anna")
    bridge.exchange("acme")
    (customer,) = bridge.accountant("acme").documents("Customer")
    bridge.change("acme", "update billing.customer set phone = '+49 30 1'")
    bridge.accountant("acme").edit("Customer", customer["Id"], PrimaryPhone={"FreeFormNumber": "+49 40 2"})
    bridge.exchange("acme", pull=True)
    phone, open_ones = (
        "select phone from billing.customer",
        "select count(*) from quickbooks.conflict where winner is null",
    )

    def decide(**config: Any) -> dg.ExecuteInProcessResult:
        return bridge.house.run(
            "quickbooks_conflicts",
            config={"ops": {"decide_open_conflicts": {"config": {"organization": "acme", **config}}}},
        )

    shown = outputs(decide(side="theirs"))
    assert (shown["would be theirs"], shown["written"]) == (1, False)
    (row,) = shown["conflicts"]
    assert [row[name] for name in ("field", "ours", "theirs")] == ["phone", "+49 30 1", "+49 40 2"]
    assert (bridge.value("acme", phone), bridge.value("acme", open_ones)) == ("+49 30 1", 1)
    assert "conflict" in failure_of(decide(side="theirs", conflicts=["ffff"], write=True))

    assert outputs(decide(side="theirs", conflicts=[row["conflict"]], write=True))["theirs"] == 1
    assert (bridge.value("acme", phone), bridge.value("acme", open_ones)) == ("+49 40 2", 0)
    assert outputs(decide(side="ours", write=True)) == {"written": True}, "none is left"
