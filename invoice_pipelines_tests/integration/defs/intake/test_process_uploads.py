"""Given uploads as a graph: from reading to export in one run, and again from the box that failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest

from invoice_pipelines.defs.intake import process_uploads
from invoice_pipelines.intake.stages.asked_uploads import asked_invoices
from invoice_pipelines_tests.integration.defs.conftest import (
    BROKEN_XML,
    CREDIT_NOTE,
    GOOD,
    DagsterHouse,
    code_location,
    failure_of,
    plain,
)
from invoice_pipelines_tests.integration.defs.intake.conftest import PDF, SCAN, OcrEngine

JOB = "process_uploads_now"
AT_ONCE = ["uploads", "parse", "validate", "export"]
RECOGNIZED = ["recognize", "parse_scans", "validate_scans", "export_scans"]


def job() -> dg.JobDefinition:
    """The job, as Dagster loads it for a run."""
    return code_location().resolve_job_def(JOB)


def config(slug: str, ids: list[str]) -> dict[str, Any]:
    return {"ops": {"uploads": {"config": {"organization": slug, "upload_ids": ids}}}}


def process_now(house: DagsterHouse, slug: str, ids: list[str]) -> dg.ExecuteInProcessResult:
    return house.run(JOB, config=config(slug, ids))


def first_run(house: DagsterHouse, slug: str, ids: list[str]) -> dg.JobExecutionResult:
    return dg.execute_job(dg.reconstructable(job), house.instance, run_config=config(slug, ids), raise_on_error=False)


def from_failure(house: DagsterHouse, failed: dg.JobExecutionResult) -> dg.JobExecutionResult:
    options = dg.ReexecutionOptions.from_failure(failed.run_id, house.instance)
    return dg.execute_job(dg.reconstructable(job), house.instance, reexecution_options=options)


def worked(result: dg.ExecuteInProcessResult | dg.JobExecutionResult) -> list[str]:
    return [event.step_key or "" for event in result.all_events if event.is_step_success]


def told(result: dg.JobExecutionResult) -> str:
    """The line about the box that failed."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    failure = event.step_failure_data.user_failure_data
    assert failure is not None, event.step_failure_data.error
    return str(failure.description)


