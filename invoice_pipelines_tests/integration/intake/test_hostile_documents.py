"""Documents that were made to cost much go through the stages like others: each fails by itself, with its reason."""

from __future__ import annotations

import time

from invoice_pipelines.einvoice.rules.judge import end_judge
from invoice_pipelines.intake.stages.stages import parse_uploads, validate_invoices
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.validation import hostile
from invoice_pipelines_tests.support.intake.validation.specimens import UBL


def test_hostile_documents_fail_by_themselves_and_the_others_go_on(desk: IntakeDesk) -> None:
    files = {
        "digits.xml": hostile.with_total(1_000_000),
        "telephone.xml": hostile.with_telephone("0" * 60_000),
        "empty.xml": hostile.with_empty_lines(5000),
        "units.xml": hostile.with_lines(250, unit="wrong"),
        "good.xml": UBL.encode(),
    }
    for name, data in files.items():
        desk.upload(data, name)
    before = time.process_time()
    parse_uploads(desk.intake(ocr=None))
    validate_invoices(desk.intake(ocr=None))
    end_judge()
    assert time.process_time() - before < 20
    assert desk.statuses() == {
        "digits.xml": "FAILED",
        "telephone.xml": "FAILED",
        "empty.xml": "FAILED",
        "units.xml": "FAILED",
        "good.xml": "VALIDATED",
    }
    errors = desk.rows(
        "select file_name, code, violation_class from public.invoice_processing_errors order by file_name"
    )
    assert [tuple(row) for row in errors] == [
        ("digits.xml", "XML_TEXT_TOO_LONG", "format"),
        ("empty.xml", "XSD", "format"),
        ("telephone.xml", "XML_TEXT_TOO_LONG", "format"),
        ("units.xml", "BR-CL-23", "business_rule"),
    ]
    stored = desk.one("select max(n) from (select count(*) n from intake.violation group by verdict_id) counted")
    assert stored == 201
