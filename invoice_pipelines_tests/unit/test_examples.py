"""The examples: what is committed is what the generator makes, and each document becomes what `expected.json` says."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pypdf
import pytest
from PIL import Image

from examples.make.__main__ import write
from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents import Aids, read_document
from invoice_pipelines.intake.documents.ocr.engine import EngineSpec
from invoice_pipelines.intake.documents.ocr.pages import pages_read_now
from invoice_pipelines.intake.documents.ocr.recognizer import SharedRecognizer
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.review.reasons import Judgement
from invoice_pipelines.intake.stages.judging import Standard, judge_reading
from invoice_pipelines.intake.validation.accounts import KnownAccount
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.duplicates import EarlierInvoice
from invoice_pipelines_tests.conftest import PROJECT

STATES = {Judgement.VALID: "EXPORTED", Judgement.NEEDS_REVIEW: "PARSED", Judgement.FAILED: "FAILED"}
EXAMPLES = PROJECT / "examples"
EXPECTED: dict[str, Any] = json.loads((EXAMPLES / "expected.json").read_text("utf-8"))
DOCUMENTS: list[tuple[str, dict[str, Any]]] = [
    (organization["slug"], document)
    for organization in EXPECTED["organizations"]
    for document in organization["documents"]
]
MORE_PICTURES = ("fax", "photo", "photo of a receipt")
"""Kinds that take seconds to recognize; a scan is read by the default tests as well, and all of them by `make demo`."""
BY_FILE = [
    pytest.param(
        slug,
        document,
        id=f"{slug}-{document['file']}",
        marks=[pytest.mark.slow] if document["kind"] in MORE_PICTURES else [],
    )
    for slug, document in DOCUMENTS
]


def content_of(data: bytes) -> object:
    """What a person would see in a file, as another version of a library may pack the same content otherwise."""
    if data.startswith(b"\x89PNG"):
        with Image.open(io.BytesIO(data)) as image:
            return image.tobytes()
    if data.startswith(b"%PDF"):
        try:
            pdf = pypdf.PdfReader(io.BytesIO(data))
            if pdf.is_encrypted:
                return "encrypted"
            return [page.extract_text() for page in pdf.pages], pdf.attachments
        except pypdf.errors.PyPdfError:
            return "damaged"
    return data


def test_the_committed_files_are_those_that_the_generator_makes(tmp_path: Path) -> None:
    write(tmp_path)
    committed = {
        file.relative_to(EXAMPLES): file.read_bytes()
        for file in [EXAMPLES / "expected.json", EXAMPLES / "sales_orders.json", *EXAMPLES.glob("*/*")]
        if file.is_file() and "make" not in file.relative_to(EXAMPLES).parts
    }
    made = {file.relative_to(tmp_path): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert set(made) == set(committed)
    changed = [
        str(name)
        for name, data in made.items()
        if data != committed[name] and content_of(data) != content_of(committed[name])
    ]
    assert changed == []


def test_there_are_enough_documents_of_enough_kinds_and_they_are_small() -> None:
    files = [EXAMPLES / slug / document["file"] for slug, document in DOCUMENTS]
    assert len(files) >= 48
    assert len(EXPECTED["organizations"]) == 3
    assert len({organization["time_zone"] for organization in EXPECTED["organizations"]}) == 3
    assert len({organization["country"] for organization in EXPECTED["organizations"]}) == 3
    assert len({document["kind"] for _, document in DOCUMENTS if document["state"] == "EXPORTED"}) >= 6
    assert len({document["reason"] for _, document in DOCUMENTS if document["state"] == "FAILED"}) >= 6
    assert sum(file.stat().st_size for file in files) < 4_000_000


def test_every_file_in_an_inbox_has_an_expected_outcome() -> None:
    for organization in EXPECTED["organizations"]:
        lying_there = {file.name for file in (EXAMPLES / organization["slug"]).iterdir()}
        assert {document["file"] for document in organization["documents"]} == lying_there


def test_every_expected_outcome_is_complete() -> None:
    fields = [
        "number",
        "issue_date",
        "seller",
        "net_amount",
        "tax_amount",
        "gross_amount",
        "payable_amount",
        "currency",
    ]
    for slug, document in DOCUMENTS:
        values = [document[name] for name in fields]
        if document["state"] == "EXPORTED":
            assert None not in values, document["file"]
            net, tax, gross = (Decimal(document[f"{name}_amount"]) for name in ("net", "tax", "gross"))
            assert net + tax == gross, document["file"]
        else:
            assert set(values) == {None}, document["file"]
            assert document["state"] in {"FAILED", "PARSED", "DUPLICATE"}
            assert (document["state"] != "DUPLICATE") == (document["reason"] is not None)
        if document["same_as"]:
            # Taken up in the order of names, the repeated one comes second.
            assert document["same_as"] < document["file"]
            assert (EXAMPLES / slug / document["same_as"]).exists()


def test_file_names_are_as_real_inboxes_have_them() -> None:
    names = [document["file"] for _, document in DOCUMENTS]
    assert any(" " in name for name in names)
    assert any("ö" in name for name in names)
    assert any(ord(character) > 0xFFFF for name in names for character in name)
    assert any(name.endswith((".PDF", ".XML", ".PNG")) for name in names)
    assert max(len(name) for name in names) > 180
    # On every file system that people clone to.
    assert max(len(name.encode()) for name in names) <= 255
    assert not any(character in name for name in names for character in '<>:"/\\|?*')


def test_the_same_bytes_stand_twice_only_where_it_is_said() -> None:
    for slug in {slug for slug, _ in DOCUMENTS}:
        hashes = Counter(hashlib.sha256(file.read_bytes()).digest() for file in (EXAMPLES / slug).iterdir())
        repeated = [document for one, document in DOCUMENTS if one == slug and document["state"] == "DUPLICATE"]
        assert sum(count - 1 for count in hashes.values()) == len(repeated) >= 1


@dataclass(frozen=True)
class Outcome:
    state: str
    reasons: frozenset[str]
    warnings: frozenset[str]
    reading: Reading | None = None


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> dict[tuple[str, str], Outcome]:
    """What reading and validation make of the documents that this run asks for, in the order of their names."""
    cases = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
    asked = {case.params["document"]["file"] for case in cases if case is not None}
    with SharedRecognizer(EngineSpec("rapidocr", threads=2), 1) as ocr:
        return all_outcomes(Aids(pages_read_now(ocr)), asked)


def all_outcomes(aids: Aids, asked: set[str]) -> dict[tuple[str, str], Outcome]:
    found: dict[tuple[str, str], Outcome] = {}
    for organization in EXPECTED["organizations"]:
        slug = organization["slug"]
        seen: set[bytes] = set()
        earlier: dict[str | None, list[EarlierInvoice]] = {}
        accounts: dict[str | None, list[str]] = {}
        for file in sorted((EXAMPLES / slug).iterdir()):
            data = file.read_bytes()
            if file.name not in asked:
                continue
            if hashlib.sha256(data).digest() in seen:
                found[slug, file.name] = Outcome("DUPLICATE", frozenset(), frozenset())
                continue
            seen.add(hashlib.sha256(data).digest())
            try:
                reading = read_document(data, file.name, aids=aids)
            except ReadingError as error:
                found[slug, file.name] = Outcome("FAILED", frozenset([error.code]), frozenset())
                continue
            of_seller = earlier.setdefault(reading.seller.name, [])
            # Nine days after the newest example; later, nothing in them becomes implausible but "too old".
            known = accounts.setdefault(reading.seller.name, [])
            other = KnownAccount(known[0], "earlier") if known and reading.iban not in known else None
            expectations = Expectations(date(2026, 5, 9), earlier_invoices=tuple(of_seller), other_account=other)
            judged = judge_reading(reading, expectations, Standard(expectations.today, past_years=10))
            reading, verdict, judgement, doubts = judged.reading, judged.verdict, judged.judgement, judged.reasons
            by_severity = {
                severity: frozenset(one.rule for one in verdict.violations if one.severity == severity)
                for severity in ("fatal", "warning")
            }
            reasons = by_severity["fatal"] | {doubt.code for doubt in doubts}
            found[slug, file.name] = Outcome(STATES[judgement], reasons, by_severity["warning"], reading)
            if judgement is Judgement.VALID and reading.iban:
                known.append(reading.iban)
            if judgement is Judgement.VALID and reading.number:
                of_seller.append(
                    EarlierInvoice(
                        reading.number, reading.issue_date, reading.gross_amount, reading.currency, file.name
                    )
                )
    return found


@pytest.mark.parametrize(("slug", "document"), BY_FILE)
def test_a_document_becomes_what_is_expected(
    outcomes: dict[tuple[str, str], Outcome], slug: str, document: dict[str, Any]
) -> None:
    outcome = outcomes[slug, document["file"]]
    assert outcome.state == document["state"], sorted(outcome.reasons)
    if document["state"] in ("FAILED", "PARSED"):
        assert document["reason"] in outcome.reasons
    elif document["reason"]:
        assert document["reason"] in outcome.warnings
    if document["state"] == "EXPORTED":
        reading = outcome.reading
        assert reading is not None
        assert {
            "number": reading.number,
            "issue_date": str(reading.issue_date),
            "seller": reading.seller.name,
            "net_amount": reading.net_amount,
            "tax_amount": reading.tax_amount or Decimal(0),
            "gross_amount": reading.gross_amount,
            "payable_amount": reading.payable_amount or reading.gross_amount,
            "currency": reading.currency,
        } == {
            name: Decimal(document[name]) if name.endswith("_amount") else document[name]
            for name in (
                "number",
                "issue_date",
                "seller",
                "net_amount",
                "tax_amount",
                "gross_amount",
                "payable_amount",
                "currency",
            )
        }
