"""The benchmark of billing measures what it says: all sides issue the same invoices, from the same state."""

from __future__ import annotations

from datetime import timedelta

import pytest

from invoice_pipelines.workshop.bench.billing import billing
from invoice_pipelines.workshop.bench.result import BenchResult
from invoice_pipelines_tests.support.sizes import only_at_full_size

BARS = {
    "system_to_limit": True,
    "system_to_limit_does_not_rise": True,
    "processor_time_to_foreign_keys": True,
    "one_transaction_loop_to_system": False,
    "commit_per_order_to_system": False,
    "counter_locked_share": True,
    "eight_organizations_to_one": False,
}
SMALL = billing.Size(
    small=20,
    medium=60,
    large=90,
    rounds=2,
    large_rounds=1,
    earlier=30,
    committed=20,
    cap=timedelta(seconds=60),
    organizations=3,
    orders_of_each=10,
)


pytestmark = [pytest.mark.slow, only_at_full_size]


@pytest.fixture(scope="module")
def measured() -> BenchResult:
    return billing.run(lambda doing: None, SMALL)


def test_a_small_measurement_has_all_it_promises(measured):
    assert {name: bar.at_most for name, bar in measured.bars.items()} == BARS
    assert set(measured.bars) <= set(measured.ratios)
    assert {name: len(case.values) for name, case in measured.cases.items()} == {
        "system_small": 2,
        "limit_small": 2,
        "limit_with_foreign_keys_small": 2,
        "one_transaction_loop_small": 2,
        "commit_per_order_small": 2,
        "system": 2,
        "limit": 2,
        "limit_with_foreign_keys": 2,
        "computed": 2,
        "computed_with_foreign_keys": 2,
        "one_transaction_loop": 1,
        "commit_per_order": 2,
        "counter_locked": 2,
        "system_large": 1,
        "limit_large": 1,
        "limit_with_foreign_keys_large": 1,
        "one_organization": 2,
        "eight_organizations": 2,
    }
    assert all(value > 0 for case in measured.cases.values() for value in case.values)
    assert 0 < measured.ratios["counter_locked_share"] < 1
    assert measured.environment["postgresql"].startswith("18")


def test_what_is_scaled_says_so(measured):
    assert "20 of 60 orders, scaled" in measured.cases["commit_per_order"].about
