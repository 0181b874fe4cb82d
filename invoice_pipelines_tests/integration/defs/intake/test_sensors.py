"""The intake's sensor: which runs it asks for, when, and what it leaves alone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import timedelta

import dagster as dg
import pytest

from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.organizations import remove_organization
from invoice_pipelines_tests.integration.defs.conftest import GOOD, DagsterHouse
from invoice_pipelines_tests.support.sizes import size


def swept(result: dg.SensorResult) -> list[str]:
    """The organizations of the only run request, which must be a sweep."""
    (request,) = result.run_requests or []
    assert request.job_name == "intake_sweep"
    organizations = request.run_config["ops"]["sweep_organizations"]["config"]["organizations"]
    assert isinstance(organizations, list)
    return organizations


def reason(result: dg.SensorResult) -> str:
    assert not result.run_requests
    assert result.skip_reason is not None
    return str(result.skip_reason.skip_message)


# --- What is due ------------------------------------------------------------------------------------------------------


def test_files_that_lie_still_ask_for_one_run_of_their_organization_which_names_it(house: DagsterHouse) -> None:
    house.add("acme", "beta", "quiet")
    house.drop("acme", "one.xml", b"<one/>")
    house.drop("acme", "two.xml", b"<two/>")
    house.drop("beta", "one.xml", b"<one/>")
    house.tick()
    requests = house.tick().run_requests or []
    assert [(request.job_name, request.partition_key, request.tags["organization"]) for request in requests] == [
        ("intake", "acme", "acme"),
        ("intake", "beta", "beta"),
    ]
    assert {request.run_key for request in requests} == {None}  # a key would stand in the way of the next run for ever


def test_only_a_file_that_lies_still_asks_for_a_run(house: DagsterHouse, configure: Callable[..., None]) -> None:
    configure(inbox_settle_seconds=60)
    house.add("gone", "grows", "still")
    paths = {slug: house.drop(slug, "one.xml", b"<one>") for slug in ("gone", "grows", "still")}
    assert "nothing is due" in reason(house.tick())  # seen for the first time
    paths["gone"].unlink()
    for _ in range(2):
        house.let_files_lie(timedelta(minutes=1))
        with paths["grows"].open("ab") as file:
            file.write(b"more")
        assert house.wanted("intake_due") == ["still"]
    house.let_files_lie(timedelta(minutes=1))
    assert house.wanted("intake_due") == ["grows", "still"]


def test_work_that_waits_in_the_queue_asks_for_a_run_without_any_file(house: DagsterHouse) -> None:
    house.add("acme")
    house.drop("acme", "broken.xml", b"no invoice")
    house.asked_for()
    house.take_in("acme")
    assert "nothing is due" in reason(house.tick())
    config = {"ops": {"retry_failed_invoices": {"config": {"organization": "acme"}}}}
    assert house.run("retry_failed_intake", config=config).success
    assert [request.partition_key for request in house.tick().run_requests or []] == ["acme"]


def test_files_of_unknown_and_removed_organizations_are_named_and_stay(house: DagsterHouse) -> None:
    house.add("acme")
    lost, removed = house.drop("nobody", "one.xml", b"<one/>"), house.drop("acme", "one.xml", b"<one/>")
    house.tick()
    remove_organization(house.database.engine, "acme")
    told = reason(house.tick())
    assert "'nobody'" in told
    assert "'acme'" in told
    assert lost.read_bytes() == removed.read_bytes() == b"<one/>"


def test_an_organization_waits_for_its_partition(house: DagsterHouse) -> None:
    house.add_many(1)
    house.drop("org-00001", "one.xml", b"<one/>")
    assert house.asked_for() == []
    house.keep_partitions_in_step()
    assert house.asked_for() == ["org-00001"]


def test_a_wrong_setting_is_named_by_its_variable(house: DagsterHouse, configure: Callable[..., None]) -> None:
    configure(inbox_settle_seconds="soon")
    with (
        pytest.raises(Exception) as error,
        dg.build_sensor_context(instance=house.instance, resources={"database": InvoiceDatabase()}) as context,
    ):
        house.defs.resolve_sensor_def("intake_due")(context)
    told = f"{error.value} {error.value.__cause__}"
    assert "INVOICE_PIPELINES_INBOX_SETTLE_SECONDS" in told
    assert "'soon'" in told


# --- In flight and at rest --------------------------------------------------------------------------------------------


def test_an_organization_with_a_run_in_flight_is_not_asked_for_again(house: DagsterHouse) -> None:
    house.add("acme", "beta")
    house.drop("acme", "one.xml", b"<one/>")
    house.drop("beta", "one.xml", b"<one/>")
    for job in ("intake", "__ASSET_JOB", "reparse_intake"):  # the second one a person started from the asset graph
        run = house.ended("intake", dg.DagsterRunStatus.STARTED, "acme")
        house.instance.delete_run(run.run_id)
        house.instance.add_run(run._replace(job_name=job))
        assert house.asked_for() == ["beta"], job
        house.instance.delete_run(run.run_id)
    sweep = house.swept(["beta", "other"], dg.DagsterRunStatus.STARTED)
    assert house.asked_for() == ["acme"]
    house.instance.delete_run(sweep.run_id)
    assert house.asked_for() == ["acme", "beta"]


def test_after_failures_an_organization_rests_longer_each_time_until_it_succeeds(house: DagsterHouse) -> None:
    house.add("acme")
    house.drop("acme", "one.xml", b"<one/>")
    assert house.asked_for() == ["acme"]
    for rest in (30, 60):
        house.ended("intake", dg.DagsterRunStatus.FAILURE, "acme")
        assert "at rest" in reason(house.tick())
        house.run_later(timedelta(seconds=rest - 10))
        assert house.asked_for() == []
        house.run_later(timedelta(seconds=11))
        assert house.asked_for() == ["acme"]
    house.ended("intake", dg.DagsterRunStatus.SUCCESS, "acme")
    assert house.asked_for() == ["acme"]
    house.run_later(timedelta(seconds=1))
    house.ended("intake", dg.DagsterRunStatus.FAILURE, "acme")
    house.run_later(timedelta(seconds=31))
    assert house.asked_for() == ["acme"]  # the failures before the success are forgotten


def test_a_fault_that_stays_costs_a_run_every_ten_minutes(house: DagsterHouse) -> None:
    house.add("acme")
    house.drop("acme", "one.xml", GOOD)
    for _ in range(8):
        house.run_later(timedelta(minutes=10))
        house.ended("intake", dg.DagsterRunStatus.FAILURE, "acme")
    house.run_later(timedelta(minutes=9))
    assert house.asked_for() == []
    house.run_later(timedelta(minutes=2))
    assert house.asked_for() == ["acme"]


def test_what_a_sweep_left_out_rests_and_its_neighbours_do_not(lasting_house: DagsterHouse) -> None:
    house = lasting_house
    house.add("acme", "beta")
    house.drop("acme", "one.xml", b"<one/>")
    house.drop("beta", "one.xml", b"<one/>")
    house.break_organization("acme")
    assert house.asked_for() == ["acme", "beta"]
    assert not house.sweep("acme", "beta").success
    house.drop("beta", "two.xml", b"<two/>")
    assert house.asked_for() == ["beta"]
    house.run_later(timedelta(seconds=31))
    assert house.asked_for() == ["acme", "beta"]


# --- Many organizations -----------------------------------------------------------------------------------------------


def test_with_more_due_than_the_threshold_one_sweep_takes_them(
    house: DagsterHouse, configure: Callable[..., None]
) -> None:
    configure(sweep_threshold=2, sweep_size=100)
    house.add("a", "b", "c")
    for slug in ("a", "b"):
        house.drop(slug, "one.xml", b"<one/>")
    assert house.asked_for() == ["a", "b"]
    house.drop("c", "one.xml", b"<one/>")
    house.tick()
    result = house.tick()
    assert swept(result) == ["a", "b", "c"]
    (request,) = result.run_requests or []
    assert request.tags["organization"] == "(intake: a and 2 more)"
    assert dg.validate_run_config(house.defs.resolve_job_def("intake_sweep"), request.run_config)


def test_sweeps_give_each_organization_its_turn(house: DagsterHouse, configure: Callable[..., None]) -> None:
    configure(sweep_threshold=1, sweep_size=2, sweeps_at_once=1)
    slugs = ["a", "b", "c", "d", "e"]
    house.add(*slugs)
    turns: list[str] = []
    for round_number in range(4):  # new files come as fast as the old ones are taken
        for slug in slugs:
            house.drop(slug, f"{round_number}.xml", b"<one/>%d" % round_number)
        house.tick()
        taken = swept(house.tick())
        turns += taken
        house.run_later(timedelta(seconds=1))
        house.swept(taken, dg.DagsterRunStatus.SUCCESS)
    assert turns == ["a", "b", "c", "d", "e", "a", "b", "c"]


@pytest.mark.slow
def test_10_000_organizations_with_files_fit_into_a_tick(lasting_house: DagsterHouse) -> None:
    house, count = lasting_house, size(2_500, 10_000)
    house.add_many(count)
    house.keep_partitions_in_step()
    for number in range(1, count + 1):
        house.drop(f"org-{number:05}", "one.xml", b"<one/>")
        house.drop(f"org-{number:05}", "two.xml", b"<two/>")
    seconds = []
    for _ in range(4):
        started = time.monotonic()
        result = house.tick()
        seconds.append(round(time.monotonic() - started, 2))
    print(f"{count:,} organizations with two files each: ticks of {seconds} s")
    parts = [
        request.run_config["ops"]["sweep_organizations"]["config"]["organizations"]
        for request in result.run_requests or []
    ]
    assert list(map(len, parts)) == [200, 200]
    assert max(seconds) < size(15, 45)


@pytest.mark.slow
def test_50_000_files_in_one_inbox_fit_into_a_tick(lasting_house: DagsterHouse) -> None:
    house, count = lasting_house, size(10_000, 50_000)
    house.add("acme", "beta")
    for number in range(count):
        house.drop("acme", f"{number}.xml", b"%d" % number)
    house.drop("beta", "one.xml", b"<one/>")
    seconds = []
    for _ in range(3):
        started = time.monotonic()
        result = house.tick()
        seconds.append(round(time.monotonic() - started, 2))
    print(f"{count:,} files in one inbox: ticks of {seconds} s")
    assert sorted(str(request.partition_key) for request in result.run_requests or []) == ["acme", "beta"]
    assert max(seconds) < size(10, 20)
    shutil.rmtree(house.folder / "inbox" / "acme")


@pytest.mark.slow
def test_10_000_organizations_without_files_or_work_cost_next_to_nothing(lasting_house: DagsterHouse) -> None:
    lasting_house.add_many(10_000)
    lasting_house.keep_partitions_in_step()
    started = time.monotonic()
    lasting_house.tick()
    seconds = time.monotonic() - started
    print(f"10,000 idle organizations: a tick of {seconds:.2f} s")
    assert seconds < 3
