"""What operators start, and the sweep: in real runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest

from invoice_pipelines.organizations import remove_organization
from invoice_pipelines_tests.integration.defs.conftest import BROKEN_XML, GOOD, WRONG_TOTAL, House

NAMES = ("uploads", "parsed_invoices", "validated_invoices", "export_files")


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """What a person reads about the step that failed."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    assert data.user_failure_data is not None
    return str(data.user_failure_data.description)


def output_metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = [event for event in result.all_events if event.is_successful_output]
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def materialized(house: House, name: str) -> set[str]:
    return set(house.instance.get_materialized_partitions(dg.AssetKey(["intake", name])))


# --- The sweep --------------------------------------------------------------------------------------------------------


def test_a_sweep_takes_all_its_organizations_through_all_stages(house: House) -> None:
    house.add("acme", "beta", "idle")
    house.drop("acme", "good.xml", GOOD)
    house.drop("acme", "wrong.xml", WRONG_TOTAL)
    house.drop("beta", "broken.xml", BROKEN_XML)
    house.asked_for()
    assert house.sweep("acme", "beta", "idle").success
    assert house.statuses("acme") == {"good.xml": "EXPORTED", "wrong.xml": "FAILED"}
    assert house.statuses("beta") == {"broken.xml": "FAILED"}


