"""The benchmark of reading counts what is right, what is sure and what passes, on documents that it is given."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_pipelines.workshop.bench.reading import reading
from invoice_pipelines.workshop.bench.reading.documents import seller_of
from invoice_pipelines.workshop.bench.reading.made.made import made_documents
from invoice_pipelines.workshop.bench.reading.measures import Sureness, calibration_error
from invoice_pipelines.workshop.bench.reading.truth import is_right
from invoice_pipelines.workshop.bench.result import BenchError
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw, rows
from invoice_pipelines_tests.support.programs import COMMAND_LINE, run


def invoice(total: str) -> bytes:
    head = "Invoice number: | A-7; Invoice date: | 2024-05-02; Currency: | EUR; Seller: | Northern Tools Ltd."
    block = f"Net amount | 100.00; VAT 19% | 19.00; Total | {total}"
    return draw([(60, 50, "INVOICE"), *rows(100, (60, 200), head), *rows(300, (60, -540), block)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part, name, total in (
        ("labelled", "de_2024_retail_one_1.pdf", "119.00"),
        ("labelled", "de_2024_retail_two_1.pdf", "120.00"),
        ("unlabelled", "de_2024_retail_two_2.pdf", "119.00"),
    ):
        (tmp_path / part).mkdir(exist_ok=True)
        (tmp_path / part / name).write_bytes(invoice(total))
    truth = {"number": ["A-7"], "gross": ["119.00"], "seller": ["Northern Tools"], "tax": "?", "iban": None}
    lines = [{"file": "de_2024_retail_one_1.pdf", **truth}, {"file": "de_2024_retail_two_1.pdf", **truth}]
    (tmp_path / "expected.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def test_what_is_right_what_passes_and_what_waits_is_counted(folder: Path) -> None:
    measured = reading.run(lambda doing: None, documents=folder, pages=folder / "pages", made=0)
    found: dict[str, Any] = dict(measured.details["receipts"])
    assert (found["documents"], found["labelled"], found["passed"], found["waiting"]) == (3, 2, 2, 1)
    assert found["fields"]["number"]["recall"] == 1
    assert found["fields"]["gross"]["recall"] == 0.5
    assert found["fields"]["tax"]["read"] == 0
    assert [(wrong["file"], wrong["field"], wrong["expected"], wrong["read"]) for wrong in found["wrong"]] == [
        ("de_2024_retail_two_1.pdf", "gross", ["119.00"], "120.00")
    ]
    assert found["wrong_passes"] == []
    assert found["reasons"]["IP-TOTAL-01 gross_amount"] == {"documents": 1, "entirely_right": 0, "alone": 0}
    assert measured.bars["receipts_wrong_passes"].holds
    assert measured.bars["receipts_passed"].value == pytest.approx(2 / 3)
    assert not measured.bars["receipts_gross"].holds
    assert len(list((folder / "pages").iterdir())) == 2  # two of the three are the same document


def receipt() -> bytes:
    lines = ["Kasse 3", "Grimmaische Straße 14", "04109 Leipzig", "Kassenbon", "Datum: 02.05.2024 17:27"]
    lines += ["SUMME EUR 11,90", "19 % MwSt. EUR 1,90", "Vielen Dank für Ihren Einkauf"]
    return draw([(50, 50 + 16 * at, line) for at, line in enumerate(lines)])


def test_what_passes_without_its_seller_is_told_and_its_wrong_name_is_no_wrong_pass(tmp_path: Path) -> None:
    (tmp_path / "labelled").mkdir()
    lines = []
    for at, seller in enumerate(("Kasse 3", "Pendel")):
        (tmp_path / "labelled" / f"de_2024_cafe_{at}.pdf").write_bytes(receipt())
        lines.append({"file": f"de_2024_cafe_{at}.pdf", "gross": ["11.90"], "seller": [seller]})
    (tmp_path / "expected.jsonl").write_text("\n".join(map(json.dumps, lines)))
    measured = reading.run(lambda doing: None, documents=tmp_path, pages=tmp_path / "pages", made=0)
    found: dict[str, Any] = dict(measured.details["receipts"])
    assert (found["passed"], found["waiting"]) == (2, 0), found["reasons"]
    assert found["passed_without"]["seller"] == {"documents": 2, "right": 1, "wrong": 1}
    assert (found["wrong_passes"], found["other_wrong_values_that_passed"]) == ([], [])
    assert [wrong["field"] for wrong in found["wrong"]] == ["seller"]  # it was read wrong all the same


def test_without_folders_made_up_documents_are_measured_and_no_wrong_total_passes() -> None:
    measured = reading.run(lambda doing: None, made=60)
    found: dict[str, Any] = dict(measured.details["made"])
    assert (list(measured.details), found["documents"], found["failed"]) == (["made"], 60, 0)
    assert set(measured.bars) == {"made_wrong_passes"}
    assert [wrong for wrong in found["wrong_passes"] if wrong["field"] in ("gross", "issue_date", "iban")] == []
    assert found["fields"]["gross"]["recall"] >= 0.95
    assert [document.pages for document in made_documents(3)] == [document.pages for document in made_documents(3)]


def test_a_folder_without_documents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no PDFs in labelled/ or unlabelled/"):
        reading.run(lambda doing: None, documents=tmp_path)


def test_a_folder_is_only_for_the_bench_that_reads_it(tmp_path: Path) -> None:
    done = run(COMMAND_LINE, "bench", "billing", "--documents", str(tmp_path))
    assert (done.returncode, "--documents is for reading, intake" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("field", "value", "accepted", "right"),
    [
        ("gross", Decimal("10.50"), ["10.5"], True),
        ("gross", Decimal("10.50"), ["10.05"], False),
        ("tax", Decimal(0), None, None),
        ("tax", Decimal(1), None, False),
        ("iban", None, None, None),
        ("iban", None, ["DE02120300000000202051"], False),
        ("issue_date", date(2024, 5, 2), ["2024-05-02"], True),
        ("seller", "KAUZCHEN", ["Seper GmbH", "Käuzchen"], True),
        ("seller", "Seper", ["Seper GmbH"], True),
        ("seller", "GmbH", ["Ab"], False),
        ("vat_id", "DE 811 569 869", ["DE811569869"], True),
    ],
)
def test_a_value_is_right_as_people_would_say(field: str, value: Any, accepted: Any, right: bool | None) -> None:
    assert is_right(field, value, accepted) is right


def test_the_calibration_error_is_the_distance_of_confidence_and_share_of_right_ones() -> None:
    assert calibration_error([Sureness(0.75, right) for right in (True, True, True, False)]) == 0
    assert calibration_error([Sureness(0.95, False), Sureness(0.55, True)]) == pytest.approx(0.7)
    assert calibration_error([]) == 0


@pytest.mark.parametrize(
    ("name", "seller"),
    [
        ("de_2019_restaurant_mcdonalds-20190217_003.pdf", "mcdonalds"),
        ("de_2018_retail_Edeka-764.pdf", "Edeka"),
        ("us_2023_wynn_20231209_014.pdf_wynn_20231209_014.pdf", "wynn"),
        ("hr_2021_20210906_004.pdf_20210906_004.pdf", "hr 2021"),
        ("de_2024_dm_20240407.pdf_dm_20240407.pdf", "dm"),
    ],
)
def test_the_seller_of_a_receipt_is_in_the_name_of_its_file(name: str, seller: str) -> None:
    assert seller_of(name) == seller
