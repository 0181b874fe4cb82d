"""PEPPOL-EN16931-R*: what Peppol BIS Billing asks for, most of which XRechnung has taken over.

`RULES` are those of Peppol BIS Billing, `IN_XRECHNUNG` those of XRechnung, which differ in places: XRechnung's have a
wider tolerance for amounts in forint, only warn of line amounts (R120), and in CII take some of the others otherwise.
"""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.declarations.national.peppol.alone import ONLY_PEPPOL
from invoice_pipelines.einvoice.rules.declarations.national.peppol.shared import shared_rules
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration

IN_XRECHNUNG: tuple[Declaration, ...] = shared_rules(xrechnung=True)
RULES: tuple[Declaration, ...] = (*ONLY_PEPPOL, *shared_rules(xrechnung=False))
