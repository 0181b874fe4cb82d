"""The rules on the VAT breakdown (IP-TAX). The totals that it leads to are in `totals`."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from invoice_pipelines.einvoice.rules.verdict import Severity, Violation
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.own_rules import broken
from invoice_pipelines.intake.validation.totals import CENT, HALF_CENT, ZERO, certain_severity, is_certain

# The rules of EN 16931 let the VAT of one rate deviate by one unit of the currency (BR-CO-17, BR-S-08 and the like).
FATAL_DEVIATION = Decimal(1)


def tax_violations(reading: Reading) -> Iterator[Violation]:
    """IP-TAX-01 to -03.

    VAT is rounded once per rate, half up, to two decimals. A seller who rounds it line by line may be half a cent off
    for each line; that is let pass. What is beyond is a warning, and fatal beyond `FATAL_DEVIATION`.
    Sources: EN 16931-1:2017, BR-CO-14, BR-CO-17, BR-S-08.
    """
    yield from _per_rate(reading)
    yield from _tax_sum(reading)
    yield from _taxable_sum(reading)


def _per_rate(reading: Reading) -> Iterator[Violation]:
    tolerance = max(CENT, HALF_CENT * len(reading.lines))
    for index, part in enumerate(reading.tax_breakdowns):
        if part.taxable_amount is None or part.tax_amount is None or part.rate is None:
            continue
        expected = (part.taxable_amount * part.rate / 100).quantize(CENT, ROUND_HALF_UP)
        deviation = abs(expected - part.tax_amount)
        if deviation > tolerance:
            yield broken(
                "IP-TAX-01",
                f"tax_breakdowns[{index}].tax_amount",
                _severity(deviation, reading),
                rate=part.rate,
                taxable=part.taxable_amount,
                expected=expected,
                stated=part.tax_amount,
            )


def _tax_sum(reading: Reading) -> Iterator[Violation]:
    amounts = [part.tax_amount for part in reading.tax_breakdowns if part.tax_amount is not None]
    if not amounts or len(amounts) < len(reading.tax_breakdowns) or reading.tax_amount is None:
        return
    total = sum(amounts, ZERO)
    if total != reading.tax_amount:
        yield broken("IP-TAX-02", "tax_amount", certain_severity(reading), total=total, stated=reading.tax_amount)


def _taxable_sum(reading: Reading) -> Iterator[Violation]:
    amounts = [part.taxable_amount for part in reading.tax_breakdowns if part.taxable_amount is not None]
    if not amounts or len(amounts) < len(reading.tax_breakdowns) or reading.net_amount is None:
        return
    total = sum(amounts, ZERO)
    deviation = abs(total - reading.net_amount)
    if deviation > HALF_CENT * len(amounts):
        yield broken(
            "IP-TAX-03", "tax_breakdowns", _severity(deviation, reading), total=total, stated=reading.net_amount
        )


def _severity(deviation: Decimal, reading: Reading) -> Severity:
    return Severity.FATAL if is_certain(reading) and deviation > FATAL_DEVIATION else Severity.WARNING
