"""The benchmark of the API measures what it says, at a size that is worth nothing."""

from __future__ import annotations

import pytest

from invoice_pipelines.workshop.bench.api import api

SMALL = api.Size(rounds=1, seconds=0.5, clients=2, earlier=60, orders=300, asked=50, requests=1, pollers=5)


@pytest.mark.slow
def test_a_small_measurement_has_all_it_promises() -> None:
    measured = api.run(lambda doing: None, SMALL)
    assert {name: (bar.limit, bar.at_most) for name, bar in measured.bars.items()} == {
        "invoice_to_bare": (0.5, False),
        "invoices_to_bare": (0.5, False),
        "batch_to_bare": (1.5, True),
        "polled_to_alone": (1.05, True),
    }
    assert set(measured.bars) == set(measured.ratios)
    assert all(len(case.values) == 1 for case in measured.cases.values())
    assert all(value > 0 for case in measured.cases.values() for value in case.values)
