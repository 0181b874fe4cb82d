"""The sensor of billing: which runs it asks for, when, and what it leaves alone."""

from __future__ import annotations

import time
from collections.abc import Callable

import dagster as dg
import pytest

from invoice_pipelines.organizations import remove_organization
from invoice_pipelines_tests.integration.defs.billing.conftest import Shop
from invoice_pipelines_tests.integration.defs.conftest import House


def test_each_organization_with_an_open_job_gets_a_run(shop: Shop) -> None:
    shop.open("acme", "beta", "quiet")
    assert shop.asked_for() == []
    shop.ask("acme", shop.orders("acme", "1"))
    shop.ask("acme", shop.orders("acme", "1"))
    shop.ask_for_customers("beta", ["no id"], [{"description": "Fee", "quantity": "1"}])
    (first, second) = shop.tick().run_requests or []
    assert (first.job_name, first.partition_key, first.tags["organization"]) == ("invoicing", "acme", "acme")
    assert second.partition_key == "beta"
    assert first.run_key is None  # a key would stand in the way of the next run for ever


def test_a_job_that_is_done_asks_for_no_run(shop: Shop) -> None:
    shop.open("acme")
    shop.ask("acme", shop.orders("acme", "1", ""))
    assert shop.house.run("invoicing", "acme").success
    assert shop.asked_for() == []


@pytest.mark.parametrize("job", ["invoicing", "batch_invoice_orders", "__ASSET_JOB"])
def test_an_organization_whose_invoices_are_in_work_is_not_asked_for_again(shop: Shop, job: str) -> None:
    shop.open("acme", "beta")
    shop.ask("acme", shop.orders("acme", "1"))
    shop.ask("beta", shop.orders("beta", "1"))
    run = shop.house.instance.create_run_for_job(
        shop.house.defs.resolve_job_def("invoicing"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"organization": "acme"},
        asset_selection=frozenset({dg.AssetKey(["billing", "issued_invoices"])}) if job == "__ASSET_JOB" else None,
    )
    shop.house.instance.delete_run(run.run_id)
    shop.house.instance.add_run(run._replace(job_name=job))
    assert shop.asked_for() == ["beta"]


@pytest.mark.parametrize("job", ["intake", "__ASSET_JOB"])
def test_invoices_do_not_wait_for_the_intake_of_their_organization(shop: Shop, job: str) -> None:
    """Else an organization to which documents come all the time would never issue any."""
    shop.open("acme")
    shop.ask("acme", shop.orders("acme", "1"))
    run = shop.house.instance.create_run_for_job(
        shop.house.defs.resolve_job_def("intake"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": "acme"},
        asset_selection=frozenset({dg.AssetKey(["intake", "uploads"])}) if job == "__ASSET_JOB" else None,
    )
    shop.house.instance.delete_run(run.run_id)
    shop.house.instance.add_run(run._replace(job_name=job))
    assert shop.asked_for() == ["acme"]


def test_a_removed_organization_gets_no_run(shop: Shop) -> None:
    shop.open("acme")
    shop.ask("acme", shop.orders("acme", "1"))
    remove_organization(shop.house.database.engine, "acme")
    assert shop.asked_for() == []


def test_after_a_failed_run_the_organization_rests(shop: Shop) -> None:
    shop.open("acme", "beta")
    shop.ask("acme", shop.orders("acme", "1"))
    shop.house.instance.create_run_for_job(
        shop.house.defs.resolve_job_def("invoicing"),
        status=dg.DagsterRunStatus.FAILURE,
        tags={"dagster/partition": "acme"},
    )
    assert shop.asked_for() == []


def test_many_organizations_are_swept_in_one_run_and_a_broken_one_stops_no_other(
    shop: Shop, configure: Callable[..., None]
) -> None:
    configure(sweep_threshold=2)
    shop.open("acme", "beta", "gamma")
    for slug in ("acme", "beta", "gamma"):
        shop.ask(slug, shop.orders(slug, "1", "2"))
    (request,) = shop.tick().run_requests or []
    assert (request.job_name, request.tags["organization"]) == ("invoicing_sweep", "(sweep)")
    shop.house.behind(
        """insert into billing.invoice_counter (organization_id, series, period, next_number)
           select id, 'invoice', '2001', 7 from organizations.organization where slug = 'beta'"""
    )
    result = shop.house.run("invoicing_sweep", config=request.run_config)
    assert not result.success
    assert [len(shop.numbers(slug)) for slug in ("acme", "gamma")] == [2, 2]
    run = shop.house.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["left_out/beta"].endswith("issued_invoices: numbers_have_no_gap")
    records = shop.house.instance.fetch_materializations(dg.AssetKey(["billing", "issued_invoices"]), limit=9).records
    assert {record.partition_key for record in records} == {"acme", "beta", "gamma"}
    assert shop.asked_for() == []


@pytest.mark.slow
def test_10_000_organizations_with_open_jobs_fit_into_a_tick(lasting_house: House) -> None:
    lasting_house.add_many(10_000)
    lasting_house.keep_partitions_in_step()
    shop = Shop(lasting_house)
    started = time.monotonic()
    assert not shop.tick().run_requests
    idle = time.monotonic() - started
    lasting_house.behind(
        """with job as (
               insert into work.batch_job (organization_id, kind, total_items, created_by)
               select id, 'invoice_orders', 20, 'test' from organizations.organization returning organization_id, id)
           insert into work.batch_item (organization_id, job_id, kind, subject_id)
           select j.organization_id, j.id, 'invoice_orders', n::text from job j, generate_series(1, 20) n"""
    )
    started = time.monotonic()
    (request,) = shop.tick().run_requests or []
    busy = time.monotonic() - started
    print(f"10,000 organizations: an idle tick of {idle:.2f} s, one with 200,000 open items of {busy:.2f} s")
    assert request.job_name == "invoicing_sweep"
    assert idle < 1
    assert busy < 20
