"""That real e-invoices are read: against values taken from them by other means, and against another reader."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.files.read_report import documents_below, read_report
from invoice_pipelines.intake.reading import Format, Reading
from invoice_pipelines_tests.conftest import CORPUS

# What the two files of a pair of the test suite say differently themselves.
UNLIKE_TWINS = {
    ("01.20a-INVOICE_ubl.xml", "parties"),  # another street and city
    ("01.20a-INVOICE_ubl.xml", "totals"),  # totals of zero are left out in UBL
    ("01.21a-INVOICE_ubl.xml", "BT-31"),  # another VAT identifier
    ("01.21a-INVOICE_ubl.xml", "totals"),  # totals of zero are left out in UBL
    ("01.21a-INVOICE_ubl.xml", "tax"),  # another exemption reason
    ("03.06a-INVOICE_ubl.xml", "parties"),  # city and post code swapped in UBL
    ("01.01_comprehensive_test_ubl.xml", "BT-44"),  # name and trading name of the buyer swapped in UBL
    ("01.02_comprehensive_test_ubl.xml", "BT-44"),
    ("01.03_comprehensive_test_ubl.xml", "BT-44"),
    ("01.04_comprehensive_test_ubl.xml", "BT-44"),
    ("01.03_comprehensive_test_ubl.xml", "parties"),  # a person in UBL, a department in CII
    ("01.04_comprehensive_test_ubl.xml", "parties"),
    ("01.05_minimal_test_ubl.xml", "BT-110"),  # a tax total of zero is left out in CII
}
PARTY_FIELDS = ("seller_name", "seller_vat_id", "buyer_name")
pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real e-invoices is not on this machine"),
]


@pytest.fixture(scope="module")
def readings() -> list[tuple[dict[str, Any], Reading]]:
    """Each e-invoice, with what is expected of it."""
    rows = map(json.loads, (CORPUS / "expected.jsonl").read_text("utf-8").splitlines())
    return [(expected, read_document((CORPUS / expected["file"]).read_bytes())) for expected in rows]


def test_every_e_invoice_is_read_with_the_expected_values(readings: list[tuple[dict[str, Any], Reading]]) -> None:
    differences = []
    for expected, reading in readings:
        for field, value in expected.items():
            found = _value(reading, field)
            same = found == Decimal(value) if isinstance(found, Decimal) and value else found in (value, str(value))
            if field != "file" and not same:
                differences.append((expected["file"], field, value, found))
        assert "\\u0000" not in json.dumps(reading.raw), "it can be stored"
    assert differences == []


def test_every_other_file_gets_one_clear_line(readings: list[tuple[dict[str, Any], Reading]]) -> None:
    e_invoices = {expected["file"] for expected, _ in readings}
    for name, path in documents_below([CORPUS]):
        if name not in e_invoices:
            report = read_report(path, name)
            assert report["ok"] or report["error"].partition(":")[0] not in ("", "INTERNAL"), (name, report["error"])


def test_real_e_invoices_hold_few_values_that_are_not_understood(
    readings: list[tuple[dict[str, Any], Reading]],
) -> None:
    remarks = {expected["file"]: reading.warnings for expected, reading in readings if reading.warnings}
    assert len(remarks) <= 15, remarks


def test_both_syntaxes_of_one_invoice_read_alike() -> None:
    """The test suite of XRechnung states most cases in UBL and in CII."""
    compared, differences = 0, []
    for ubl in sorted((CORPUS / "xrechnung-testsuite").rglob("*_ubl.xml")):
        cii = ubl.with_name(ubl.name.replace("_ubl", "_uncefact"))
        if cii.exists():
            compared += 1
            ours, theirs = (_content(read_document(path.read_bytes())) for path in (ubl, cii))
            differences += [(ubl.name, key, ours[key], theirs[key]) for key in ours if ours[key] != theirs[key]]
    assert [found for found in differences if found[:2] not in UNLIKE_TWINS] == []
    assert compared == 40


@pytest.mark.slow
def test_another_reader_finds_the_same_core_fields(readings: list[tuple[dict[str, Any], Reading]]) -> None:
    """factur-x 7.8 as a peer, on all documents in the syntaxes that it can read."""
    facturx = pytest.importorskip("facturx")
    differences, compared = [], 0
    for expected, reading in readings:
        if reading.format == Format.ZUGFERD1 or reading.xml is None:
            continue
        try:
            peer = facturx.parse_ubl_cii_xml(reading.xml, check_xsd=False)
        except Exception:  # noqa: BLE001 (the peer raises on dates with zones and unknown specification identifiers)
            continue
        compared += 1
        theirs, ours = _peer_core(peer), _our_core(reading)
        differences += [(expected["file"], key, theirs[key], ours[key]) for key in ours if theirs[key] != ours[key]]
    assert differences == []
    assert compared >= 280


def _value(reading: Reading, field: str) -> Any:
    if field == "lines":
        return len(reading.lines)
    party, _, term = field.partition("_")
    found = getattr(getattr(reading, party), term) if field in PARTY_FIELDS else getattr(reading, field, None)
    return str(found) if isinstance(found, date) else found


def _content(reading: Reading) -> dict[str, Any]:
    return {
        **_our_core(reading),
        "parties": (reading.seller.address, reading.seller.contact, reading.buyer.address),
        "reference": reading.buyer_reference,
        "totals": (reading.line_total, reading.allowance_total, reading.charge_total, reading.prepaid_amount),
        "tax": reading.tax_breakdowns,
        "payments": [(payment.means_code, payment.accounts) for payment in reading.payments],
        "lines": [
            (line.identifier, line.quantity, line.unit, line.net_amount, line.unit_price, line.tax_rate, line.name)
            for line in reading.lines
        ],
    }


def _our_core(reading: Reading) -> dict[str, Any]:
    return {
        "BT-1": reading.number,
        "BT-2": reading.issue_date,
        "BT-3": reading.type_code,
        "BT-5": reading.currency,
        "BT-9": reading.due_date,
        "BT-27": reading.seller.name,
        "BT-31": reading.seller.vat_id,
        "BT-44": reading.buyer.name,
        "BT-109": reading.net_amount,
        "BT-110": reading.tax_amount,
        "BT-112": reading.gross_amount,
        "BT-115": reading.payable_amount,
        "BG-25": len(reading.lines),
    }


def _peer_core(peer: dict[str, Any]) -> dict[str, Any]:
    core = {term: peer.get(term) for term in ("BT-1", "BT-2", "BT-3", "BT-5", "BT-9")}
    if isinstance(core["BT-9"], list):  # several due dates, of which the first leads
        core["BT-9"] = core["BT-9"][0]
    seller, buyer = peer.get("BG-4", {}), peer.get("BG-7", {})
    core |= {"BT-27": seller.get("name"), "BT-31": seller.get("vat_identifier"), "BT-44": buyer.get("name")}
    core |= {key: " ".join(value.split()) for key, value in core.items() if isinstance(value, str)}
    for term in ("BT-109", "BT-110", "BT-112", "BT-115"):
        core[term] = None if peer.get(term) is None else Decimal(peer[term])
    return {**core, "BG-25": len(peer.get("BG-25", ()))}
