"""The benchmark of OCR measures what it says: pages that nobody has seen, through the real stage."""

from __future__ import annotations

import pytest

from invoice_pipelines.workshop.bench.ocr import ocr
from invoice_pipelines.workshop.bench.ocr.ocr import Size
from invoice_pipelines_tests.support.sizes import only_at_full_size


@only_at_full_size
@pytest.mark.slow
def test_a_small_measurement_has_all_it_promises() -> None:
    measured = ocr.run(lambda doing: None, Size(rounds=1, pages=2))
    assert set(measured.bars) == {"pipeline_to_bare", "two_processes_to_one", "memory_mb"} == set(measured.ratios)
    assert {name: len(case.values) for name, case in measured.cases.items()} == {
        "bare": 1,
        "pipeline": 1,
        "two_processes": 1,
        "memory_of_bare": 1,
        "memory_of_process": 2,
    }
    assert all(value > 0 for case in measured.cases.values() for value in case.values)
