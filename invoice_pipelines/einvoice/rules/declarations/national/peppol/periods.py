"""The periods of lines lie in that of the invoice: R110, R111."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date

from invoice_pipelines.einvoice.rules.declarations.national.places import LINES, SETTLEMENT
from invoice_pipelines.einvoice.rules.engine.declaration import Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import NO_VALUE, Stopped, normalized, one
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_DATE = re.compile(r"(-?[0-9]{4,})-([0-9]{2})-([0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})?")


def moment(nodes: Sequence[Node]) -> int:
    """The minute at which the day begins that the only one of them says; of days in other zones, too."""
    node = one(nodes)
    match = _DATE.fullmatch(normalized(node.string)) if node is not None else None
    if match is None:
        raise Stopped(NO_VALUE)
    try:
        day = date(int(match[1]), int(match[2]), int(match[3])).toordinal()
    except ValueError as error:
        raise Stopped(NO_VALUE) from error
    zone = match[4] or "Z"
    offset = 0 if zone == "Z" else int(zone[0] + "1") * (int(zone[1:3]) * 60 + int(zone[4:6]))
    return day * 24 * 60 - offset


def ubl_within_period(name: str, is_within: Callable[[int, int], bool]) -> Test:
    """R110, R111: the period of a line lies in that of the invoice."""
    whole = path(f"cac:InvoicePeriod/{name}")

    def test(node: Node, view: View) -> bool:
        dates = whole(view.root)
        return not dates or is_within(moment((node,)), moment(dates))

    return test


def cii_within_period(name: str, is_within: Callable[[str, str], bool]) -> Test:
    """R110, R111 in CII: dates are compared as texts, any with any."""
    whole = path(f"{SETTLEMENT}ram:BillingSpecifiedPeriod/{name}")

    def test(node: Node, view: View) -> bool:
        dates = whole(view.root)
        if not dates:
            return True
        stated = [each.string for each in node.kids.get("udt:DateTimeString", ())]
        limits = [each.string for date in dates for each in date.kids.get("udt:DateTimeString", ())]
        return any(is_within(day, limit) for day in stated for limit in limits)

    return test


def later(day: int, limit: int) -> bool:
    """R110: it begins with the period of the invoice, or later."""
    return day >= limit


def sooner(day: int, limit: int) -> bool:
    """R111: it ends with the period of the invoice, or sooner."""
    return day <= limit


CII_PERIOD = f"{LINES}/ram:SpecifiedLineTradeSettlement/ram:BillingSpecifiedPeriod/"
"""The period of a line in CII."""
UBL_PERIOD = (
    "ubl:Invoice/cac:InvoiceLine/cac:InvoicePeriod/{0} | cn:CreditNote/cac:CreditNoteLine/cac:InvoicePeriod/{0}"
)
"""The date of this name in the period of a line in UBL."""
