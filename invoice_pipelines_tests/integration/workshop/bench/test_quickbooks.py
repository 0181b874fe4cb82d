"""The benchmark of the sync measures what it says: all invoices arrive, and each bar is of a ratio that it shows."""

from __future__ import annotations

import pytest

from invoice_pipelines.workshop.bench import quickbooks
from invoice_pipelines_tests.support.sizes import only_at_full_size

SMALL = quickbooks.Size(invoices=150, customers=10, items=5, read_customers=1_100, read_payments=1_100, scale=60.0)

pytestmark = [pytest.mark.slow, only_at_full_size]


def test_a_small_measurement_has_all_it_promises() -> None:
    measured = quickbooks.run(lambda doing: None, SMALL)

    assert {name: (bar.limit, bar.at_most) for name, bar in measured.bars.items()} == {
        "push_to_limit": (0.95, False),
        "throttled_calls": (0, True),
        "calls_for_customers": (8, True),
        "calls_for_payments": (60, True),
        "memory_growth_megabytes": (16.0, True),
    }
    assert set(measured.bars) <= set(measured.ratios)
    assert measured.cases["push_calls"].values == [5.0]
    assert measured.ratios["calls_for_customers"] == 2
    assert measured.environment["time_scale"] == 60.0
