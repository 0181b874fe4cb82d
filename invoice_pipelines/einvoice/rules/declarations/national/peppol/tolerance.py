"""How far amounts may deviate."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from invoice_pipelines.einvoice.rules.declarations.national.peppol.document import currencies
from invoice_pipelines.einvoice.rules.engine.walk import View

_SLACK = Decimal("0.02")
_SLACK_IN_FORINT = Decimal("0.5")
Slack = Callable[[View], Decimal]
"""How far an amount of a document may deviate."""


def two_cents(view: View) -> Decimal:
    """Two cents, whatever the currency."""
    return _SLACK


def slack_by_currency(view: View) -> Decimal:
    """Two cents, or half a forint in an invoice in forint."""
    return _SLACK_IN_FORINT if "HUF" in view.once(currencies) else _SLACK
