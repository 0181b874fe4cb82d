"""Text recognition in runs of its own: what needs none is exported before, and whatever becomes of it, goes on."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from invoice_pipelines.intake.states import RECOGNIZE
from invoice_pipelines.work.leases import claim
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse, failed_checks, plain
from invoice_pipelines_tests.integration.defs.intake.conftest import NEXT_PDF, PDF, SCAN, OcrEngine


def recognize(house: DagsterHouse) -> dg.ExecuteInProcessResult:
    """The run that the sensor asks for now."""
    (request,) = house.look("recognition_due").run_requests or []
    assert request.job_name is not None
    return house.run(request.job_name, config=request.run_config)


def take_in(house: DagsterHouse, slug: str) -> None:
    """The run that the sensor of the intake asks for now."""
    assert house.asked_for() == [slug]
    assert house.run("intake", slug).success


def test_what_needs_no_recognition_is_exported_before_the_first_page_is_recognized(
    house: DagsterHouse, engine: OcrEngine
) -> None:
    house.add("acme")
    for name, document in {"1.pdf": SCAN, "2.pdf": PDF, "3.pdf": NEXT_PDF}.items():
        house.drop("acme", name, document)
    take_in(house, "acme")
    assert (house.statuses("acme"), engine.asked) == (
        {"1.pdf": "UPLOADED", "2.pdf": "EXPORTED", "3.pdf": "EXPORTED"},
        0,
    )
    assert house.wanted("intake_due") == []  # what waits for recognition is not due here
    assert recognize(house).success
    assert engine.asked == 1
    take_in(house, "acme")
    assert house.statuses("acme")["1.pdf"] != "UPLOADED"
    events = house.rows(
        "acme",
        """select what from (
               select 'exported' as what, changed_at as at from intake.status_change where to_status = 'EXPORTED'
               union all select 'recognized', created_at from intake.ocr_page) events order by at""",
    )
    assert [what for (what,) in events] == ["exported", "exported", "recognized"]


def test_recognition_works_beside_the_other_runs_of_its_organizations_one_run_at_a_time(
    house: DagsterHouse, engine: OcrEngine
) -> None:
    for slug in ("acme", "beta"):
        house.add(slug)
        house.drop(slug, "1.pdf", SCAN)
    house.asked_for()
    for slug in ("acme", "beta"):
        house.take_in(slug)
    (request,) = house.look("recognition_due").run_requests or []
    # Of the tags that the run queue looks at, it shares none with the runs of these organizations.
    assert (request.partition_key, request.tags) == (None, {"organization": "(recognition)", "lane": "bulk"})
    assert recognize(house).success
    assert house.instance.get_materialized_partitions(dg.AssetKey(["intake", "recognized_pages"])) == {"acme", "beta"}


def test_recognition_that_works_was_killed_or_failed_holds_up_no_other(house: DagsterHouse, engine: OcrEngine) -> None:
    house.add("acme")
    house.drop("acme", "1.pdf", SCAN)
    take_in(house, "acme")
    (request,) = house.look("recognition_due").run_requests or []
    run = house.instance.create_run_for_job(
        house.defs.resolve_job_def("recognition_sweep"),
        status=dg.DagsterRunStatus.STARTED,
        run_config=dict(request.run_config),
        tags=dict(request.tags),
    )
    with house.context("acme").scope() as connection:
        assert claim(connection, RECOGNIZE, lease=timedelta(minutes=5)) is not None
    house.drop("acme", "2.pdf", PDF)
    take_in(house, "acme")
    assert house.statuses("acme") == {"1.pdf": "UPLOADED", "2.pdf": "EXPORTED"}

    house.instance.report_run_failed(run)  # as for a run whose process was killed
    house.drop("acme", "3.pdf", NEXT_PDF)
    take_in(house, "acme")
    assert house.statuses("acme")["3.pdf"] == "EXPORTED"
    assert not house.look("recognition_due").run_requests

    house.behind("update work.batch_item set lease_expires_at = now() - interval '1 s' where status = 'processing'")
    assert recognize(house).success
    assert engine.asked == 1


def test_while_the_engine_is_away_the_check_of_its_asset_says_so_and_no_other(
    house: DagsterHouse, engine: OcrEngine
) -> None:
    house.add("acme")
    house.drop("acme", "1.pdf", SCAN)
    house.drop("acme", "2.pdf", PDF)
    take_in(house, "acme")
    engine.is_away = True
    failed = failed_checks(recognize(house))
    assert set(failed) == {"ocr_engine_works"}
    assert plain(failed["ocr_engine_works"].metadata) == {"what is wrong": "The service is down; try later."}
    assert house.check_states("intake/recognized_pages", "ocr_engine_works") == {"acme": "FAILED"}
    assert house.statuses("acme") == {"1.pdf": "UPLOADED", "2.pdf": "EXPORTED"}
