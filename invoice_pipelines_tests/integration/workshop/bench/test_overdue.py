"""The benchmark of overdue measures what it says: all sides make the same notifications, of the same books."""

from __future__ import annotations

import pytest

from invoice_pipelines.overdue import BATCH_SIZE
from invoice_pipelines.workshop.bench.overdue import overdue
from invoice_pipelines.workshop.bench.result import BenchResult

SMALL = overdue.Size(
    invoices=6_000, overdue=250, batch_sizes=(BATCH_SIZE, 200), rounds=2, sampled=50, loop_rounds=1, commits=5
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured() -> BenchResult:
    return overdue.run(lambda doing: None, SMALL)


def test_a_small_measurement_has_all_it_promises(measured: BenchResult) -> None:
    assert {name: (bar.limit, bar.at_most) for name, bar in measured.bars.items()} == {
        "scan_to_plain": (1.5, True),
        "scan_to_plain_in_transactions": (1.5, True),
        "loop_to_scan": (50.0, False),
        "second_to_first": (0.05, True),
    }
    assert set(measured.bars) <= set(measured.ratios)
    assert {name: len(case.values) for name, case in measured.cases.items()} == {
        "plain": 2,
        "plain_by_index": 2,
        "plain_in_transactions": 2,
        "batches_of_100": 2,
        "batches_of_200": 2,
        "second_of_100": 2,
        "second_of_200": 2,
        "loop": 1,
        "loop_over_open": 1,
        "batch": 2,
        "commit": 2,
        "commit_not_flushed": 2,
    }
    assert all(value > 0 for name, case in measured.cases.items() for value in case.values if name != "batch")
    assert measured.environment["postgresql"].startswith("18")


def test_the_bar_is_at_the_size_that_is_configured_by_default(measured: BenchResult) -> None:
    assert "the default" in measured.cases[f"batches_of_{BATCH_SIZE}"].about
    ours, plain = measured.cases[f"batches_of_{BATCH_SIZE}"].values, measured.cases["plain"].values
    assert min(o / p for o, p in zip(ours, plain, strict=True)) <= measured.ratios["scan_to_plain"]


def test_what_is_scaled_says_so(measured: BenchResult) -> None:
    assert "50 of them, scaled to all 6,000" in measured.cases["loop"].about
