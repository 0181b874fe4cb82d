"""Many organizations at a time: sweeps beside each other, each over others, with a place kept for what is quick."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from sqlalchemy import text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs import sweep as sweep_module
from invoice_pipelines.defs.domain import Domain
from invoice_pipelines.defs.sweep import NOT_REACHED
from invoice_pipelines_tests.integration.defs.conftest import GOOD, DagsterHouse


def swept(result: dg.SensorResult) -> list[list[str]]:
    """The organizations of each sweep that a tick asks for."""
    return [
        request.run_config["ops"]["sweep_organizations"]["config"]["organizations"]
        for request in result.run_requests or []
        if request.job_name == "intake_sweep"
    ]


def drop_many(house: DagsterHouse, count: int) -> list[str]:
    slugs = [f"org-{number:03}" for number in range(count)]
    house.add(*slugs)
    for slug in slugs:
        house.drop(slug, "one.xml", b"<one/>")
    house.tick()
    return slugs


def test_sweeps_work_beside_each_other_each_over_other_organizations(
    house: DagsterHouse, configure: Callable[..., None]
) -> None:
    configure(sweep_size=60)
    slugs = drop_many(house, 150)
    first = house.tick()
    assert swept(first) == [slugs[:60], slugs[60:120]]
    tags = [request.tags for request in first.run_requests or []]
    assert len({each["organization"] for each in tags}) == 2, "else the run queue lets one work at a time"
    assert {each["lane"] for each in tags} == {"bulk"}
    for taken in swept(first):
        house.swept(taken, dg.DagsterRunStatus.STARTED)
    waits = house.tick()
    assert not waits.run_requests
    assert "2 sweeps are in flight; 30 wait" in str(waits.skip_reason)


def test_what_is_in_no_sweep_gets_a_quick_run_beside_them(house: DagsterHouse) -> None:
    house.add("acme", "beta", "gamma")
    for slug in ("acme", "beta", "gamma"):
        house.drop(slug, "one.xml", b"<one/>")
    house.swept(["acme", "other"], dg.DagsterRunStatus.STARTED)
    house.swept(["gamma", "another"], dg.DagsterRunStatus.NOT_STARTED)
    house.tick()
    (request,) = house.tick().run_requests or []
    assert (request.partition_key, request.tags["lane"]) == ("beta", "express")


def test_an_organization_with_much_to_do_takes_no_quick_place(house: DagsterHouse) -> None:
    house.add("large", "small")
    for slug, count in (("large", 501), ("small", 2)):
        house.behind(
            """insert into work.batch_item (organization_id, kind, subject_id)
               select id, 'parse_upload', n::text from organizations.organization, generate_series(1, :count) n
               where slug = :slug""",
            slug=slug,
            count=count,
        )
    requests = house.tick().run_requests or []
    assert {request.partition_key: request.tags["lane"] for request in requests} == {
        "large": "bulk",
        "small": "express",
    }


def test_who_waited_for_the_longest_comes_first_whatever_else_is_due(
    house: DagsterHouse, configure: Callable[..., None]
) -> None:
    """New files come for all, all the time; each sweep has the time for its first two only."""
    configure(sweep_threshold=1, sweeps_at_once=1)
    slugs = ["a", "b", "c", "d", "e"]
    house.add(*slugs)
    reached: list[str] = []
    for number in range(10):
        for slug in slugs:
            house.drop(slug, f"{number}.xml", b"<one/>%d" % number)
        house.tick()
        (taken,) = swept(house.tick())
        assert sorted(taken) == slugs
        reached += taken[:2]
        house.run_later(timedelta(seconds=1))
        run = house.swept(taken, dg.DagsterRunStatus.SUCCESS)
        house.instance.add_run_tags(run.run_id, {NOT_REACHED: taken[2]})
    for start in range(len(reached) - 5):
        assert set(reached[start : start + 6]) == set(slugs), "in three sweeps each organization has its turn"


def test_a_sweep_whose_time_is_up_says_whom_it_did_not_reach(
    house: DagsterHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add("acme", "beta", "gamma")
    clock = itertools.chain([0.0, 0.0], itertools.repeat(1e6))
    monkeypatch.setattr(sweep_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    result = house.sweep("acme", "beta", "gamma")
    run = house.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags[NOT_REACHED] == "beta"


def test_a_large_organization_leaves_the_others_of_its_sweep_their_time(
    house: DagsterHouse, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(run_time_box_seconds=1800)
    slugs = drop_many(house, 40)
    given: list[timedelta] = []

    def take_turn(domain: Domain, turn: object) -> list[object]:
        given.append(turn.organization.time_box)  # type: ignore[attr-defined]
        return []

    monkeypatch.setattr(Domain, "take_turn", take_turn)
    house.sweep(*slugs)
    assert set(given) == {timedelta(minutes=1)}
    house.sweep("org-001")
    assert given[-1] == timedelta(minutes=30), "alone it has all of it"


def test_the_run_queue_keeps_a_place_for_what_is_quick(lasting_house: DagsterHouse) -> None:
    house = lasting_house
    house.add("acme", "beta")
    job, sweep = house.defs.resolve_job_def("intake"), house.defs.resolve_job_def("intake_sweep")

    location = GrpcServerCodeLocationOrigin("localhost", port=1, location_name="here")
    repository = RemoteRepositoryOrigin(location, "__repository__")

    def queue(what: dg.JobDefinition, **tags: str) -> dg.DagsterRun:
        config = {"ops": {"sweep_organizations": {"config": {"organizations": ["x"]}}}} if what is sweep else {}
        run = house.instance.create_run_for_job(what, tags=tags, run_config=config)
        house.instance.delete_run(run.run_id)
        queued = run._replace(
            status=dg.DagsterRunStatus.QUEUED, remote_job_origin=RemoteJobOrigin(repository, what.name)
        )
        return house.instance.add_run(queued)

    bulk = [queue(sweep, lane="bulk", organization=f"({number} and 199 more)") for number in range(6)]
    quick = [queue(job, organization=slug, lane="express") for slug in ("acme", "acme", "beta")]
    daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
    begun = daemon._get_runs_to_dequeue(house.instance, house.instance.get_concurrency_config(), None)
    assert [run.run_id for run in begun] == [run.run_id for run in (bulk[0], bulk[1], quick[0])]


def test_neither_idle_nor_busy_ticks_read_the_records_of_runs_again(
    house: DagsterHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add("acme")
    house.drop("acme", "one.xml", b"<one/>")
    house.tick()
    for _ in range(5):
        house.ended("intake", dg.DagsterRunStatus.SUCCESS, "acme")
    house.run_later(timedelta(minutes=5))
    house.ended("intake", dg.DagsterRunStatus.FAILURE, "acme")
    read: list[int] = []
    ask = house.instance.get_run_records

    def counted(filters: dg.RunsFilter) -> list[dg.RunRecord]:
        records = list(ask(filters))
        read.append(len(records))
        return records

    monkeypatch.setattr(house.instance, "get_run_records", counted)
    assert not house.tick().run_requests
    assert sum(read) == 6, "the first tick tells PostgreSQL of all"
    read.clear()
    assert not house.tick().run_requests, "the rest is kept"
    assert sum(read) == 1, "the newest one again"


def test_a_rest_outlasts_the_records_of_dagster(house: DagsterHouse) -> None:
    house.add("acme")
    house.drop("acme", "one.xml", b"<one/>")
    house.tick()
    failed = house.ended("intake", dg.DagsterRunStatus.FAILURE, "acme")
    assert not house.tick().run_requests
    house.instance.delete_run(failed.run_id)
    assert "at rest" in str(house.tick().skip_reason)


def test_two_runs_of_an_organization_at_the_same_time_make_each_document_once(house: DagsterHouse) -> None:
    """A sweep and a run of its own meet, as the run queue does not keep them apart."""
    house.add("acme")
    for number in range(30):
        house.drop("acme", f"{number}.xml", GOOD.read_bytes() + b"<!-- %d -->" % number)
    house.tick()
    house.tick()
    begin, ended = Barrier(2), []

    def work(job: str) -> None:
        begin.wait()
        done = house.sweep("acme") if job == "sweep" else house.run("intake", "acme")
        ended.append(done.success)

    threads = [Thread(target=work, args=(job,)) for job in ("sweep", "own")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended == [True, True]
    while house.tick().run_requests:  # what one left to the other
        assert house.run("intake", "acme").success
    uploads = house.rows("acme", "select count(*), count(distinct sha256) from intake.upload")
    assert tuple(uploads[0]) == (30, 30)
    invoices = house.rows("acme", "select count(*), count(distinct upload_id) from intake.received_invoice")
    assert tuple(invoices[0]) == (30, 30)
    exported = house.rows("acme", "select count(*), count(distinct received_invoice_id) from intake.export_invoice")
    assert exported[0][0] == exported[0][1]
    verdicts = house.rows("acme", "select received_invoice_id from intake.verdict")
    assert len(verdicts) == len(set(verdicts)), "each is judged once"


def test_no_sensor_asks_for_what_an_upload_has_asked_for_until_its_time_has_passed(house: DagsterHouse) -> None:
    house.add("acme", "beta")
    house.behind("update organizations.organization set created_at = now() - interval '1 hour'")
    for slug in ("acme", "beta"):
        house.upload(slug, "one.xml", GOOD)
    with organization_scope(house.database.engine, house.id_of("acme")) as connection:
        assert connection.execute(text("select work.expect_run('intake', '1 minute')")).scalar_one()
    assert house.wanted("intake_due") == ["beta"]
    house.behind("update work.turn set asked_until = asked_until - interval '1 minute'")
    assert house.wanted("intake_due") == ["acme", "beta"]
