"""The fleet's health: what is told of all organizations, which checks turn red, and that it takes no run."""

from __future__ import annotations

import time

import dagster as dg
import pytest

from invoice_pipelines.defs.operations.health import HEALTH
from invoice_pipelines_tests.integration.defs.billing.conftest import SellersHouse
from invoice_pipelines_tests.integration.defs.conftest import GOOD, DagsterHouse, plain


def told(house: DagsterHouse) -> dict[str, object] | None:
    """One tick of the sensor, with what the daemon makes of it: the figures, where it told any."""
    events = house.look("fleet_health").asset_events or []
    for event in events:
        house.instance.report_runless_asset_event(event)
    if not events:
        return None
    (newest,) = house.instance.fetch_materializations(HEALTH, limit=1).records
    assert newest.asset_materialization is not None
    return plain(newest.asset_materialization.metadata)


def checks(house: DagsterHouse) -> dict[str, str]:
    """What the UI says of each check: passed, or its severity."""
    repository = house.defs.get_repository_def()
    keys = [key for key in repository.asset_graph.asset_check_keys if key.asset_key == HEALTH]
    found = house.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    states = {}
    for key, record in found.items():
        assert record.event is not None
        assert record.event.dagster_event is not None
        evaluation = record.event.dagster_event.event_specific_data
        assert isinstance(evaluation, dg.AssetCheckEvaluation)
        states[key.name.removesuffix("_is_healthy")] = "passed" if evaluation.passed else evaluation.severity.value
    return states


def test_who_is_in_trouble_is_named_with_the_reason_until_it_is_over(house: DagsterHouse) -> None:
    shop = SellersHouse(house)
    shop.open("acme", "beta", "gamma", "delta")
    fine = told(house)
    assert fine is not None
    assert (fine["organizations"], fine["organizations in trouble"], fine["items waiting: invoicing"]) == (4, 0, 0)
    assert "in trouble" not in fine
    domains = {"intake", "recognition", "imports", "invoicing", "receivables", "delivery", "overdue", "webhooks"}
    domains.add("quickbooks_push")
    assert checks(house) == dict.fromkeys(domains, "passed")
    assert told(house) is None, "what did not change is not told again"

    shop.ask("acme", shop.orders("acme", "1", "1"))
    house.behind("update work.batch_item set available_at = now() - interval '90 minutes'")
    house.drop("beta", "one.xml", GOOD)
    house.break_organization("beta")
    assert not house.sweep("beta", "gamma").success
    house.ended("receivables_aging", dg.DagsterRunStatus.FAILURE, "delta")
    broken = told(house)
    assert broken is not None
    assert (broken["organizations in trouble"], broken["in trouble: invoicing"]) == (3, 1)
    assert broken["items waiting: invoicing"] == 2
    assert 90 <= float(str(broken["oldest waits for minutes: invoicing"])) < 95
    table = str(broken["in trouble"])
    assert "[acme](/assets/billing/issued_invoices?view=partitions&partition=acme)" in table
    assert "2 of invoice orders wait to be done" in table
    assert "oldest invoice years" in table, "the sweep's own reason"
    assert "(/runs/" in table
    assert "gamma" not in table
    warned = dict.fromkeys(("intake", "invoicing", "receivables"), "WARN")
    assert checks(house) == dict.fromkeys(domains, "passed") | warned

    house.behind("update work.batch_item set available_at = now() - interval '25 hours'")
    house.mend_organization("beta")
    assert house.sweep("beta").success
    told(house)
    assert checks(house) == dict.fromkeys(domains, "passed") | {"invoicing": "ERROR", "receivables": "WARN"}


def test_a_person_can_ask_for_it(house: DagsterHouse) -> None:
    house.add("acme")
    asset = house.defs.resolve_assets_def(HEALTH)
    result = dg.materialize([asset], instance=house.instance)
    assert result.success
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())


@pytest.mark.slow
def test_ten_thousand_organizations_of_which_each_is_late_are_told_in_a_tick(lasting_house: DagsterHouse) -> None:
    lasting_house.add_many(10_000)
    lasting_house.keep_partitions_in_step()
    lasting_house.behind(
        """insert into work.batch_item (organization_id, kind, subject_id, available_at)
           select id, kind, n::text, now() - interval '2 hours'
           from organizations.organization, unnest(array['parse_upload', 'send_message']) kind,
                generate_series(1, 5) n"""
    )
    started = time.monotonic()
    figures = told(lasting_house)
    seconds = time.monotonic() - started
    assert figures is not None
    assert figures["organizations in trouble"] == 10_000
    assert len(str(figures["in trouble"])) < 20_000
    assert len(lasting_house.cursor or "") < 200
    print(f"10,000 organizations with 100,000 late items: a tick of {seconds:.2f} s")
    assert seconds < 20
