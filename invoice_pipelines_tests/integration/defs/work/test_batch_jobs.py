"""What a person does to batch jobs and runs in Dagster: cancel, retry, terminate; and whose name it gets."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import dagster as dg
import psycopg
import pytest

from invoice_pipelines.database import libpq_url, organization_scope
from invoice_pipelines.work import create_job, get_job
from invoice_pipelines_tests.integration.defs.billing.conftest import SellersHouse
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse, failure_of, outputs


@pytest.fixture
def shop(house: DagsterHouse) -> SellersHouse:
    return SellersHouse(house)


def config_of(op: str, **config: object) -> dict[str, object]:
    return {"ops": {op: {"config": {"organization": "acme", **config}}}}


def test_a_cancelled_batch_job_asks_for_no_run_any_more_and_only_in_its_organization(shop: SellersHouse) -> None:
    shop.open("acme", "beta")
    mine, other = shop.ask("acme", shop.orders("acme", "1", "2")), shop.ask("beta", shop.orders("beta", "1"))
    assert shop.asked_for() == ["acme", "beta"]
    result = shop.house.run("cancel_batch", config=config_of("cancel_batch_job", job=str(mine)[-8:]))
    assert outputs(result) == {"batch job": str(mine), "status": "cancelled", "cancelled items": 2, "done before": 0}
    assert shop.asked_for() == ["beta"]
    assert shop.numbers("acme") == []
    assert "no batch job" in failure_of(
        shop.house.run("cancel_batch", config=config_of("cancel_batch_job", job=str(other)))
    )
    run = shop.house.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert {"organization": "acme", "batch_job": str(mine)}.items() <= run.tags.items()


def test_what_failed_in_a_batch_job_is_tried_again(shop: SellersHouse) -> None:
    shop.open("acme")
    job = shop.ask("acme", shop.orders("acme", "1", "99"))
    assert shop.house.run("invoicing", "acme").success
    shop.house.behind("update billing.item set quantity_on_hand = 200")
    result = shop.house.run("retry_batch", config=config_of("retry_batch_job", job=str(job)))
    assert outputs(result)["items that wait again"] == 1
    assert shop.asked_for() == ["acme"]
    run = shop.house.run("invoicing", "acme")
    assert len(shop.numbers("acme")) == 2
    tagged = shop.house.instance.get_run_by_id(run.run_id)
    assert tagged is not None
    assert tagged.tags["batch_job"] == str(job), "a run that the sensor asked for names its batch job as well"


BY_HAND = [("cancel_batch", "cancel_batch_job"), ("retry_batch", "retry_batch_job")]


@pytest.mark.parametrize(("job", "op"), BY_HAND)
def test_the_batch_job_of_another_organization_is_refused_as_one_that_does_not_exist(
    shop: SellersHouse, job: str, op: str
) -> None:
    shop.open("acme", "beta")
    other = shop.ask("beta", shop.orders("beta", "99"))
    assert shop.house.run("invoicing", "beta").success
    unknown = uuid4()
    for theirs, nobodys in ((str(other), str(unknown)), (str(other)[-12:], str(unknown)[-12:])):
        refused = [failure_of(shop.house.run(job, config=config_of(op, job=written))) for written in (theirs, nobodys)]
        assert refused[0].replace(theirs, nobodys) == refused[1]
        assert "no" in refused[0]
    history = shop.house.rows("beta", "select action from batch_job_history where job_id = :id", id=other)
    assert [row[0] for row in history] == ["created"]


@pytest.mark.direct
@pytest.mark.parametrize(("job", "op"), BY_HAND)
def test_beside_a_transaction_left_open_a_batch_job_is_changed_or_one_line_names_who_holds_it(
    shop: SellersHouse, job: str, op: str, configure: Callable[..., None]
) -> None:
    configure(database_lock_timeout_seconds=0.4)
    shop.open("acme")
    asked = shop.ask("acme", shop.orders("acme", "99"))
    if job == "retry_batch":
        assert shop.house.run("invoicing", "acme").success
    config = config_of(op, job=str(asked))
    with psycopg.connect(libpq_url(shop.house.database.owner_url), application_name="psql of anna") as session:
        session.execute("select from work.batch_job for update")
        refused = failure_of(shop.house.run(job, config=config))
        assert f"held by process {session.info.backend_pid} ('psql of anna'" in refused
        session.rollback()
        session.execute("select from billing.sales_order for update")
        assert shop.house.run(job, config=config).success


def started(house: DagsterHouse, job: str) -> dg.DagsterRun:
    """The record of a run of acme that works."""
    run = house.ended("invoicing", dg.DagsterRunStatus.STARTED, "acme")
    house.instance.delete_run(run.run_id)
    return house.instance.add_run(run._replace(job_name=job))


def stop(house: DagsterHouse, run: dg.DagsterRun, *said: str) -> None:
    """Terminates a run, as a click in the UI does; or as the daemon does, with what it says."""
    house.instance.report_run_canceling(run, *said)
    house.instance.report_run_canceled(run)


@pytest.mark.parametrize("job", ["invoicing", "batch_invoice_orders"])
def test_after_terminate_no_sensor_asks_for_the_organization_until_a_person_starts_a_run_or_the_time_is_up(
    shop: SellersHouse, job: str, configure: Callable[..., None]
) -> None:
    configure(rest_after_failure_seconds=0)
    shop.open("acme", "beta")
    for slug in ("acme", "beta"):
        shop.ask(slug, shop.orders(slug, "1"))
    stop(shop.house, started(shop.house, job))
    assert shop.asked_for() == ["beta"]
    shop.house.run("invoicing", "beta")
    skipped = shop.tick().skip_reason
    assert skipped is not None
    assert "somebody terminated their runs: 1 organizations, such as acme" in str(skipped.skip_message)

    shop.house.ended("invoicing", dg.DagsterRunStatus.FAILURE, "acme")  # a person started another one
    assert shop.asked_for() == ["acme"]

    stop(shop.house, started(shop.house, job))
    assert shop.asked_for() == []
    configure(hold_after_terminate_minutes=0)
    assert shop.asked_for() == ["acme"]


def test_a_terminated_sweep_holds_the_organizations_it_was_to_take(
    shop: SellersHouse, configure: Callable[..., None]
) -> None:
    configure(rest_after_failure_seconds=0)
    shop.open("acme", "beta", "gamma")
    for slug in ("acme", "beta", "gamma"):
        shop.ask(slug, shop.orders(slug, "1"))
    config = {"ops": {"sweep_invoicing": {"config": {"organizations": ["acme", "beta"]}}}}
    job = shop.house.defs.resolve_job_def("invoicing_sweep")
    stop(shop.house, shop.house.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, run_config=config))
    assert shop.asked_for() == ["gamma"]


def test_a_run_that_the_daemon_or_a_restart_ended_holds_nothing(
    shop: SellersHouse, configure: Callable[..., None]
) -> None:
    configure(rest_after_failure_seconds=0)
    shop.open("acme")
    shop.ask("acme", shop.orders("acme", "1"))
    run = shop.house.ended("invoicing", dg.DagsterRunStatus.STARTED, "acme")
    stop(shop.house, run, "Canceling due to exceeding maximum runtime of 7200 seconds.")
    shop.house.instance.report_run_canceled(shop.house.ended("invoicing", dg.DagsterRunStatus.STARTED, "acme"))
    assert shop.asked_for() == ["acme"]


def test_what_a_person_starts_in_dagster_has_the_name_that_the_run_has(shop: SellersHouse) -> None:
    shop.open("acme")
    with organization_scope(shop.house.database.engine, shop.house.id_of("acme")) as connection:
        jobs = [create_job(connection, "something", ["a"], created_by="test") for _ in range(2)]
    history = "select created_by from batch_job_history where job_id = :id and action = 'cancelled'"
    for job, tags in zip(jobs, ({"user": "anna@example.com"}, {}), strict=True):
        result = shop.house.defs.resolve_job_def("cancel_batch").execute_in_process(
            instance=shop.house.instance, run_config=config_of("cancel_batch_job", job=str(job)), tags=tags
        )
        named = f"anna@example.com (run {result.run_id})" if tags else f"run {result.run_id}"
        assert [row[0] for row in shop.house.rows("acme", history, id=job)] == [named]
        with organization_scope(shop.house.database.engine, shop.house.id_of("acme")) as connection:
            assert get_job(connection, job).status == "cancelled"
