"""Holds the rules on the arithmetic of lines and totals (IP-TOTAL, IP-LINE). VAT has its own module, `tax`.

The document totals have two decimals on both sides of each equation, so nothing is allowed for there. Sums of lines
may deviate by half a cent for each line, since sellers may compute with more decimals than they print.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from invoice_pipelines.einvoice.model import AllowanceCharge, Line
from invoice_pipelines.intake.reading import Reading, Source
from invoice_pipelines.intake.validation.verdict import Severity, Violation, content_violation
from invoice_pipelines.intake.validation.wording import german_amount
from invoice_pipelines.intake.validation.xml_document import Usage, usage_of

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


def _gross(reading: Reading) -> Iterator[Violation]:
    net, tax, gross = reading.net_amount, reading.tax_amount, reading.gross_amount
    if gross is None:
        return
    if net is None:
        yield content_violation(
            "IP-TOTAL-05",
            Severity.WARNING,
            "The total with VAT cannot be checked, as the net amount is missing.",
            "Der Gesamtbetrag ist nicht prüfbar, weil der Nettobetrag fehlt.",
            "gross_amount",
        )
        return
    # VAT that is not stated counts as none, on a page too: a total that nothing bears out is never let pass in silence.
    if net + (tax or ZERO) != gross:
        yield content_violation(
            "IP-TOTAL-01",
            Severity.FATAL,
            f"Net amount {net} + VAT {tax if tax is not None else 'none'} = {net + (tax or ZERO)}, but the total with "
            f"VAT (BT-112) is {gross}.",
            f"Nettobetrag {german_amount(net)} + Umsatzsteuer {german_amount(tax) if tax is not None else 'keine'} = "
            f"{german_amount(net + (tax or ZERO))}, der Gesamtbetrag (BT-112) lautet aber {german_amount(gross)}.",
            "gross_amount",
        )


def _line_total(reading: Reading) -> Iterator[Violation]:
    counted = [line for line in reading.lines if line.kind not in NOT_COUNTED]
    amounts = [line.net_amount for line in counted if line.net_amount is not None]
    if not amounts or len(amounts) < len(counted):
        return
    lines = sum(amounts, ZERO)
    stated, name, name_de, location = reading.line_total, "BT-106", "Summe der Positionen (BT-106)", "line_total"
    if stated is None:
        # Text readings and ZUGFeRD 1.0 need not state the sum of the lines: then the net amount must follow from them.
        if reading.net_amount is None:
            return
        stated = reading.net_amount - _allowances_and_charges(reading)
        name, name_de, location = "BT-109 less charges, plus allowances", "Nettobetrag (BT-109)", "net_amount"
    if abs(lines - stated) > HALF_CENT * len(amounts):
        yield content_violation(
            "IP-TOTAL-02",
            Severity.FATAL if is_certain(reading) else Severity.WARNING,
            f"The lines sum to {lines}, but their stated total ({name}) is {stated}.",
            f"Die Positionen ergeben {german_amount(lines)}, angegeben ist aber {german_amount(stated)}: {name_de}.",
            location,
        )


def _net(reading: Reading) -> Iterator[Violation]:
    if reading.line_total is None or reading.net_amount is None:
        return
    expected = reading.line_total + _allowances_and_charges(reading)
    if expected != reading.net_amount:
        yield content_violation(
            "IP-TOTAL-03",
            Severity.FATAL if is_certain(reading) else Severity.WARNING,
            f"Lines {reading.line_total} less allowances and plus charges = {expected}, but the net amount (BT-109) is "
            f"{reading.net_amount}.",
            f"Positionen {german_amount(reading.line_total)} abzüglich Nachlässe und zuzüglich Zuschläge = "
            f"{german_amount(expected)}, der Nettobetrag (BT-109) lautet aber {german_amount(reading.net_amount)}.",
            "net_amount",
        )


def _payable(reading: Reading) -> Iterator[Violation]:
    if reading.payable_amount is None or reading.gross_amount is None:
        return
    if usage_of(reading.specification_identifier) is Usage.FACTURX_MINIMUM:
        return  # it has no prepaid amount (BT-113)
    expected = reading.gross_amount - (reading.prepaid_amount or ZERO) + (reading.rounding_amount or ZERO)
    if expected != reading.payable_amount:
        yield content_violation(
            "IP-TOTAL-04",
            Severity.WARNING if _extends_core(reading) else Severity.FATAL,
            f"Total {reading.gross_amount} less prepaid {reading.prepaid_amount or ZERO} plus rounding "
            f"{reading.rounding_amount or ZERO} = {expected}, but the amount due (BT-115) is {reading.payable_amount}.",
            f"Gesamtbetrag {german_amount(reading.gross_amount)} abzüglich Vorauszahlung "
            f"{german_amount(reading.prepaid_amount or ZERO)} zuzüglich Rundung "
            f"{german_amount(reading.rounding_amount or ZERO)} = {german_amount(expected)}, der Zahlbetrag (BT-115) "
            f"lautet aber {german_amount(reading.payable_amount)}.",
            "payable_amount",
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
        shown = expected.quantize(CENT)
        yield content_violation(
            "IP-LINE-01",
            Severity.WARNING,
            f"Line {line.identifier or index + 1}: quantity x price with allowances and charges is {shown}, but the "
            f"line net amount (BT-131) is {line.net_amount}.",
            f"Position {line.identifier or index + 1}: Menge x Preis mit Nachlässen und Zuschlägen ergibt "
            f"{german_amount(shown)}, der Positionsbetrag (BT-131) lautet aber {german_amount(line.net_amount)}.",
            f"lines[{index}].net_amount",
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
