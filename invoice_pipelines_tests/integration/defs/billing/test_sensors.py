"""The sensor of billing: which runs it asks for, when, and what it leaves alone."""

from __future__ import annotations

import time

import dagster as dg
import pytest

from invoice_pipelines.organizations import remove_organization
from invoice_pipelines_tests.integration.defs.billing.conftest import SellersHouse
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse


def test_each_organization_with_an_open_job_gets_a_run(shop: SellersHouse) -> None:
    shop.open("acme", "beta", "quiet")
    assert shop.asked_for() == []
    shop.ask("acme", shop.orders("acme", "1"))
    shop.ask("acme", shop.orders("acme", "1"))
    shop.ask_for_customers("beta", ["no id"], [{"description": "Fee", "quantity": "1"}])
    (first, second) = shop.tick().run_requests or []
    assert (first.job_name, first.partition_key, first.tags["organization"]) == ("invoicing", "acme", "acme")
    assert second.partition_key == "beta"
    assert first.run_key is None  # a key would stand in the way of the next run for ever


def test_what_is_in_work_done_removed_or_at_rest_asks_for_no_run(shop: SellersHouse) -> None:
    shop.open("acme", "beta", "done", "removed")
    shop.issue("done", "1", "")
    for slug in ("acme", "beta", "removed"):
        shop.ask(slug, shop.orders(slug, "1"))
    remove_organization(shop.house.database.engine, "removed")
    for job in ("invoicing", "batch_invoice_orders", "__ASSET_JOB"):
        run = in_flight(shop, "invoicing", job, "billing/issued_invoices")
        assert shop.asked_for() == ["beta"], job
        shop.house.instance.delete_run(run.run_id)
    # Else an organization to which documents come all the time would never issue any.
    for job in ("intake", "__ASSET_JOB"):
        run = in_flight(shop, "intake", job, "intake/uploads")
        assert shop.asked_for() == ["acme", "beta"], job
        shop.house.instance.delete_run(run.run_id)
    shop.house.ended("invoicing", dg.DagsterRunStatus.FAILURE, "acme")
    assert shop.asked_for() == ["beta"]


def in_flight(shop: SellersHouse, like: str, job: str, asset: str) -> dg.DagsterRun:
    """The record of a run of acme that works: of a job, or of an asset that a person chose."""
    run = shop.house.ended(like, dg.DagsterRunStatus.STARTED, "acme")
    shop.house.instance.delete_run(run.run_id)
    chosen = frozenset({dg.AssetKey(asset.split("/"))}) if job == "__ASSET_JOB" else None
    shop.house.instance.add_run(run._replace(job_name=job, asset_selection=chosen))
    return run


def test_after_a_sweep_each_organization_shows_the_state_of_its_checks(shop: SellersHouse) -> None:
    slugs = ["acme", "beta", "gamma", "wrong"]
    shop.open(*slugs)
    gaps = """insert into billing.invoice_counter (organization_id, series, period, next_number)
              select id, 'invoice', '2001', 7 from organizations.organization where slug = 'beta'"""
    shop.house.behind(gaps)
    shop.house.break_organization("wrong")
    for _ in range(2):
        for slug in slugs[:3]:
            shop.ask(slug, shop.orders(slug, "1"))
        config = {"ops": {"sweep_invoicing": {"config": {"organizations": slugs}}}}
        assert set(shop.house.left_out(shop.house.run("invoicing_sweep", config=config))) == {"beta", "wrong"}
        states = shop.house.check_states("billing/issued_invoices", "numbers_have_no_gap")
        assert states == {"acme": "SUCCEEDED", "beta": "FAILED", "gamma": "SUCCEEDED"}
    shop.house.behind("delete from billing.invoice_counter where period = '2001'")
    config = {"ops": {"sweep_invoicing": {"config": {"organizations": ["acme", "beta"]}}}}
    assert shop.house.run("invoicing_sweep", config=config).success
    states = shop.house.check_states("billing/issued_invoices", "numbers_have_no_gap")
    assert states["beta"] == "SUCCEEDED", "also where there was nothing else to do"
    assert shop.launch(organization="acme", all_open=True).success, "the job of a person is no asset's own run either"
    assert shop.house.check_states("billing/issued_invoices", "no_number_twice")["acme"] == "SUCCEEDED"


@pytest.mark.slow
def test_10_000_organizations_with_open_jobs_fit_into_a_tick(lasting_house: DagsterHouse) -> None:
    lasting_house.add_many(10_000)
    lasting_house.keep_partitions_in_step()
    shop = SellersHouse(lasting_house)
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
    request, *_ = shop.tick().run_requests or []
    busy = time.monotonic() - started
    print(f"10,000 organizations: an idle tick of {idle:.2f} s, one with 200,000 open items of {busy:.2f} s")
    assert request.job_name == "invoicing_sweep"
    assert idle < 1
    assert busy < 20
