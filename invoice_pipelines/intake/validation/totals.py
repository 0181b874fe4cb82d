"""The rules on the arithmetic of lines and totals (IP-TOTAL, IP-LINE). VAT has its own module, `tax`.

The document totals have two decimals on both sides of each equation, so nothing is allowed for there. Sums of lines
may deviate by half a cent for each line, since sellers may compute with more decimals than they print.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from invoice_pipelines.einvoice.model import AllowanceCharge, Line
from invoice_pipelines.einvoice.rules.verdict import Severity, Violation
from invoice_pipelines.einvoice.rules.xml_document import Usage, usage_of
from invoice_pipelines.intake.reading import Reading, Source
from invoice_pipelines.intake.validation.own_rules import broken

HALF_CENT = Decimal("0.005")
CENT = Decimal("0.01")
ZERO = Decimal(0)
NOT_COUNTED = ("GROUP", "INFORMATION")  # lines of EXTENDED that repeat or explain others (BT-X-8)


def total_violations(reading: Reading) -> Iterator[Violation]:
    """IP-TOTAL-01 to -05 and IP-LINE-01.

    Sources: EN 16931-1:2017, BR-CO-10, -13, -15, -16. A negative invoice obeys the same equations.
    """
    yield from _gross(reading)
    yield from _line_total(reading)
    yield from _net(reading)
    yield from _payable(reading)
    for index, line in enumerate(reading.lines):
        yield from _line(index, line)


def _extends_core(reading: Reading) -> bool:
    """True where the document declares an extension of EN 16931 (`#conformant#` in BT-24).

    An extension may bring amounts and sub-lines that the core knows no term for, so its sums cannot be fatal here.
    """
    return "#conformant#" in (reading.specification_identifier or "")


def is_certain(reading: Reading) -> bool:
    """True where the parts of a sum are all there: a page may have been read in part, an extension may hold more."""
    return reading.source is Source.XML and not _extends_core(reading)


def certain_severity(reading: Reading) -> Severity:
    """What a wrong sum weighs: only where its parts are all there is it fatal."""
    return Severity.FATAL if is_certain(reading) else Severity.WARNING


def _gross(reading: Reading) -> Iterator[Violation]:
    net, tax, gross = reading.net_amount, reading.tax_amount, reading.gross_amount
    if gross is None:
        return
    if net is None:
        yield broken("IP-TOTAL-05", "gross_amount")
        return
    # VAT that is not stated counts as none, on a page too: a total that nothing bears out is never let pass in silence.
    expected = net + (tax or ZERO)
    if expected != gross:
        stated = ("none", "keine") if tax is None else tax
        yield broken("IP-TOTAL-01", "gross_amount", net=net, tax=stated, sum=expected, gross=gross)


def _line_total(reading: Reading) -> Iterator[Violation]:
    counted = [line for line in reading.lines if line.kind not in NOT_COUNTED]
    amounts = [line.net_amount for line in counted if line.net_amount is not None]
    if not amounts or len(amounts) < len(counted):
        return
    lines = sum(amounts, ZERO)
    stated, term, location = reading.line_total, ("BT-106", "Summe der Positionen (BT-106)"), "line_total"
    if stated is None:
        # Text readings and ZUGFeRD 1.0 need not state the sum of the lines: then the net amount must follow from them.
        if reading.net_amount is None:
            return
        stated = reading.net_amount - _allowances_and_charges(reading)
        term, location = ("BT-109 less charges, plus allowances", "Nettobetrag (BT-109)"), "net_amount"
    if abs(lines - stated) > HALF_CENT * len(amounts):
        yield broken("IP-TOTAL-02", location, certain_severity(reading), sum=lines, term=term, stated=stated)


def _net(reading: Reading) -> Iterator[Violation]:
    if reading.line_total is None or reading.net_amount is None:
        return
    expected = reading.line_total + _allowances_and_charges(reading)
    if expected != reading.net_amount:
        yield broken(
            "IP-TOTAL-03",
            "net_amount",
            certain_severity(reading),
            lines=reading.line_total,
            expected=expected,
            net=reading.net_amount,
        )


def _payable(reading: Reading) -> Iterator[Violation]:
    if reading.payable_amount is None or reading.gross_amount is None:
        return
    if usage_of(reading.specification_identifier) is Usage.FACTURX_MINIMUM:
        return  # it has no prepaid amount (BT-113)
    prepaid, rounding = reading.prepaid_amount or ZERO, reading.rounding_amount or ZERO
    expected = reading.gross_amount - prepaid + rounding
    if expected != reading.payable_amount:
        yield broken(
            "IP-TOTAL-04",
            "payable_amount",
            Severity.WARNING if _extends_core(reading) else Severity.FATAL,
            gross=reading.gross_amount,
            prepaid=prepaid,
            rounding=rounding,
            expected=expected,
            payable=reading.payable_amount,
        )


def _line(index: int, line: Line) -> Iterator[Violation]:
    if line.quantity is None or line.unit_price is None or line.net_amount is None:
        return
    base = line.price_base_quantity or Decimal(1)
    expected = line.quantity * line.unit_price / base + _balance(line.allowances_charges)
    # The price may have been rounded to the decimals it is printed with, which the quantity multiplies.
    price_digits = Decimal(1).scaleb(int(line.unit_price.as_tuple().exponent)) / 2
    tolerance = CENT + abs(line.quantity / base) * price_digits
    if abs(expected - line.net_amount) > tolerance:
        yield broken(
            "IP-LINE-01",
            f"lines[{index}].net_amount",
            line=line.identifier or str(index + 1),
            expected=expected.quantize(CENT),
            stated=line.net_amount,
        )


def _allowances_and_charges(reading: Reading) -> Decimal:
    """What document level allowances and charges add to the sum of the lines, by BT-107 and BT-108 where stated."""
    items = reading.allowances_charges
    allowances, charges = reading.allowance_total, reading.charge_total
    if allowances is None:
        allowances = -_balance(tuple(item for item in items if not item.is_charge))
    if charges is None:
        charges = _balance(tuple(item for item in items if item.is_charge))
    return charges - allowances


def _balance(items: tuple[AllowanceCharge, ...]) -> Decimal:
    return sum(((item.amount or ZERO) * (1 if item.is_charge else -1) for item in items), ZERO)