def test_a_sweep_reports_by_organization_and_stage_where_something_happened(house: House) -> None:
    house.add("acme", "beta", "idle")
    house.drop("acme", "good.xml", GOOD)
    house.drop("beta", "broken.xml", BROKEN_XML)
    house.asked_for()
    result = house.sweep("acme", "beta", "idle")
    assert {name: materialized(house, name) for name in NAMES} == {
        "uploads": {"acme", "beta"},
        "parsed_invoices": {"acme", "beta"},
        "validated_invoices": {"acme"},
        "export_files": {"acme"},
    }
    unreadable = [evaluation.partition for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
    assert unreadable == ["beta"]


@pytest.mark.parametrize("broken", ["settings", "removed", "inbox"])
def test_one_broken_organization_never_stops_a_sweep(house: House, broken: str) -> None:
    house.add("acme", "beta", "gamma")
    for slug in ("acme", "beta", "gamma"):
        house.drop(slug, "good.xml", GOOD)
    house.asked_for()
    if broken == "settings":
        house.break_organization("beta")
    elif broken == "removed":
        remove_organization(house.database.engine, "beta")
    else:  # a folder that cannot be listed, also for a superuser
        (house.folder / "inbox" / "beta" / "good.xml").unlink()
        (house.folder / "inbox" / "beta").rmdir()
        (house.folder / "inbox" / "beta").write_bytes(b"a file where the folder should be")
    result = house.sweep("acme", "beta", "gamma")
    assert not result.success
    assert house.statuses("acme") == {"good.xml": "EXPORTED"}
    assert house.statuses("gamma") == {"good.xml": "EXPORTED"}
    assert materialized(house, "export_files") == {"acme", "gamma"}
    told = failure_of(result)
    assert told.startswith("1 of 3 organizations could not be processed, among them beta: ")
    assert "\n" not in told
    run = house.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert [tag for tag in run.tags if tag.startswith("left_out/")] == ["left_out/beta"]


def test_a_sweep_stops_an_organization_at_a_broken_promise_and_goes_on_with_the_next(house: House) -> None:
    house.add("acme", "beta")
    house.drop("acme", "good.xml", GOOD)
    house.asked_for()
    assert house.sweep("acme").success
    house.behind("update intake.received_invoice set gross_amount = gross_amount + 1")
    house.drop("acme", "later.xml", BROKEN_XML)
    house.drop("beta", "good.xml", GOOD)
    house.asked_for()
    result = house.sweep("acme", "beta")
    assert "among them acme: BrokenPromise: validated_invoices: totals_tie" in failure_of(result)
    assert house.statuses("beta") == {"good.xml": "EXPORTED"}


def test_a_sweep_ends_when_its_time_is_up_and_leaves_the_rest_to_the_next(
    house: House, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
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


# --- Process these now ------------------------------------------------------------------------------------------------


def process_now(house: House, slug: str, ids: list[str]) -> dg.ExecuteInProcessResult:
    config = {"ops": {"process_named_uploads": {"config": {"organization": slug, "upload_ids": ids}}}}
    return house.run("process_uploads_now", config=config)


def test_named_uploads_are_processed_now_and_no_others(house: House) -> None:
    house.add("acme")
    wanted, other = house.upload("acme", "wanted.xml", GOOD), house.upload("acme", "other.xml", BROKEN_XML)
    result = process_now(house, "acme", [wanted])
    assert result.success
    assert house.statuses("acme") == {"wanted.xml": "EXPORTED", "other.xml": "UPLOADED"}
    assert output_metadata(result) | {"batch job": ""} == {"batch job": "", "validated": 1, "failed": 0, "skipped": 0}
    assert process_now(house, "acme", [other]).success
    assert house.statuses("acme")["other.xml"] == "FAILED"


def test_a_run_that_an_operator_starts_is_found_by_its_organization(house: House) -> None:
    house.add("acme")
    result = process_now(house, "acme", [])
    found = house.instance.get_runs(dg.RunsFilter(tags={"organization": "acme"}))
    assert [run.run_id for run in found] == [result.run_id]


@pytest.mark.parametrize(
    ("slug", "ids", "told"),
    [
        pytest.param("acme", ["invoice.pdf"], "upload_ids: 'invoice.pdf' is no id", id="no id"),
        pytest.param("acme", [str(uuid4())], "there is no upload", id="unknown upload"),
        pytest.param("nobody", [], "there is no organization 'nobody'", id="unknown organization"),
    ],
)
def test_what_an_operator_mistypes_is_named_in_one_line(house: House, slug: str, ids: list[str], told: str) -> None:
    house.add("acme")
    result = process_now(house, slug, ids)
    assert not result.success
    assert told in failure_of(result)
    assert "\n" not in failure_of(result)


def test_an_upload_of_another_organization_is_unknown(house: House) -> None:
    house.add("acme", "beta")
    others = house.upload("beta", "secret.xml", GOOD)
    result = process_now(house, "acme", [others])
    assert "there is no upload" in failure_of(result)
    assert "secret" not in failure_of(result)
    assert house.statuses("beta") == {"secret.xml": "UPLOADED"}


# --- Retry ------------------------------------------------------------------------------------------------------------


def retry(house: House, slug: str, ids: list[str] | None = None) -> dg.ExecuteInProcessResult:
    config: dict[str, Any] = {"organization": slug}
    if ids is not None:
        config["invoice_ids"] = ids
    return house.run("retry_failed_intake", config={"ops": {"retry_failed_invoices": {"config": config}}})


def test_failed_invoices_are_tried_again(house: House) -> None:
    house.add("acme")
    house.drop("acme", "wrong.xml", WRONG_TOTAL)
    house.drop("acme", "broken.xml", BROKEN_XML)
    house.asked_for()
    assert house.run("intake", "acme").success
    result = retry(house, "acme")
    assert output_metadata(result) == {"put back": 2}
    assert set(house.statuses("acme").values()) == {"CREATED"}
    assert house.asked_for() == ["acme"]
    assert house.run("intake", "acme").success
    assert set(house.statuses("acme").values()) == {"FAILED"}
    assert house.asked_for() == []


def test_only_the_named_invoices_are_tried_again(house: House) -> None:
    house.add("acme")
    house.drop("acme", "wrong.xml", WRONG_TOTAL)
    house.drop("acme", "broken.xml", BROKEN_XML)
    house.asked_for()
    assert house.run("intake", "acme").success
    ((wanted,),) = house.rows("acme", "select id::text from public.received_invoice where file_name = 'wrong.xml'")
    assert retry(house, "acme", [wanted]).success
    assert house.statuses("acme") == {"wrong.xml": "CREATED", "broken.xml": "FAILED"}
