"""How the rules of Peppol are declared."""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, declare
from invoice_pipelines.einvoice.rules.verdict import Severity

SOURCE = "Peppol BIS Billing 3.0, rules"
"""What these rules are told to be from."""


def peppol_rule(
    number: str,
    ubl: Asked | tuple[Asked, ...] | None,
    cii: Asked | tuple[Asked, ...] | None,
    *,
    severity: Severity = Severity.FATAL,
    text: str = "",
) -> Declaration:
    """A rule by its number, such as `R001`."""
    return declare(f"PEPPOL-EN16931-{number}", ubl, cii, source=SOURCE, severity=severity, text=text)
