"""The benchmarks of whole installations measure what they say, at a size that is worth nothing: minutes each all the
same, so not in CI.
"""

from __future__ import annotations

import pytest

from invoice_pipelines.workshop.bench.installation import runs, scale
from invoice_pipelines.workshop.bench.installation.drawing import drawing
from invoice_pipelines_tests.support.needs import need, needs_redis
from invoice_pipelines_tests.support.sizes import only_at_full_size

need("dagster_celery", reason="the extra celery is not installed")
pytestmark = [
    pytest.mark.slow,
    only_at_full_size,
    needs_redis,
    pytest.mark.timeout(900),
]

FEW_RUNS = runs.Size(
    runs=4, rounds=1, swept=30, documents=1, uploads=10, uploaders=5, quiet_uploads=2, quiet_every_seconds=1.0
)
SMALL = scale.Size(
    organizations=300, active=40, documents=2, uploaders=4, of_largest=40, seconds=40, rest=10, swept=25, kills=1
)


def test_runs_of_all_launchers_succeed_and_uploads_are_seen() -> None:
    measured = runs.run(lambda doing: None, FEW_RUNS)
    assert set(measured.bars) == {
        *("two_workers_to_default", "two_workers_to_one", "failed_runs"),
        *("upload_busy_p95", "upload_busy_max", "upload_quiet_p95"),
    }
    assert set(measured.ratios) < set(measured.bars)
    assert all(value > 0 for case in measured.cases.values() for value in case.values)
    assert len(measured.details["upload_busy_seconds"]) == 10


def test_a_day_with_a_killed_worker_loses_no_document_and_can_be_drawn() -> None:
    measured = scale.run(lambda doing: None, SMALL)
    assert set(measured.bars) < set(measured.ratios)
    assert measured.details["documents"] == 40 * 2 + 4 * 2 + 40
    assert measured.details["samples"][-1]["waiting"] == 0
    assert drawing(measured.as_json()).startswith("<svg")
