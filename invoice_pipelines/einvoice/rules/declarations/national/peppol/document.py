"""What rules of Peppol ask of a document as a whole: its currency, business process and countries."""

from __future__ import annotations

import re
from collections.abc import Sequence

from invoice_pipelines.einvoice.rules.declarations.national.places import SETTLEMENT
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import normalized, one, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, Syntax, View

_PROCESS = re.compile(r"urn:fdc:peppol\.eu:2017:poacc:(billing:[0-9]{2}|selfbilling:[0-9]{2}):1\.0")
_UBL_CURRENCY = path("cbc:DocumentCurrencyCode")
_CII_CURRENCY = path(SETTLEMENT + "ram:InvoiceCurrencyCode")


def currencies(view: View) -> frozenset[str]:
    """What the document says for its currency (BT-5), as it stands there."""
    found = (_UBL_CURRENCY if view.syntax is Syntax.UBL else _CII_CURRENCY)(view.root)
    return frozenset(each.string for each in found)


def own_text(nodes: Sequence[Node]) -> str:
    """What the only one of them says itself, without what is in elements in it, and without blanks around."""
    node = one(nodes)
    return "" if node is None or node.text is None else normalized(node.text)


def process(view: View) -> str | None:
    """The business process (BT-23), such as `billing:01`; None where it is not one of Peppol billing."""
    found = (_UBL_PROCESS if view.syntax is Syntax.UBL else _CII_PROCESS)(view.root)
    match = _PROCESS.search(said(found))
    return match.group(1) if match else None


_UBL_PROCESS = path("cbc:ProfileID")
_CII_PROCESS = path("rsm:ExchangedDocumentContext/ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID")


def is_german(view: View) -> bool:
    """Whether seller and buyer have their address in Germany."""
    return all(said(found(view.root)).upper() == "DE" for found in _UBL_COUNTRIES)


_UBL_COUNTRIES = (
    path("cac:AccountingSupplierParty/cac:Party/cac:PostalAddress/cac:Country/cbc:IdentificationCode"),
    path("cac:AccountingCustomerParty/cac:Party/cac:PostalAddress/cac:Country/cbc:IdentificationCode"),
)
