"""The benchmark of the intake measures what it says: all examples, as uploads of their own, through the real stages."""

from __future__ import annotations

import pytest

from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.workshop.bench import intake
from invoice_pipelines.workshop.bench.bare import BareCalls, plan_for
from invoice_pipelines.workshop.bench.documents import copies, e_invoices_in, valid_e_invoices
from invoice_pipelines.workshop.bench.intake import Size
from invoice_pipelines.workshop.bench.result import BenchError
from invoice_pipelines_tests.support.sizes import only_at_full_size


def test_a_copy_is_an_upload_of_its_own_with_another_number_and_date():
    originals = valid_e_invoices()
    made = list(copies(originals, 2))
    assert len({copy.data for copy in made}) == len(made) == 2 * len(originals)
    for number, copy in enumerate(made):
        original = read_document(originals[number % len(originals)].data)
        reading = read_document(copy.data)
        k = number // len(originals) + 1
        assert reading.number == f"{original.number}-{k}"
        assert original.issue_date is not None
        assert reading.issue_date is not None
        assert (original.issue_date - reading.issue_date).days == k
        assert (reading.xml, reading.gross_amount, reading.format) == (
            copy.xml,
            original.gross_amount,
            original.format,
        )


def test_both_kinds_of_files_and_all_syntaxes_are_measured():
    readings = [read_document(document.data) for document in valid_e_invoices()]
    assert {str(reading.format) for reading in readings} == {"UBL", "CII", "ZUGFERD1"}
    assert {document.data[:4] == b"%PDF" for document in valid_e_invoices()} == {True, False}


@pytest.mark.parametrize("kept", [False, True], ids=["as Saxon does", "code lists kept"])
def test_the_bare_calls_find_what_a_broken_invoice_breaks(tmp_path, kept):
    document = next(d for d in valid_e_invoices() if b"<cbc:TaxExclusiveAmount" in d.data)
    start = document.data.index(b">", document.data.index(b"<cbc:TaxExclusiveAmount")) + 1
    broken = document.data[:start] + b"1" + document.data[start:]
    calls = BareCalls(code_lists_kept=kept)
    found = []
    for number, data in enumerate((document.data, broken)):
        path = tmp_path / f"{number}.xml"
        path.write_bytes(data)
        plan = plan_for(path, data, None)
        assert plan.sheets
        found.append(calls.validate(data, plan))
    assert found[0] == []
    assert "BR-CO-13" in found[1]


def test_rules_are_measured_on_the_e_invoices_of_a_folder(tmp_path):
    for number, document in enumerate(valid_e_invoices()):
        (tmp_path / f"{number}.{'pdf' if document.data.startswith(b'%PDF') else 'xml'}").write_bytes(document.data)
    (tmp_path / "broken.xml").write_bytes(b"<Invoice")
    assert set(e_invoices_in(tmp_path)) <= {document.xml for document in valid_e_invoices()}
    (tmp_path / "none").mkdir()
    with pytest.raises(BenchError, match="no e-invoices in UBL or CII"):
        e_invoices_in(tmp_path / "none")


@only_at_full_size
@pytest.mark.slow
def test_a_small_measurement_has_all_it_promises():
    measured = intake.run(lambda doing: None, Size(2, 1, 1, 1, rules_rounds=1))
    assert set(measured.bars) == {"stages_to_bare", "two_processes_to_one", "rules_ms"}
    assert {"stages_to_bare", "two_processes_to_one"} <= set(measured.ratios)
    assert {name: len(case.values) for name, case in measured.cases.items()} == {
        "stages": 2,
        "bare": 2,
        "bare_code_lists_kept": 2,
        "bare_without_extraction": 2,
        "parse_stage": 2,
        "validate_stage": 2,
        "rules_ms": len(valid_e_invoices()),
        "one_process": 1,
        "two_processes": 1,
    }
    assert all(value > 0 for case in measured.cases.values() for value in case.values)
    assert measured.environment["postgresql"].startswith("18")
