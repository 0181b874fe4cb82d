"""The numbers of receipts: labels of many languages, glued, cut and abbreviated, and what is none."""

from __future__ import annotations

import pytest

from invoice_pipelines_tests.unit.intake.documents.text_layer.totals.test_receipts import receipt

TOTAL = "Total EUR | 14,20; Bar | 14,20"


@pytest.mark.parametrize(
    ("printed", "number"),
    [
        ("16.07.2021 | Bed. 2 | Rg.: 135", "135"),
        ("Rech-Nr.:K1/28.07.2021/19:17/27662", "K1/28.07.2021/19:17/27662"),
        ("Rng-Nr.: 43 | 17.04.2023 12:50", "43"),
        ("Rechnungs-Nr. H7 - 123 - 3781 | Seite 1", "H7 - 123 - 3781"),
        ("Rechnung: JI2O018793 / 16.05.2022", "JI2O018793"),
        ("nungs-Nr.: 91153 | 04.11.2019 07:15", "91153"),
        ("Fact.: N002240313", "N002240313"),
        ("40-Han 8-Fra:0023001018024/001", "0023001018024/001"),
        ("Factura No.FS-340026-5-2022", "FS-340026-5-2022"),
        ("Kvitto : 100416229 | 2019-05-01 20:56", "100416229"),
        ("Račun br: 6732/01/1", "6732/01/1"),
        ("Broj računa: 1744/Pos11/1", "1744/Pos11/1"),
        ("ADDITION #968757-1", "968757-1"),
        ("CHK 140750 | TBL 409/1", "140750"),
        ("N°: TV11030773 | 17/05/2022 11:58:22", "TV11030773"),
        ("Buchungscode / Rechnungsnummer: | NFCZMQ", "NFCZMQ"),
    ],
)
def test_a_receipt_is_numbered_in_many_ways(printed: str, number: str) -> None:
    assert receipt(f"Gasthaus Nord GmbH; 04109 Leipzig; {printed}; Suppe | 14,20; {TOTAL}").number == number


@pytest.mark.parametrize(
    "printed",
    [
        "Kundenbeleg 15.12.23/18:30",
        "Nr. | 26. Feb 2019 | 21:41",
        "Rechnungsnummer: SIEHE",
        "Rechnungsnummer: UNTEN",
        "TSE BelegNr.: 36599",
        "Check-In: 12.10.2023",
    ],
)
def test_dates_words_and_counters_of_the_till_are_no_numbers_of_a_receipt(printed: str) -> None:
    assert receipt(f"Gasthaus Nord GmbH; 04109 Leipzig; {printed}; Suppe | 14,20; {TOTAL}").number is None


def test_what_a_receipt_only_counts_is_less_sure_than_its_number() -> None:
    head = "Gasthaus Nord GmbH; 04109 Leipzig"
    counted = receipt(f"{head}; CHK 1545 | TISCH 20/1; Suppe | 14,20; {TOTAL}")
    assert counted.number == "1545"
    assert counted.provenance["number"].confidence < 0.9
    assert receipt(f"{head}; CHK 1545; Rechnungsnummer: 1620; Suppe | 14,20; {TOTAL}").number == "1620"
