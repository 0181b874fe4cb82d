"""The report of one file, as the command line prints it."""

from __future__ import annotations

import json
from pathlib import Path

from invoice_pipelines.intake.files.validate_report import validate_report
from invoice_pipelines_tests.support.intake.documents.samples import pdf
from invoice_pipelines_tests.support.intake.validation.specimens import TODAY, UBL


def test_a_valid_file(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(UBL, encoding="utf-8")
    report = validate_report(path, "in/a.xml", today=TODAY)
    assert "EN16931-UBL" in report.pop("rules")
    assert report == {
        "file": "in/a.xml",
        "valid": True,
        "officially_valid": True,
        "refused_by": [],
        "violations": [],
    }


def test_an_invalid_file_names_each_rule_and_place(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(UBL.replace("119.00", "120.00"), encoding="utf-8")
    report = validate_report(path, "a.xml", today=TODAY)
    assert report["valid"] is False
    assert {v["rule"] for v in report["violations"]} == {"BR-CO-15", "IP-TOTAL-01"}
    assert all(set(v) == {"rule", "severity", "class", "message", "location"} for v in report["violations"])
    assert {v["rule"]: v["class"] for v in report["violations"]} == {
        "BR-CO-15": "business_rule",
        "IP-TOTAL-01": "content",
    }
    assert json.loads(json.dumps(report)) == report
    assert report["officially_valid"] is False
    assert report["refused_by"] == ["business_rule", "content"]


def test_what_refuses_an_invoice_is_seen_at_a_glance_and_official_rules_can_be_asked_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    far = UBL.replace("<cbc:IssueDate>2026", "<cbc:IssueDate>2031").replace("<cbc:DueDate>2026", "<cbc:DueDate>2031")
    path.write_text(far, encoding="utf-8")
    report = validate_report(path, "a.xml", today=TODAY)
    assert not report["valid"]
    assert report["officially_valid"]
    assert report["refused_by"] == ["content"]
    alone = validate_report(path, "a.xml", today=TODAY, official=True)
    assert "invoice_pipelines" not in alone.pop("rules")
    assert alone == {"file": "a.xml", "valid": True, "officially_valid": True, "refused_by": [], "violations": []}


def test_official_rules_have_no_verdict_on_what_is_no_e_invoice(tmp_path: Path) -> None:
    path = tmp_path / "printed.pdf"
    path.write_bytes(pdf("Invoice 4711", "Total 119.00 EUR"))
    assert validate_report(path, "printed.pdf", today=TODAY)["officially_valid"] is None
    report = validate_report(path, "printed.pdf", today=TODAY, official=True, german=True)
    assert (report["valid"], report["officially_valid"], report["refused_by"]) == (False, None, ["format"])
    (violation,) = report["violations"]
    assert violation["rule"] == "NO_XML"
    assert "keine XML-Rechnung" in violation["message"]


def test_files_that_cannot_be_read_are_invalid_with_a_reason(tmp_path: Path) -> None:
    contents = {
        "empty.xml": b"",
        "text.txt": b"hello",
        "broken.xml": UBL[:500].encode(),
        "doctype.xml": b'<!DOCTYPE x [<!ENTITY e "e">]>' + UBL.split("?>", 1)[1].encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name in [*contents, "missing.xml"]:
        report = validate_report(tmp_path / name, name, today=TODAY)
        assert report["valid"] is False
        (violation,) = report["violations"]
        assert violation["severity"] == "fatal"
        assert violation["rule"].isupper()
        assert violation["class"] == "format"
        assert "\n" not in violation["message"]
