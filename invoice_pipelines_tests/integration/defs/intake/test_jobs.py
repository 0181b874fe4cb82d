"""What operators start, and the sweep: in real runs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from invoice_pipelines.organizations import remove_organization
from invoice_pipelines_tests.integration.defs.conftest import (
    BROKEN_XML,
    GOOD,
    WRONG_TOTAL,
    DagsterHouse,
    failure_of,
    outputs,
)

NAMES = ("uploads", "parsed_invoices", "validated_invoices", "export_files")


def materialized(house: DagsterHouse, name: str) -> set[str]:
    return set(house.instance.get_materialized_partitions(dg.AssetKey(["intake", name])))


# --- The sweep --------------------------------------------------------------------------------------------------------


def test_a_sweep_takes_all_through_all_stages_and_reports_where_something_happened(house: DagsterHouse) -> None:
    house.add("acme", "beta", "idle")
    house.drop("acme", "good.xml", GOOD)
    house.drop("acme", "wrong.xml", WRONG_TOTAL)
    house.drop("beta", "broken.xml", BROKEN_XML)
    house.asked_for()
    result = house.sweep("acme", "beta", "idle")
    assert result.success
    assert house.statuses("acme") == {"good.xml": "EXPORTED", "wrong.xml": "FAILED"}
    assert house.statuses("beta") == {"broken.xml": "FAILED"}
    assert {name: materialized(house, name) for name in NAMES} == {
        "uploads": {"acme", "beta"},
        "parsed_invoices": {"acme", "beta"},
        "validated_invoices": {"acme"},
        "export_files": {"acme"},
    }
    failed = {(found.check_name, found.partition) for found in result.get_asset_check_evaluations() if not found.passed}
    assert failed == {("all_invoices_valid", "acme"), ("all_documents_readable", "beta")}


def test_broken_organizations_never_stop_a_sweep(house: DagsterHouse) -> None:
    slugs = ("acme", "folderless", "removed", "unset", "zeta")
    house.add(*slugs)
    for slug in slugs:
        house.drop(slug, "good.xml", GOOD)
    house.asked_for()
    house.break_organization("unset")
    remove_organization(house.database.engine, "removed")
    inbox = house.folder / "inbox" / "folderless"  # which cannot be listed, also by a superuser
    shutil.rmtree(inbox)
    inbox.write_bytes(b"a file where the folder should be")
    result = house.sweep(*slugs)
    assert failure_of(result).startswith("3 of 5 organizations could not be processed, among them folderless: ")
    assert materialized(house, "export_files") == {"acme", "zeta"}
    assert set(house.left_out(result)) == {"folderless", "removed", "unset"}
    for slug in ("acme", "zeta"):
        assert house.statuses(slug) == {"good.xml": "EXPORTED"}


def test_a_sweep_stops_an_organization_at_a_broken_promise_and_goes_on_with_the_next(house: DagsterHouse) -> None:
    house.add("acme", "beta")
    house.drop("acme", "good.xml", GOOD)
    house.asked_for()
    house.take_in("acme")
    house.behind("update intake.received_invoice set gross_amount = gross_amount + 1")
    house.drop("acme", "later.xml", BROKEN_XML)
    house.drop("beta", "good.xml", GOOD)
    house.asked_for()
    result = house.sweep("acme", "beta")
    assert "among them acme: BrokenPromise: validated_invoices: totals_tie" in failure_of(result)
    assert house.statuses("beta") == {"good.xml": "EXPORTED"}


def test_a_sweep_ends_when_its_time_is_up_and_leaves_the_rest_to_the_next(
    house: DagsterHouse, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add("acme", "beta")
    for slug in ("acme", "beta"):
        house.drop(slug, "good.xml", GOOD)
    house.asked_for()
    configure(run_time_box_seconds=10)
    clock = time.monotonic

    def later() -> float:
        """As if an organization that is done had taken 11 seconds."""
        return clock() + 11 * len(materialized(house, "export_files"))

    monkeypatch.setattr("invoice_pipelines.defs.sweep.time.monotonic", later)
    assert house.sweep("acme", "beta").success
    monkeypatch.undo()
    assert materialized(house, "export_files") == {"acme"}


# --- Retry ------------------------------------------------------------------------------------------------------------


def retry(house: DagsterHouse, slug: str, ids: list[str] | None = None) -> dg.ExecuteInProcessResult:
    config: dict[str, Any] = {"organization": slug}
    if ids is not None:
        config["invoice_ids"] = ids
    return house.run("retry_failed_intake", config={"ops": {"retry_failed_invoices": {"config": config}}})


def test_failed_invoices_are_tried_again_the_named_ones_or_all(house: DagsterHouse) -> None:
    house.add("acme")
    house.drop("acme", "wrong.xml", WRONG_TOTAL)
    house.drop("acme", "broken.xml", BROKEN_XML)
    house.asked_for()
    house.take_in("acme")
    assert house.asked_for() == []
    ((wanted,),) = house.rows("acme", "select id::text from public.received_invoice where file_name = 'wrong.xml'")
    assert retry(house, "acme", [wanted]).success
    assert house.statuses("acme") == {"wrong.xml": "CREATED", "broken.xml": "FAILED"}
    assert "is CREATED. Nothing was put back" in failure_of(retry(house, "acme", [wanted]))
    assert outputs(retry(house, "acme")) == {"put back": 1}
    assert set(house.statuses("acme").values()) == {"CREATED"}
    assert house.asked_for() == ["acme"]
    house.take_in("acme")
    assert set(house.statuses("acme").values()) == {"FAILED"}
    assert house.asked_for() == []
