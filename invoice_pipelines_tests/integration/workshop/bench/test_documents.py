"""The benchmark of documents measures what it says: real e-invoices of real invoices, and pages of the bare engine."""

from __future__ import annotations

import pytest

from invoice_pipelines.workshop.bench.document_making import document_making
from invoice_pipelines.workshop.bench.document_making.document_making import Size
from invoice_pipelines_tests.support.sizes import only_at_full_size


@only_at_full_size
@pytest.mark.slow
def test_a_small_measurement_has_all_it_promises() -> None:
    measured = document_making.run(lambda doing: None, Size(rounds=1, documents=30))
    promised = {"time_to_bare", "two_processes_to_one", "memory_growth", "combining_to_making"}
    assert set(measured.bars) == promised == set(measured.ratios)
    assert set(measured.cases) == {"bare", "documents", "two_processes", "combining", "memory"}
    assert all(len(case.values) == 1 and case.values[0] > 0 for case in measured.cases.values())
