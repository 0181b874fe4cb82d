"""Invoices of which the line with the total was not read, or a digit of it: another sum that stands there, under words
or twice, is not sure instead of it.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.calibration import calibrated
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import page_of

ARTICLES = [("1 Montage 8 x 515.23", "4121.84"), ("2 Cable 9 x 61.36", "552.24"), ("3 Licence 2 x 701.47", "1402.94")]
TAXES = [("VAT @ 20% on 1402.94", "280.59"), ("VAT 5% on 4674.08", "233.70")]


def read(*rows: tuple[str, str]) -> Reading:
    head = [("Webster Electrical Ltd", ""), ("Invoice No. 2023-0590", ""), ("Invoice date 19 February 2023", "")]
    return calibrated(find_fields([page_of([*head, *rows], 500)]))


def is_sure(reading: Reading) -> bool:
    place = reading.provenance.get("gross_amount")
    return bool(place and place.confidence >= ReviewThresholds().gross_amount)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([*ARTICLES, ("Net total", "6077.02"), *TAXES], id="a net total"),
        pytest.param(
            [*ARTICLES, ("Page subtotal", "6077.02"), ("Carried forward", "6077.02"), ("4 Pump", "10.00"), *TAXES],
            id="what one page carries to the next",
        ),
        pytest.param([*ARTICLES, ("VAT 20%", "1215.40"), ("Total", "7292.45")], id="a total with a digit misread"),
    ],
)
def test_another_sum_is_no_sure_total(rows: list[tuple[str, str]]) -> None:
    assert not is_sure(read(*rows))


def test_the_total_that_was_read_is_sure() -> None:
    reading = read(*ARTICLES, ("Net total", "6077.02"), *TAXES, ("Total", "6591.31"))
    assert (reading.gross_amount, is_sure(reading)) == (Decimal("6591.31"), True)
