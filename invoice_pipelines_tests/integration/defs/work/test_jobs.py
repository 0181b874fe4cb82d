"""What keeps the queue and Dagster's records in order, and the line about each failed run."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from datetime import timedelta

import dagster as dg
import pytest
from dagster._core.storage.compute_log_manager import ComputeIOType

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.work.sensors import failed_runs
from invoice_pipelines.intake.stages.uploads import StoredFile, record_uploads
from invoice_pipelines.intake.states import PARSE
from invoice_pipelines.overdue import notify_overdue
from invoice_pipelines.storage.places import write_durably
from invoice_pipelines.work import claim, create_job, enqueue
from invoice_pipelines_tests.integration.defs.conftest import GOOD, DagsterHouse, outputs
from invoice_pipelines_tests.support.sizes import size


def test_work_of_a_dead_process_goes_back_to_the_queue(house: DagsterHouse) -> None:
    house.add("acme", "beta")
    for slug in ("acme", "beta"):
        with organization_scope(house.database.engine, house.id_of(slug)) as connection:
            enqueue(connection, "something", ["a", "b"])
            assert claim(connection, "something", lease=timedelta(minutes=5)) is not None
    house.behind(
        "update work.batch_item set lease_expires_at = now() - interval '1 second' where organization_id = :id",
        id=house.id_of("acme"),
    )
    result = house.run("stuck_work_clean_up")
    assert result.success
    assert outputs(result)["returned items"] == 2
    assert {row[0] for row in house.rows("acme", "select status from work.batch_item")} == {"pending"}
    assert {row[0] for row in house.rows("beta", "select status from work.batch_item")} == {"processing"}


def test_an_invoice_whose_worker_died_on_its_last_attempt_fails_with_that_reason(house: DagsterHouse) -> None:
    house.add("acme")
    with organization_scope(house.database.engine, house.id_of("acme")) as connection:
        record_uploads(connection, [StoredFile("a.xml", "0" * 64, 1)], source="inbox", created_by="test")
        assert claim(connection, PARSE, lease=timedelta(minutes=5), max_attempts=1) is not None
    house.behind(
        "update work.batch_item set lease_expires_at = now() - interval '1 second' where organization_id = :id",
        id=house.id_of("acme"),
    )
    assert outputs(house.run("stuck_work_clean_up"))["given up invoices"] == 1
    failed = "select r.status, e.code from intake.received_invoice r, intake.processing_error e"
    assert [tuple(row) for row in house.rows("acme", failed)] == [("FAILED", "WORKER_DIED")]


def test_every_night_records_of_old_runs_are_deleted_and_those_of_young_or_open_ones_stay(
    lasting_house: DagsterHouse, configure: Callable[..., None]
) -> None:
    house = lasting_house
    configure(keep_runs_days=10)
    job = house.defs.resolve_job_def("intake")
    old = [house.run("stuck_work_clean_up").run_id, house.ended("intake", dg.DagsterRunStatus.FAILURE, "acme").run_id]
    young = house.run("stuck_work_clean_up").run_id
    unfinished = house.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED).run_id
    with house.instance.compute_log_manager.open_log_stream(
        [old[0], "compute_logs", "step"], ComputeIOType.STDOUT
    ) as log:
        assert log is not None
        log.write("printed")  # type: ignore[call-overload]
    logs = house.folder / "storage" / old[0]
    assert logs.exists()
    house.run_later(timedelta(days=11), *old, unfinished)
    house.run_later(timedelta(days=9), young)

    result = house.run("nightly_prune")
    assert result.success
    assert outputs(result)["deleted runs"] == 2
    assert {run.run_id for run in house.instance.get_runs()} == {young, unfinished, result.run_id}
    assert all(not house.instance.all_logs(run_id) for run_id in old)
    assert house.instance.all_logs(young)
    assert not logs.exists()


def test_every_night_old_items_runs_of_overdue_and_files_of_killed_processes_go_and_all_else_stays(
    house: DagsterHouse, configure: Callable[..., None]
) -> None:
    configure(keep_runs_days=10)
    house.add("acme", "beta")
    house.drop("acme", "good.xml", GOOD)
    house.asked_for()
    house.take_in("acme")
    for slug in ("acme", "beta"):
        with organization_scope(house.database.engine, house.id_of(slug)) as connection:
            create_job(connection, "old", [], created_by="test")
        for _ in range(2):
            notify_overdue(house.context(slug))
    house.behind("update work.batch_job set completed_at = completed_at - interval '11 days'")
    house.behind("update work.batch_item set finished_at = finished_at - interval '31 days'")
    house.behind(
        """update overdue.job_execution_log
           set start_time = start_time - interval '31 days', end_time = end_time - interval '31 days'"""
    )
    with organization_scope(house.database.engine, house.id_of("acme")) as connection:
        create_job(connection, "young", [], created_by="test")
    folder = house.folder / "originals" / "0000"
    folder.mkdir(parents=True)
    old, young, kept = write_durably([b"half"], folder), write_durably([b"half"], folder), folder / "kept"
    kept.write_bytes(b"whole")
    two_days_ago = time.time() - 2 * 86400
    for path in (old, kept):
        os.utime(path, (two_days_ago, two_days_ago))

    found = outputs(house.run("nightly_prune"))
    assert found["deleted items"] > 0
    assert {row[0] for row in house.rows("acme", "select kind from work.batch_job")} == {"old", "young"}
    assert not house.rows("acme", "select from work.batch_item")
    assert house.statuses("acme") == {"good.xml": "EXPORTED"}
    assert found["deleted overdue runs"] == 2, "the last of each stays, as nobody looked after it"
    for slug in ("acme", "beta"):
        assert len(house.rows(slug, "select from job_execution_logs")) == 1
    assert found["files in originals"] == 1
    assert {path.name for path in folder.iterdir()} == {young.name, "kept"}


@pytest.mark.slow
def test_a_night_is_long_enough_for_10_000_organizations(lasting_house: DagsterHouse) -> None:
    count = size(500, 10_000)
    lasting_house.add_many(count)
    started = time.monotonic()
    assert lasting_house.run("nightly_prune").success
    seconds = time.monotonic() - started
    print(f"nightly prune of {count:,} organizations without anything old: {seconds:.1f} s")
    assert seconds < 300 * count / 10_000 + 30


def line_about(house: DagsterHouse, result: dg.ExecuteInProcessResult, capfd: pytest.CaptureFixture[str]) -> str:
    """What the sensor of failed runs writes about a run."""
    run = house.instance.get_run_by_id(result.run_id)
    assert run is not None
    (failure,) = [event for event in result.all_events if event.event_type is dg.DagsterEventType.RUN_FAILURE]
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_runs", dagster_instance=house.instance, dagster_run=run, dagster_event=failure
    ).for_run_failure()
    capfd.readouterr()
    failed_runs(context)
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.strip()]
    return line


def test_a_failed_run_leaves_one_line_with_organization_and_reason(
    house: DagsterHouse, capfd: pytest.CaptureFixture[str]
) -> None:
    house.add("acme", "beta")
    house.drop("acme", "good.xml", GOOD)
    house.asked_for()
    house.take_in("acme")
    house.behind("update intake.received_invoice set gross_amount = gross_amount + 1")
    assert "totals_tie" in line_about(house, house.run("intake", "acme"), capfd)
    house.break_organization("beta")
    result = house.run("intake", "beta")
    line = line_about(house, result, capfd)
    assert f"run {result.run_id} of intake failed for beta:" in line
    assert "oldest_invoice_years" in line
    swept = line_about(house, house.sweep("beta"), capfd)
    assert "among them beta" in swept
    assert "oldest_invoice_years" in swept


def test_what_the_program_itself_logs_in_a_run_stands_in_its_events(lasting_house: DagsterHouse) -> None:
    @dg.op
    def stumble() -> None:
        logging.getLogger("invoice_pipelines.storage.blobs").warning("the disk is slow")

    @dg.job(executor_def=dg.in_process_executor)
    def stumbles() -> None:
        stumble()

    result = stumbles.execute_in_process(instance=lasting_house.instance)
    logged = [entry for entry in lasting_house.instance.all_logs(result.run_id) if entry.dagster_event is None]
    assert [(entry.level, entry.user_message) for entry in logged] == [(logging.WARNING, "the disk is slow")]
