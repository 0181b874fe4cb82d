"""What `invoice-pipelines read --jsonl` shows for a file, and in which order files come."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from invoice_pipelines.intake.files.read_report import documents_below, read_report
from invoice_pipelines_tests.support.intake.documents import samples


def test_a_report_shows_the_fields_and_lines_of_the_invoice(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_text(samples.UBL, encoding="utf-8")
    report = json.loads(json.dumps(read_report(file, "a.xml")))
    assert report == {
        "file": "a.xml",
        "ok": True,
        "source": "xml",
        "format": "UBL",
        "profile": "XRECHNUNG",
        "fields": {
            "number": "RE-2025/0815",
            "type_code": "380",
            "issue_date": "2025-03-31",
            "due_date": "2025-04-30",
            "currency": "EUR",
            "seller_name": "Lieferant GmbH",
            "seller_vat_id": "DE123456789",
            "seller_tax_id": "201/113/40209",
            "buyer_name": "Kupující s.r.o.",
            "buyer_vat_id": "CZ12345678",
            "buyer_reference": "04011000-12345-34",
            "net_amount": "95.50",
            "tax_amount": "18.15",
            "gross_amount": "113.65",
            "payable_amount": "100",
            "iban": "DE02120300000000202051",
        },
        "confidence": dict.fromkeys(report["fields"], 1.0),  # XML says what it says
        "lines": [
            {
                "description": "Repair",
                "quantity": "2.5",
                "unit": "HUR",
                "unit_price": "45.0000",
                "net_amount": "100.00",
                "tax_rate": "19",
            }
        ],
        "warnings": [],
        "error": None,
    }


def test_a_report_warns_of_a_hybrid_pdf_that_contradicts_itself(tmp_path: Path) -> None:
    page = samples.pdf(
        "Invoice RE-2025/0815", "Date 31.03.2025", "Net 429.87 EUR", "VAT 100.00 EUR", "Total 529.87 EUR"
    )
    other = samples.CII.replace("RE-2025/0815", "RE-2025/0999").encode()
    file = tmp_path / "a.pdf"
    file.write_bytes(samples.with_attachments(page, ("factur-x.xml", samples.CII.encode()), ("b.xml", other)))
    report = read_report(file, "a.pdf")
    assert report["fields"]["gross_amount"] == "113.65"
    assert any("RE-2025/0999" in warning for warning in report["warnings"])
    assert any("113.65" in warning and "529.87" in warning for warning in report["warnings"])


def test_an_absent_value_is_null(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_text('<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"/>')
    report = read_report(file, "a.xml")
    assert (report["ok"], set(report["fields"].values()), report["lines"]) == (True, {None}, [])


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "EMPTY_FILE: The file is empty"),
        (b"<!DOCTYPE a><a/>", "XML_DOCTYPE: "),
        (b"<a>", "XML_MALFORMED: "),
        (b"Dear Sir", "UNKNOWN_TYPE: letter.bin is neither XML, PDF nor a picture"),
    ],
)
def test_a_file_that_cannot_be_read_gets_one_clear_line(content: bytes, error: str, tmp_path: Path) -> None:
    file = tmp_path / "letter.bin"
    file.write_bytes(content)
    report = read_report(file, "letter.bin")
    assert (report["file"], report["ok"], report["fields"], report["lines"]) == ("letter.bin", False, {}, [])
    assert report["error"].startswith(error)
    assert "\n" not in report["error"]


def test_what_is_not_there_or_no_file_gets_a_line_too(tmp_path: Path) -> None:
    assert read_report(tmp_path / "none", "none")["error"] == (
        "FILE_UNREADABLE: The file cannot be opened: No such file or directory."
    )
    assert read_report(tmp_path, "folder")["error"] == "NOT_A_FILE: This is not a file."
    assert read_report(Path("a\0b"), "a")["error"].startswith("FILE_UNREADABLE")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_report(tmp_path / "pipe", "pipe")["error"].startswith("NOT_A_FILE")
    assert list(documents_below([tmp_path])) == []


def test_a_huge_file_is_refused_without_loading_it(tmp_path: Path) -> None:
    with (tmp_path / "huge.pdf").open("wb") as file:
        file.truncate(1 << 40)
    assert read_report(tmp_path / "huge.pdf", "huge.pdf")["error"].startswith("TOO_LARGE")


def test_a_name_that_is_no_text_can_be_printed(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.xml")
    (tmp_path / name).write_text(samples.UBL, encoding="utf-8")
    ((shown, path),) = documents_below([tmp_path])
    report = read_report(path, shown)
    assert report["ok"]
    json.dumps(report, ensure_ascii=False).encode("utf-8")


def test_folders_are_searched_to_the_bottom_in_path_order(tmp_path: Path) -> None:
    for name in ("b/2.xml", "b/10.xml", "a.xml", "b/c/1.pdf", "B.xml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    assert [name for name, _ in documents_below([tmp_path])] == ["B.xml", "a.xml", "b/10.xml", "b/2.xml", "b/c/1.pdf"]


def test_names_tell_files_of_several_folders_apart(tmp_path: Path) -> None:
    for name in ("x/1.xml", "y/1.xml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    below = list(documents_below([tmp_path / "x", tmp_path / "y", tmp_path / "none.xml"]))
    assert [name for name, _ in below] == [str(tmp_path / name) for name in ("x/1.xml", "y/1.xml", "none.xml")]
