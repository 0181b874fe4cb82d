"""Sweeps of all domains over many organizations, three of which are broken: what the UI says of the checks of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from invoice_pipelines_tests.integration.defs.billing.conftest import SellersHouse
from invoice_pipelines_tests.integration.defs.conftest import GOOD, DagsterHouse
from invoice_pipelines_tests.support.sizes import size

ORGANIZATIONS = [f"org-{number:02}" for number in range(1, size(10, 30) + 1)]
WITH_A_GAP, *WITH_WRONG_SETTINGS = "org-03", "org-05", "org-08"
SWEEPS = {
    "intake_sweep": ("sweep_organizations", "intake/validated_invoices", "totals_tie"),
    "invoicing_sweep": ("sweep_invoicing", "billing/issued_invoices", "numbers_have_no_gap"),
    "receivables_sweep": ("sweep_receivables", "billing/receivables", "buckets_sum_to_total"),
    "overdue_sweep": ("sweep_overdue", "overdue/notifications", "every_overdue_invoice_has_its_notifications"),
    "delivery_sweep": ("sweep_delivery", "delivery/invoice_documents", "documents_match_their_files"),
}
"""By job: its op, and a check of what it did."""


@pytest.mark.slow
def test_after_sweeps_of_many_organizations_with_three_broken_ones_each_shows_the_state_of_its_checks(
    house: DagsterHouse,
) -> None:
    shop = SellersHouse(house)
    shop.open(*ORGANIZATIONS)
    long_ago = (datetime.now(UTC) - timedelta(days=60)).date()
    for slug in ORGANIZATIONS:
        house.upload(slug, "good.xml", GOOD)
        shop.ask(slug, shop.orders(slug, "1"), invoice_date=long_ago, generate_pdf=True)
    house.behind(
        """insert into billing.invoice_counter (organization_id, series, period, next_number)
           select id, 'invoice', '2001', 7 from organizations.organization where slug = :slug""",
        slug=WITH_A_GAP,
    )
    for slug in WITH_WRONG_SETTINGS:
        house.break_organization(slug)
    sound = {slug: "SUCCEEDED" for slug in ORGANIZATIONS if slug not in WITH_WRONG_SETTINGS}
    for job, (_, asset, check) in SWEEPS.items():
        broken = {WITH_A_GAP} if job == "invoicing_sweep" else set()
        assert set(left_out(house, job)) == {*WITH_WRONG_SETTINGS, *broken}, job
        assert house.check_states(asset, check) == sound | dict.fromkeys(broken, "FAILED"), check

    house.behind("delete from billing.invoice_counter where period = '2001'")
    for slug in WITH_WRONG_SETTINGS:
        house.mend_organization(slug)
    for job, (_, asset, check) in SWEEPS.items():
        assert left_out(house, job) == {}, job
        assert house.check_states(asset, check) == dict.fromkeys(ORGANIZATIONS, "SUCCEEDED"), check


def left_out(house: DagsterHouse, job: str) -> dict[str, str]:
    """The organizations that a sweep of all could not process."""
    config = {"ops": {SWEEPS[job][0]: {"config": {"organizations": ORGANIZATIONS}}}}
    return house.left_out(house.run(job, config=config))