def by_box(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """What each box showed."""
    events = [event for event in result.all_events if event.is_successful_output]
    return {event.step_key or "": plain(event.step_output_data.metadata) for event in events}


def job_of(house: DagsterHouse, slug: str) -> tuple[Any, ...]:
    rows = house.rows(
        slug, "select id::text, status, successful_items, failed_items, skipped_items from work.batch_job"
    )
    return tuple(rows[0])


def test_each_box_shows_what_it_did_and_a_scan_holds_up_no_other_document(
    house: DagsterHouse, engine: OcrEngine
) -> None:
    house.add("acme")
    house.upload("acme", "other.xml", CREDIT_NOTE)
    bomb = house.folder / "bomb.xml"
    bomb.write_text('<!DOCTYPE a [<!ENTITY b "boom"><!ENTITY c "&b;&b;&b;">]><Invoice>&c;</Invoice>')
    documents = {"good.xml": GOOD, "bomb.xml": bomb, "text.pdf": PDF, "damaged.xml": BROKEN_XML, "scan.pdf": SCAN}
    result = process_now(house, "acme", [house.upload("acme", name, path) for name, path in documents.items()])
    assert worked(result) == AT_ONCE + RECOGNIZED
    boxes = by_box(result)
    assert boxes["uploads"]["uploads"] == 5
    assert [boxes["parse"][what] for what in ("parsed", "failed", "skipped")] == [2, 2, 1]
    failures = {failure["file"]: failure["reason"] for failure in boxes["parse"]["failures"]}
    assert (set(failures), all(failures.values())) == ({"bomb.xml", "damaged.xml"}, True)
    assert boxes["validate"]["validated"] == boxes["export"]["exported"] == 2
    assert (boxes["recognize"]["recognized"], engine.asked) == (1, 1)
    assert boxes["parse_scans"]["parsed"] + boxes["parse_scans"]["failed"] == 1
    statuses = house.statuses("acme")
    assert (statuses.pop("other.xml"), statuses.pop("scan.pdf") in ("PARSED", "FAILED")) == ("UPLOADED", True)
    assert (statuses.pop("bomb.xml"), statuses.pop("damaged.xml")) == ("FAILED", "FAILED")
    assert statuses == {"good.xml": "EXPORTED", "text.pdf": "EXPORTED"}
    asked, status, succeeded, *others = job_of(house, "acme")
    assert (status, succeeded, sum(others)) == ("completed_with_errors", 2, 3)
    run = house.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert (run.tags["batch_job"], run.tags["organization"]) == (asked, "acme")
    for asset in ("parsed_invoices", "recognized_pages", "validated_invoices", "export_files"):
        assert house.instance.get_materialized_partitions(dg.AssetKey(["intake", asset])) == {"acme"}
    assert any(check.check_name == "all_documents_readable" for check in result.get_asset_check_evaluations())


def test_a_run_goes_on_at_the_export_that_failed_and_exports_nothing_twice(kept_house: DagsterHouse) -> None:
    house = kept_house
    house.add("acme")
    exports = house.folder / "exports"
    exports.write_bytes(b"a file where the folder should be")
    failed = first_run(house, "acme", [house.upload("acme", "good.xml", GOOD)])
    assert worked(failed) == AT_ONCE[:3] + RECOGNIZED[:3]
    assert house.statuses("acme") == {"good.xml": "VALIDATED"}
    exports.unlink()
    kept_here = Path(house.instance.storage_directory()).glob(f"**/{failed.run_id}/**/*")
    assert not list(kept_here), "another machine would not find it"
    again = from_failure(house, failed)
    assert again.success
    assert not {"uploads", "parse", "validate"} & set(worked(again))
    assert house.statuses("acme") == {"good.xml": "EXPORTED"}
    assert len(house.rows("acme", "select * from intake.export_invoice")) == 1
    assert len(list(Path(exports).rglob("*_invoices.csv"))) == 1
    run = house.instance.get_run_by_id(again.run_id)
    assert run is not None
    assert (run.tags["batch_job"], run.tags["organization"]) == (job_of(house, "acme")[0], "acme")


def test_a_run_goes_on_at_the_box_whose_storage_was_down(kept_house: DagsterHouse) -> None:
    house = kept_house
    house.add("acme")
    ids = [house.upload("acme", "good.xml", GOOD), house.upload("acme", "credit.xml", CREDIT_NOTE)]
    originals = house.folder / "originals"
    originals.rename(house.folder / "away")
    failed = first_run(house, "acme", ids)
    assert worked(failed) == ["uploads"]
    assert "2 of 2 uploads wait here, among them 'good.xml': " in told(failed)
    assert job_of(house, "acme")[1:] == ("processing", 0, 0, 0)
    (house.folder / "away").rename(originals)
    again = from_failure(house, failed)
    assert worked(again) == AT_ONCE[1:] + RECOGNIZED
    assert set(house.statuses("acme").values()) == {"EXPORTED"}
    assert job_of(house, "acme")[1:] == ("completed", 2, 0, 0)
    assert len(house.rows("acme", "select * from intake.export_invoice")) == 2


def test_an_engine_that_is_down_fails_the_box_of_scans_alone(house: DagsterHouse, engine: OcrEngine) -> None:
    house.add("acme")
    engine.is_away = True
    result = process_now(
        house, "acme", [house.upload("acme", "scan.pdf", SCAN), house.upload("acme", "good.xml", GOOD)]
    )
    assert "1 of 2 uploads wait here, among them 'scan.pdf': OCR_UNAVAILABLE: The service is down" in failure_of(result)
    assert worked(result) == AT_ONCE
    assert house.statuses("acme") == {"scan.pdf": "UPLOADED", "good.xml": "EXPORTED"}


def test_two_runs_over_the_same_uploads_lose_and_double_nothing(
    house: DagsterHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add("acme")
    ids = [house.upload("acme", "good.xml", GOOD), house.upload("acme", "damaged.xml", BROKEN_XML)]
    others: list[Any] = []

    def after_the_other_run(*arguments: Any) -> Any:
        if not others:
            others.append(None)
            others.append(process_now(house, "acme", ids))
        return asked_invoices(*arguments)

    monkeypatch.setattr(process_uploads, "asked_invoices", after_the_other_run)
    assert process_now(house, "acme", ids).success
    assert others[1].success
    assert house.statuses("acme") == {"good.xml": "EXPORTED", "damaged.xml": "FAILED"}
    assert len(house.rows("acme", "select * from intake.export_invoice")) == 1
    jobs = house.rows("acme", "select status, successful_items, failed_items from work.batch_job")
    assert [tuple(row) for row in jobs] == [("completed_with_errors", 1, 1)] * 2


def test_what_an_operator_mistypes_is_named_in_one_line_in_a_run_of_the_organization(house: DagsterHouse) -> None:
    house.add("acme")
    for slug, ids, line in (
        ("acme", ["invoice.pdf"], "upload_ids: 'invoice.pdf' is not an id"),
        ("acme", [str(uuid4())], "there is no upload"),
        ("nobody", [], "there is no organization 'nobody'"),
    ):
        assert line in failure_of(process_now(house, slug, ids))
    assert len(house.instance.get_runs(dg.RunsFilter(tags={"organization": "acme"}))) == 2


def test_an_upload_of_another_organization_is_unknown(house: DagsterHouse) -> None:
    house.add("acme", "beta")
    own, others = house.upload("acme", "own.xml", GOOD), house.upload("beta", "secret.xml", GOOD)
    result = process_now(house, "acme", [own, others])
    assert "there is no upload" in failure_of(result)
    assert "secret" not in failure_of(result)
    assert house.statuses("beta") == {"secret.xml": "UPLOADED"}
    assert house.statuses("acme") == {"own.xml": "UPLOADED"}
