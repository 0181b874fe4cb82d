"""The sensor of the push queue and the schedules of the pulls: which runs they ask for, and whom they leave alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import dagster as dg
import pytest

from invoice_pipelines.quickbooks.connection.connections import disconnect
from invoice_pipelines.settings import load_settings
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.integration.defs.billing.conftest import SellersHouse
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse
from invoice_pipelines_tests.integration.defs.quickbooks.conftest import Bridge

A_DAY = timedelta(days=1)


def test_where_something_waits_a_run_is_asked_for(bridge: Bridge) -> None:
    bridge.open("acme", "beta")
    bridge.open("alone", connected=False)
    assert bridge.asked_for() == ["acme", "beta"]
    bridge.exchange("acme")
    assert bridge.asked_for() == ["beta"]
    bridge.issue("acme", "1")
    first, _ = bridge.tick().run_requests or []
    assert (first.job_name, first.partition_key, first.tags["organization"]) == ("quickbooks_push", "acme", "acme")
    assert first.run_key is None, "a key would stand in the way of the next run for ever"


def test_a_company_that_cannot_be_reached_is_not_asked_for(bridge: Bridge) -> None:
    bridge.open("acme", "beta", "gamma")
    bridge.house.behind(
        """update quickbooks.connection set status = 'needs_reconnect'
           where organization_id = (select id from organizations.organization where slug = 'acme')"""
    )
    bridge.house.behind(
        """update quickbooks.connection set paused_until = now() + interval '1 minute'
           where organization_id = (select id from organizations.organization where slug = 'beta')"""
    )
    assert bridge.asked_for() == ["gamma"]
    disconnect(bridge.house.database.engine, load_settings(), bridge.house.id_of("gamma"), disconnected_by="anna")
    assert bridge.asked_for() == []


def test_while_a_run_of_the_sync_is_in_flight_no_other_is_asked_for(bridge: Bridge) -> None:
    bridge.open("acme", "beta")
    instance = bridge.house.instance
    for job in ("quickbooks_push", "quickbooks_sync", "__ASSET_JOB"):
        run = instance.create_run_for_job(
            bridge.house.defs.resolve_job_def("quickbooks_push"),
            status=dg.DagsterRunStatus.STARTED,
            tags={"organization": "acme"},
            asset_selection=frozenset({dg.AssetKey(["quickbooks", "customers"])}) if job == "__ASSET_JOB" else None,
        )
        instance.delete_run(run.run_id)
        instance.add_run(run._replace(job_name=job, run_config={}))
        assert bridge.asked_for() == ["beta"]
        instance.delete_run(run.run_id)
    assert bridge.asked_for() == ["acme", "beta"]


def test_many_are_pushed_in_one_sweep_and_a_broken_one_stops_no_other(
    bridge: Bridge, configure: Callable[..., None]
) -> None:
    configure(sweep_threshold=2)
    bridge.open("acme", "beta", "gamma")
    (request,) = bridge.tick().run_requests or []
    assert (request.job_name, request.tags["organization"]) == (
        "quickbooks_push_sweep",
        "(quickbooks_push: acme and 2 more)",
    )
    bridge.house.break_organization("beta")
    result = bridge.house.run("quickbooks_push_sweep", config=request.run_config)
    assert not result.success
    assert [bridge.accountant(slug).count("Customer") for slug in ("acme", "beta", "gamma")] == [1, 0, 1]
    run = bridge.house.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert [tag for tag in run.tags if tag.startswith("left_out/")] == ["left_out/beta"]
    records = bridge.house.instance.fetch_materializations(dg.AssetKey(["quickbooks", "customers"]), limit=9).records
    assert {record.partition_key for record in records} == {"acme", "gamma"}
    assert bridge.asked_for() == []


def test_a_schedule_asks_for_each_once_a_day_and_for_payments_with_their_invoices(
    kept_bridge: Bridge,
) -> None:
    bridge = kept_bridge
    bridge.open("acme", "beta")
    bridge.open("alone", connected=False)
    assert bridge.schedule_tick().run_requests == [], "the first hour after a company was connected is to come"
    bridge.age(A_DAY)
    first, second = bridge.schedule_tick().run_requests
    assert (first.job_name, first.tags["organization"], second.tags["organization"]) == (None, "acme", "beta")
    assert first.run_config["ops"]["sync_now"]["config"] == {"organizations": ["acme"], "entities": ["customers"]}
    assert bridge.house.run("quickbooks_sync", config=first.run_config).success
    (again,) = bridge.schedule_tick().run_requests
    assert again.tags["organization"] == "beta"
    bridge.age(A_DAY)
    assert len(bridge.schedule_tick().run_requests) == 2

    payments, _ = bridge.schedule_tick("quickbooks_payments_daily").run_requests
    assert payments.run_config["ops"]["sync_now"]["config"]["entities"] == ["invoices", "payments"]
    assert bridge.house.run("quickbooks_sync", config=payments.run_config).success
    assert len(bridge.schedule_tick("quickbooks_payments_daily").run_requests) == 1
    assert len(bridge.schedule_tick("quickbooks_items_daily").run_requests) == 2


def test_a_schedule_passes_over_what_is_in_flight_and_what_failed_three_times(kept_bridge: Bridge) -> None:
    bridge = kept_bridge
    bridge.open("acme", "beta", "gamma")
    bridge.age(A_DAY)
    job = bridge.house.defs.resolve_job_def("quickbooks_sync")
    requests = {request.tags["organization"]: request for request in bridge.schedule_tick().run_requests}
    assert set(requests) == {"acme", "beta", "gamma"}
    bridge.house.instance.create_run_for_job(
        job,
        run_config=dict(requests["acme"].run_config),
        tags=requests["acme"].tags,
        status=dg.DagsterRunStatus.STARTED,
    )
    for count in range(3):
        asked = {request.tags["organization"] for request in bridge.schedule_tick().run_requests}
        assert asked == {"beta", "gamma"}, f"after {count} failures"
        bridge.house.instance.create_run_for_job(
            job,
            run_config=dict(requests["beta"].run_config),
            tags=requests["beta"].tags,
            status=dg.DagsterRunStatus.FAILURE,
        )
    assert {request.tags["organization"] for request in bridge.schedule_tick().run_requests} == {"gamma"}


def test_more_organizations_than_the_threshold_are_swept(kept_bridge: Bridge, configure: Callable[..., None]) -> None:
    configure(sweep_threshold=1, sweep_size=2)
    kept_bridge.open("acme", "beta", "gamma")
    kept_bridge.age(A_DAY)
    requests = kept_bridge.schedule_tick().run_requests
    asked = [request.run_config["ops"]["sync_now"]["config"]["organizations"] for request in requests]
    assert sorted(map(len, asked)) == [1, 2]
    assert {slug for slugs in asked for slug in slugs} == {"acme", "beta", "gamma"}
    assert len({request.tags["organization"] for request in requests}) == 2, "they work beside each other"
    assert len({request.run_key for request in requests}) == 2


@pytest.mark.slow
def test_10_000_connected_organizations_fit_into_a_tick(lasting_house: DagsterHouse) -> None:
    lasting_house.add_many(10_000)
    lasting_house.keep_partitions_in_step()
    lasting_house.behind(
        """insert into quickbooks.connection (organization_id, realm_id, connected_by, connected_at)
           select id, row_number() over (order by id), 'test', now() - interval '2 days'
           from organizations.organization"""
    )
    bridge = Bridge(lasting_house, SellersHouse(lasting_house), Sandbox())
    started = time.monotonic()
    assert not bridge.tick().run_requests
    idle = time.monotonic() - started
    started = time.monotonic()
    requests = bridge.schedule_tick().run_requests
    pulls = time.monotonic() - started
    lasting_house.behind(
        """insert into work.batch_item (organization_id, kind, subject_id)
           select id, 'quickbooks_push_invoice', n::text from organizations.organization, generate_series(1, 20) n"""
    )
    started = time.monotonic()
    sweeps = bridge.tick().run_requests or []
    busy = time.monotonic() - started
    print(f"10,000 organizations: idle {idle:.2f} s, a schedule that asks for all {pulls:.2f} s, busy {busy:.2f} s")
    assert {request.job_name for request in sweeps} == {"quickbooks_push_sweep"}
    swept = [
        slug
        for request in sweeps
        for slug in request.run_config["ops"]["sweep_quickbooks_push"]["config"]["organizations"]
    ]
    assert len(sweeps) == 2
    assert len(swept) == len(set(swept)), "no organization is in two sweeps"
    assert len(requests) == 50
    assert idle < 10
    assert pulls < 20
    assert busy < 20
